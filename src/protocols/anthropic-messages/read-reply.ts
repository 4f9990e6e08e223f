// What a message of Anthropic's says, whole: its blocks in order. The stream says the same in pieces.

import type { JsonObject, JsonValue } from '../../plugin/conversation.ts';
import type { ReplySink, Stop, StopKind, UpstreamErrorText } from '../../plugin/conversation-reply.ts';
import { isObject, listOf, objectOf, stringOf } from '../json-fields.ts';
import { own, parseCitation } from './parse-content.ts';
import { redactedOf, signatureOf } from './parse-messages.ts';

export function readReply(body: JsonValue, sink: ReplySink): void {
  const message = objectOf(body);
  if (message['type'] === 'error') {
    sink.failed(errorWords(message));
    return;
  }
  readHead(message, sink);
  for (const [index, each] of listOf(message['content']).entries()) {
    const block = objectOf(each);
    const kind = beginBlock(block, index, sink);
    if (kind === 'tool-call') sink.delta(0, index, JSON.stringify(objectOf(block['input'])));
    if (kind === 'native') nativeBlock(block, index, sink);
    else sink.blockEnd(0, index);
  }
  const reason = stringOf(message['stop_reason']);
  if (reason !== undefined) sink.stop(0, stopOf(reason, stringOf(message['stop_sequence'])));
  if (isObject(message['usage'])) sink.usage(message['usage']);
}

export function readHead(message: JsonObject, sink: ReplySink): void {
  sink.head({
    id: stringOf(message['id']),
    model: stringOf(message['model']),
    serviceTier: stringOf(objectOf(message['usage'])['service_tier']),
  });
}

/** Begins a block with whatever of it is there already; one that only this protocol has begins when it is whole. */
export function beginBlock(block: JsonObject, index: number, sink: ReplySink): 'text' | 'tool-call' | 'native' {
  switch (block['type']) {
    case 'text':
      sink.blockStart(0, index, { kind: 'text' });
      for (const each of listOf(block['citations']))
        sink.annotate(0, index, { kind: 'citation', citation: parseCitation(each) });
      sink.delta(0, index, stringOf(block['text']) ?? '');
      return 'text';
    case 'thinking': {
      sink.blockStart(0, index, { kind: 'thinking' });
      sink.delta(0, index, stringOf(block['thinking']) ?? '');
      const signature = signatureOf(block['signature']);
      if (signature !== undefined) sink.annotate(0, index, { kind: 'signature', signature });
      return 'text';
    }
    case 'redacted_thinking':
      sink.blockStart(0, index, { kind: 'thinking' });
      sink.annotate(0, index, { kind: 'signature', signature: redactedOf(stringOf(block['data']) ?? '') });
      return 'text';
    case 'tool_use':
      sink.blockStart(0, index, { kind: 'tool-call', id: stringOf(block['id']), name: stringOf(block['name']) ?? '' });
      return 'tool-call';
    default:
      return 'native';
  }
}

export function nativeBlock(value: JsonObject, index: number, sink: ReplySink): void {
  const type = stringOf(value['type']);
  if (type === undefined) {
    sink.lost('native-block');
    return;
  }
  sink.blockStart(0, index, { kind: 'native', part: { kind: 'native', protocol: own, type, value } });
  sink.blockEnd(0, index);
}

const kinds: ReadonlyMap<string, StopKind> = new Map([
  ['end_turn', 'end'],
  ['stop_sequence', 'stop-sequence'],
  ['max_tokens', 'length'],
  ['model_context_window_exceeded', 'context-window'],
  ['tool_use', 'tool-calls'],
  ['pause_turn', 'pause'],
  // The conversation was summed up, and is to be sent back to go on.
  ['compaction', 'pause'],
  ['refusal', 'refusal'],
]);

export const stopOf = (reason: string, sequence: string | undefined): Stop => ({
  kind: kinds.get(reason) ?? 'end',
  native: reason,
  sequence,
});

export function errorWords(body: JsonObject): UpstreamErrorText {
  const error = objectOf(body['error']);
  return { message: stringOf(error['message']) ?? 'The upstream gave no reason.', type: stringOf(error['type']) };
}

export function readError(body: JsonValue): UpstreamErrorText | undefined {
  const fields = objectOf(body);
  return stringOf(objectOf(fields['error'])['message']) === undefined ? undefined : errorWords(fields);
}
