// What a message of Anthropic's says, whole: its blocks in order. The stream says the same in pieces.

import type { JsonObject, JsonValue } from '../../plugin/conversation.ts';
import type { ReplySink, Stop, StopKind, UpstreamErrorText } from '../../plugin/conversation-reply.ts';
import { isObject, listOf, objectOf, stringOf } from '../json-fields.ts';
import { openSignature } from '../translation/signature-envelope.ts';
import { parseCitation, signatureOf } from './parse-messages.ts';

export function readReply(body: JsonValue, sink: ReplySink): void {
  const message = objectOf(body);
  if (message['type'] === 'error') {
    sink.failed(errorWords(message));
    return;
  }
  readHead(message, sink);
  for (const [index, each] of listOf(message['content']).entries()) {
    const block = objectOf(each);
    const begun = beginBlock(block, index, sink);
    if (begun === 'tool') sink.delta(0, index, JSON.stringify(block['input'] ?? {}));
    sink.blockEnd(0, index);
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

/** Begins a block with whatever of it is there already. `tool`: its input comes as JSON; `closed`: nothing follows. */
export function beginBlock(block: JsonObject, index: number, sink: ReplySink): 'text' | 'tool' | 'closed' {
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
    case 'redacted_thinking': {
      const value = stringOf(block['data']) ?? '';
      sink.blockStart(0, index, { kind: 'thinking' });
      const signature = openSignature(value) ?? { protocol: 'anthropic-messages', form: 'redacted', value };
      sink.annotate(0, index, { kind: 'signature', signature });
      return 'closed';
    }
    case 'tool_use':
      sink.blockStart(0, index, { kind: 'tool-call', id: stringOf(block['id']), name: stringOf(block['name']) ?? '' });
      return 'tool';
    default: {
      const type = stringOf(block['type']);
      if (type === undefined) return 'closed';
      const part = { kind: 'native', protocol: 'anthropic-messages', type, value: block } as const;
      sink.blockStart(0, index, { kind: 'native', part });
      return 'closed';
    }
  }
}

const kinds: Readonly<Record<string, StopKind>> = {
  end_turn: 'end',
  stop_sequence: 'stop-sequence',
  max_tokens: 'length',
  model_context_window_exceeded: 'context-window',
  tool_use: 'tool-calls',
  pause_turn: 'pause',
  refusal: 'refusal',
  compaction: 'pause',
};

export const stopOf = (reason: string, sequence: string | undefined): Stop => ({
  kind: Object.hasOwn(kinds, reason) ? (kinds[reason] ?? 'end') : 'end',
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
