// Anthropic's messages: a stream of blocks, each begun, filled and ended.

import { usageJson } from '../answer.ts';
import type { Answer, Frame, UsageText } from '../answer.ts';
import { callsOf, textOf } from '../said.ts';
import type { Choice, Generation } from '../said.ts';
import type { Form } from './form.ts';
import { typedEvent } from './typed-event.ts';

const types: Readonly<Record<number, string>> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  402: 'billing_error',
  403: 'permission_error',
  404: 'not_found_error',
  413: 'request_too_large',
  429: 'rate_limit_error',
  529: 'overloaded_error',
};

const errorJson = (message: string, type: string): string =>
  JSON.stringify({ type: 'error', error: { type, message }, request_id: 'req_sim' });

export const anthropicForm: Form = {
  event: typedEvent,
  error(status, message, type, code) {
    const known = type.endsWith('_error') ? type : (types[status] ?? 'api_error');
    return errorJson(message, code === 'insufficient_quota' ? 'billing_error' : (types[status] ?? known));
  },
  errorEvent: (message) => typedEvent(errorJson(message, 'api_error')),
  honestUsage: ({ prompt, completion, cached, reasoning }) =>
    `{"input_tokens":${prompt - cached},"cache_creation_input_tokens":0,"cache_read_input_tokens":${cached},` +
    `"output_tokens":${completion},"output_tokens_details":{"thinking_tokens":${reasoning}},"service_tier":"standard"}`,
  usage(prompt, completion, _total, cached, reasoning) {
    const read = cached === undefined ? '' : `,"cache_read_input_tokens":${cached}`;
    const thought = reasoning === undefined ? '' : `,"output_tokens_details":{"thinking_tokens":${reasoning}}`;
    return `{"input_tokens":${prompt},"output_tokens":${completion}${read}${thought}}`;
  },
};

const stopReasons = { stop: 'end_turn', length: 'max_tokens', tool_calls: 'tool_use' } as const;

const messageId = ({ id }: Generation): string => `msg_${id.slice(-19)}`;
const toolId = (id: string): string => `toolu_${id.slice('call_'.length)}`;

function blocksOf(choice: Choice, id: string): readonly string[] {
  const calls = callsOf(choice, id);
  if (calls.length === 0) return [JSON.stringify({ type: 'text', text: textOf(choice) })];
  return calls.map(
    ({ id: called, function: { name, arguments: text } }) =>
      `{"type":"tool_use","id":"${toolId(called)}","name":${JSON.stringify(name)},"input":${objectOr(text)}}`,
  );
}

/** Arguments that the limit on output cut off are no object. */
function objectOr(text: string): string {
  try {
    JSON.parse(text);
    return text;
  } catch {
    return '{}';
  }
}

function renderBody(generation: Generation, choice: Choice, usageText: UsageText): string {
  const usage = usageJson(usageText, () => anthropicForm.honestUsage(generation.usage));
  return (
    `{"id":"${messageId(generation)}","type":"message","role":"assistant","model":${JSON.stringify(generation.model)},` +
    `"content":[${blocksOf(choice, generation.id).join(',')}],"stop_reason":"${stopReasons[choice.finishReason]}",` +
    `"stop_sequence":null${usage === undefined ? '' : `,"usage":${usage}`}}`
  );
}

const delta = (index: number, inner: string): string =>
  `{"type":"content_block_delta","index":${index},"delta":${inner}}`;
const textDelta = (text: string): string => `{"type":"text_delta","text":${JSON.stringify(text)}}`;

function* renderFrames(
  generation: Generation,
  choice: Choice,
  usageText: UsageText,
): Generator<Frame, void, undefined> {
  const { prompt, cached } = generation.usage;
  const began = usageJson(usageText, () => anthropicForm.usage(prompt - cached, 1, 0, cached));
  yield {
    kind: 'open',
    json:
      `{"type":"message_start","message":{"id":"${messageId(generation)}","type":"message","role":"assistant",` +
      `"model":${JSON.stringify(generation.model)},"content":[],"stop_reason":null,"stop_sequence":null` +
      `${began === undefined ? '' : `,"usage":${began}`}}}`,
  };
  const textual = choice.finishReason !== 'tool_calls' && choice.piece(0).kind === 'text';
  let index = -1;
  if (textual) {
    index = 0;
    yield { kind: 'open', json: '{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}' };
    yield { kind: 'open', json: '{"type":"ping"}' };
  }
  for (let at = 0; at < choice.pieces; at++) {
    const piece = choice.piece(at);
    if (piece.kind === 'text') yield { kind: 'content', json: delta(0, textDelta(piece.text)) };
    else if (piece.kind === 'arguments') {
      const inner = `{"type":"input_json_delta","partial_json":${JSON.stringify(piece.text)}}`;
      yield { kind: 'content', json: delta(index, inner) };
    } else {
      if (index >= 0) yield { kind: 'content', json: `{"type":"content_block_stop","index":${index}}` };
      index++;
      const id = toolId(`call_${generation.id.slice(-16)}${piece.index}`);
      yield {
        kind: 'content',
        json:
          `{"type":"content_block_start","index":${index},"content_block":` +
          `{"type":"tool_use","id":"${id}","name":${JSON.stringify(piece.name)},"input":{}}}`,
      };
    }
  }
  if (index >= 0) yield { kind: 'finish', json: `{"type":"content_block_stop","index":${index}}` };
  const usage = usageJson(usageText, () => anthropicForm.honestUsage(generation.usage));
  yield {
    kind: 'finish',
    json:
      `{"type":"message_delta","delta":{"stop_reason":"${stopReasons[choice.finishReason]}","stop_sequence":null}` +
      `${usage === undefined ? '' : `,"usage":${usage}`}}`,
  };
}

export function anthropicAnswer(generation: Generation, choice: Choice): Omit<Answer, 'stream' | 'timing'> {
  return {
    wantsUsage: true,
    usage: generation.usage,
    form: anthropicForm,
    body: (usage = 'honest') => renderBody(generation, choice, usage),
    frames: (usage = 'honest') => renderFrames(generation, choice, usage),
    done: () => typedEvent('{"type":"message_stop"}'),
    contentFrame: (text) => delta(0, textDelta(text)),
  };
}
