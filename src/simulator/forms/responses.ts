// OpenAI's responses: items with parts, each begun, filled and ended; the last event repeats the whole reply.

import { usageJson } from '../answer.ts';
import type { Answer, Frame, UsageText } from '../answer.ts';
import { callsOf, createdAt, textOf } from '../said.ts';
import type { Choice, Generation } from '../said.ts';
import { errorBody } from '../wire.ts';
import type { Form } from './form.ts';
import { typedEvent } from './typed-event.ts';

export const responsesForm: Form = {
  event: typedEvent,
  error: (_status, message, type, code, param = null) => errorBody(message, type, code, param),
  errorEvent: (message) =>
    typedEvent(
      `{"type":"error","code":"server_error","message":${JSON.stringify(message)},"param":null,"sequence_number":99}`,
    ),
  honestUsage: ({ prompt, completion, cached, reasoning }) =>
    `{"input_tokens":${prompt},"input_tokens_details":{"cached_tokens":${cached}},"output_tokens":${completion},` +
    `"output_tokens_details":{"reasoning_tokens":${reasoning}},"total_tokens":${prompt + completion}}`,
  usage(prompt, completion, total, cached, reasoning) {
    const inside = cached === undefined ? '' : `,"input_tokens_details":{"cached_tokens":${cached}}`;
    const thought = reasoning === undefined ? '' : `,"output_tokens_details":{"reasoning_tokens":${reasoning}}`;
    return `{"input_tokens":${prompt},"output_tokens":${completion},"total_tokens":${total}${inside}${thought}}`;
  },
};

const suffixOf = ({ id }: Generation): string => id.slice(-16);
const textItem = (generation: Generation, status: string, content: string): string =>
  `{"id":"msg_${suffixOf(generation)}","type":"message","status":"${status}","content":[${content}],"role":"assistant"}`;
const textPart = (text: string): string =>
  `{"type":"output_text","annotations":[],"logprobs":[],"text":${JSON.stringify(text)}}`;

function callItem(generation: Generation, index: number, name: string, text: string, status: string): string {
  const id = `${suffixOf(generation)}${index}`;
  return (
    `{"id":"fc_${id}","type":"function_call","status":"${status}","arguments":${JSON.stringify(text)},` +
    `"call_id":"call_${id}","name":${JSON.stringify(name)}}`
  );
}

function itemsOf(generation: Generation, choice: Choice, status: string): readonly string[] {
  const calls = callsOf(choice, generation.id);
  if (calls.length === 0) return [textItem(generation, status, textPart(textOf(choice)))];
  return calls.map(({ function: called }, index) => callItem(generation, index, called.name, called.arguments, status));
}

function responseJson(
  generation: Generation,
  items: readonly string[],
  status: string,
  usage: string | undefined,
): string {
  const incomplete = status === 'incomplete' ? '{"reason":"max_output_tokens"}' : 'null';
  return (
    `{"id":"resp_${suffixOf(generation)}","object":"response","created_at":${createdAt},"status":"${status}",` +
    `"error":null,"incomplete_details":${incomplete},"instructions":null,"metadata":{},` +
    `"model":${JSON.stringify(generation.model)},"output":[${items.join(',')}],"parallel_tool_calls":true,` +
    '"temperature":1,"top_p":1,"tool_choice":"auto","tools":[],"reasoning":{"effort":null,"summary":null},' +
    `"text":{"format":{"type":"text"}},"truncation":"disabled","store":true,"usage":${usage ?? 'null'}}`
  );
}

const statusOf = ({ finishReason }: Choice): 'completed' | 'incomplete' =>
  finishReason === 'length' ? 'incomplete' : 'completed';

/** Sequence numbers are written when the event is, so that what a fault leaves out leaves no gap to guess from. */
function* renderFrames(generation: Generation, choice: Choice): Generator<Frame, void, undefined> {
  let sequence = 0;
  const frame = (kind: Frame['kind'], type: string, rest: string): Frame => ({
    kind,
    json: `{"type":"${type}","sequence_number":${sequence++},${rest}}`,
  });
  const begun = responseJson(generation, [], 'in_progress', undefined);
  yield frame('open', 'response.created', `"response":${begun}`);
  yield frame('open', 'response.in_progress', `"response":${begun}`);
  const calls = callsOf(choice, generation.id);
  if (calls.length === 0) yield* textFrames(generation, choice, frame);
  for (const [index, { function: called }] of calls.entries()) {
    const at = `"item_id":"fc_${suffixOf(generation)}${index}","output_index":${index}`;
    const item = callItem(generation, index, called.name, '', 'in_progress');
    yield frame('content', 'response.output_item.added', `"output_index":${index},"item":${item}`);
    for (const piece of called.arguments.match(/[^]{1,8}/gu) ?? [])
      yield frame('content', 'response.function_call_arguments.delta', `${at},"delta":${JSON.stringify(piece)}`);
    const whole = JSON.stringify(called.arguments);
    yield frame(
      'finish',
      'response.function_call_arguments.done',
      `${at},"name":${JSON.stringify(called.name)},"arguments":${whole}`,
    );
    const done = callItem(generation, index, called.name, called.arguments, 'completed');
    yield frame('finish', 'response.output_item.done', `"output_index":${index},"item":${done}`);
  }
}

function* textFrames(
  generation: Generation,
  choice: Choice,
  frame: (kind: Frame['kind'], type: string, rest: string) => Frame,
): Generator<Frame, void, undefined> {
  const at = `"item_id":"msg_${suffixOf(generation)}","output_index":0,"content_index":0`;
  yield frame(
    'open',
    'response.output_item.added',
    `"output_index":0,"item":${textItem(generation, 'in_progress', '')}`,
  );
  yield frame('open', 'response.content_part.added', `${at},"part":${textPart('')}`);
  for (let index = 0; index < choice.pieces; index++) {
    const piece = choice.piece(index);
    if (piece.kind === 'text')
      yield frame('content', 'response.output_text.delta', `${at},"delta":${JSON.stringify(piece.text)},"logprobs":[]`);
  }
  const text = textOf(choice);
  const item = textItem(generation, statusOf(choice), textPart(text));
  yield frame('finish', 'response.output_text.done', `${at},"text":${JSON.stringify(text)},"logprobs":[]`);
  yield frame('finish', 'response.content_part.done', `${at},"part":${textPart(text)}`);
  yield frame('finish', 'response.output_item.done', `"output_index":0,"item":${item}`);
}

export function responsesAnswer(generation: Generation, choice: Choice): Omit<Answer, 'stream' | 'timing'> {
  const whole = (usageText: UsageText): string => {
    const status = statusOf(choice);
    const usage = usageJson(usageText, () => responsesForm.honestUsage(generation.usage));
    return responseJson(generation, itemsOf(generation, choice, status), status, usage);
  };
  return {
    wantsUsage: true,
    usage: generation.usage,
    form: responsesForm,
    body: (usage = 'honest') => whole(usage),
    frames: () => renderFrames(generation, choice),
    done: (usage = 'honest') =>
      typedEvent(`{"type":"response.${statusOf(choice)}","sequence_number":999,"response":${whole(usage)}}`),
    contentFrame: (text) =>
      `{"type":"response.output_text.delta","sequence_number":500,"item_id":"msg_${suffixOf(generation)}",` +
      `"output_index":0,"content_index":0,"delta":${JSON.stringify(text)},"logprobs":[]}`,
  };
}
