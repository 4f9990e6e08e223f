// What a response says, whole: its items in order. A stream whose last event repeats all of it is read with this, too,
// where nothing came before.

import type { Citation, JsonObject, JsonValue } from '../../plugin/conversation.ts';
import type { ReplySink, Stop, UpstreamErrorText } from '../../plugin/conversation-reply.ts';
import { isObject, listOf, numberOf, objectOf, stringOf } from '../json-fields.ts';
import { errorWords, logprobsOf } from '../openai-reply-words.ts';
import { reasoningPart } from './parse-items.ts';

export function readReply(body: JsonValue, sink: ReplySink): void {
  const response = objectOf(body);
  if (isObject(response['error']) || response['status'] === 'failed') {
    readFailure(response, sink);
    return;
  }
  readHead(response, sink);
  new ItemReader(sink).readAll(response);
  readEnd(response, sink);
}

export function readHead(response: JsonObject, sink: ReplySink): void {
  sink.head({
    id: stringOf(response['id']),
    model: stringOf(response['model']),
    serviceTier: stringOf(response['service_tier']),
  });
}

/** A response that failed has used what it says all the same. */
export function readFailure(response: JsonObject, sink: ReplySink): void {
  if (isObject(response['usage'])) sink.usage(response['usage']);
  sink.failed(failureWords(objectOf(response['error'])));
}

/** How it ended, and what it used. */
export function readEnd(response: JsonObject, sink: ReplySink): void {
  if (isObject(response['usage'])) sink.usage(response['usage']);
  sink.stop(0, stopOf(response));
}

function stopOf(response: JsonObject): Stop {
  const reason = stringOf(objectOf(response['incomplete_details'])['reason']);
  const status = stringOf(response['status']) ?? 'completed';
  if (status === 'incomplete' || reason !== undefined) {
    const kind = reason === 'content_filter' ? 'content-filter' : 'length';
    return { kind, native: reason ?? status };
  }
  const calls = listOf(response['output']).some((item) => {
    const type = objectOf(item)['type'];
    return type === 'function_call' || type === 'custom_tool_call';
  });
  return { kind: calls ? 'tool-calls' : 'end', native: status };
}

/** Items as blocks, numbered in the order of their beginning. */
export class ItemReader {
  readonly #sink: ReplySink;
  #next = 0;

  constructor(sink: ReplySink) {
    this.#sink = sink;
  }

  nextBlock(): number {
    return this.#next++;
  }

  readAll(response: JsonObject): void {
    for (const item of listOf(response['output'])) this.readItem(objectOf(item));
  }

  readItem(item: JsonObject): void {
    const sink = this.#sink;
    switch (item['type']) {
      case 'message':
        for (const part of listOf(item['content'])) this.readPart(objectOf(part));
        return;
      case 'reasoning': {
        const part = reasoningPart(item);
        if (part.kind !== 'thinking' || (part.text === '' && part.signature === undefined)) return;
        const block = this.nextBlock();
        sink.blockStart(0, block, { kind: 'thinking', summary: part.summary });
        sink.delta(0, block, part.text);
        if (part.signature !== undefined) sink.annotate(0, block, { kind: 'signature', signature: part.signature });
        sink.blockEnd(0, block);
        return;
      }
      case 'function_call':
      case 'custom_tool_call': {
        const block = this.nextBlock();
        beginCall(item, block, sink);
        sink.delta(0, block, stringOf(item['arguments']) ?? stringOf(item['input']) ?? '');
        sink.blockEnd(0, block);
        return;
      }
      default:
        this.native(item);
    }
  }

  /** A tool that ran at the vendor, and the like. */
  native(item: JsonObject): void {
    const type = stringOf(item['type']);
    if (type === undefined) return;
    const block = this.nextBlock();
    const part = { kind: 'native', protocol: 'openai-responses', type, value: item } as const;
    this.#sink.blockStart(0, block, { kind: 'native', part });
    this.#sink.blockEnd(0, block);
  }

  readPart(part: JsonObject): void {
    const sink = this.#sink;
    const refusal = part['type'] === 'refusal';
    const block = this.nextBlock();
    sink.blockStart(0, block, { kind: refusal ? 'refusal' : 'text' });
    sink.delta(0, block, stringOf(refusal ? part['refusal'] : part['text']) ?? '');
    const tokens = logprobsOf(part['logprobs']);
    if (tokens.length > 0) sink.annotate(0, block, { kind: 'logprobs', tokens });
    for (const each of listOf(part['annotations'])) {
      const citation = citationOf(each);
      if (citation === undefined) sink.lost('citations');
      else sink.annotate(0, block, { kind: 'citation', citation });
    }
    sink.blockEnd(0, block);
  }
}

export function beginCall(item: JsonObject, block: number, sink: ReplySink): void {
  sink.blockStart(0, block, {
    kind: 'tool-call',
    id: stringOf(item['call_id']) ?? stringOf(item['id']),
    name: stringOf(item['name']) ?? '',
    custom: item['type'] === 'custom_tool_call' ? true : undefined,
    itemId: stringOf(item['id']),
  });
}

/** Of files there is no address: their own protocol's clients get them back as they were, others not at all. */
export function citationOf(value: JsonValue): Citation | undefined {
  const fields = objectOf(value);
  if (stringOf(fields['type']) === undefined) return undefined;
  const native = { protocol: 'openai-responses', value } as const;
  const title = stringOf(fields['title']) ?? stringOf(fields['filename']);
  const [start, end] = [numberOf(fields['start_index']), numberOf(fields['end_index'])];
  return { url: stringOf(fields['url']), title, start, end, native };
}

/** The event's own type is no word of the error. */
export function failureWords(error: JsonObject): UpstreamErrorText {
  const words = errorWords(error);
  return words.type === 'error' ? { ...words, type: undefined } : words;
}
