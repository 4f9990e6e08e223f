// What came of a reply so far, kept beside its relay, so that a stream that we cut can be ended as OpenAI ends one that
// met its limit: what is open is closed, and the last event repeats the whole.

import type { JsonObject, JsonValue } from '../../plugin/conversation.ts';
import { listOf, numberOf, objectOf, parsedJson, stringOf } from '../json-fields.ts';

/** Text of an open part that is kept, as JSON has it. What is longer is left out of the end, and its item with it. */
const openTextBytes = 256 * 1024;

interface OpenItem {
  readonly item: JsonObject;
  readonly index: number;
  /** Parts that are done, of a message or a summary. */
  readonly parts: JsonValue[];
  /** The part that is open. */
  part: JsonObject | undefined;
}

/** Events as they go out, without their sequence numbers. */
export type EndEvent = JsonObject & { readonly type: string };

export class KeptReply {
  readonly output: JsonValue[] = [];
  #open: OpenItem | undefined;
  #text = Buffer.alloc(0);
  #length = 0;

  /** An event about an item, other than a delta. */
  take(type: string, body: JsonObject): void {
    const open = this.#open;
    switch (type) {
      case 'response.output_item.added':
        this.#open = { item: objectOf(body['item']), index: indexIn(body), parts: [], part: undefined };
        this.#length = 0;
        return;
      case 'response.output_item.done':
        this.output.push(objectOf(body['item']));
        this.#open = undefined;
        return;
      case 'response.content_part.added':
      case 'response.reasoning_summary_part.added':
        if (open !== undefined) open.part = objectOf(body['part']);
        this.#length = 0;
        return;
      case 'response.content_part.done':
      case 'response.reasoning_summary_part.done':
        open?.parts.push(objectOf(body['part']));
        if (open !== undefined) open.part = undefined;
        this.#length = 0;
    }
  }

  /** The content of a delta's string, escapes and all: data[start, end). */
  delta(data: Uint8Array, start: number, end: number): void {
    if (this.#open === undefined || this.#length > openTextBytes) return;
    const length = this.#length + end - start;
    if (length > this.#text.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(1_024, 2 * length));
      larger.set(this.#text.subarray(0, this.#length));
      this.#text = larger;
    }
    this.#text.set(data.subarray(start, end), this.#length);
    this.#length = length;
  }

  /** Closes what is open. `output` then is all that there is. */
  close(): readonly EndEvent[] {
    const open = this.#open;
    this.#open = undefined;
    if (open === undefined || this.#length > openTextBytes) return [];
    const text = stringOf(parsedJson(`"${this.#text.toString('utf8', 0, this.#length)}"`)) ?? '';
    const { events, item } = closed(open, text);
    this.output.push(item);
    return [...events, { type: 'response.output_item.done', output_index: open.index, item }];
  }
}

const indexIn = (body: JsonObject): number => numberOf(body['output_index']) ?? 0;

interface Closed {
  readonly events: readonly EndEvent[];
  readonly item: JsonObject;
}

function closed({ item, index, parts, part }: OpenItem, text: string): Closed {
  const place = { item_id: item['id'], output_index: index };
  switch (item['type']) {
    case 'message': {
      const end = part === undefined ? undefined : endedPart(part, text);
      const at = { ...place, content_index: parts.length };
      const content = end === undefined ? parts : [...parts, end.part];
      const events: readonly EndEvent[] =
        end === undefined
          ? []
          : [
              { type: end.type, ...at, ...end.more },
              { type: 'response.content_part.done', ...at, part: end.part },
            ];
      return { events, item: { ...item, status: 'incomplete', content } };
    }
    case 'reasoning': {
      const last = { type: 'summary_text', text };
      const at = { ...place, summary_index: parts.length };
      if (part?.['type'] !== 'summary_text') return { events: [], item: { ...item, summary: summaryOf(item, parts) } };
      return {
        events: [
          { type: 'response.reasoning_summary_text.done', ...at, text },
          { type: 'response.reasoning_summary_part.done', ...at, part: last },
        ],
        item: { ...item, summary: [...parts, last] },
      };
    }
    case 'function_call': {
      const done = { type: 'response.function_call_arguments.done', ...place, name: item['name'], arguments: text };
      return { events: [done], item: { ...item, status: 'incomplete', arguments: text } };
    }
    case 'custom_tool_call': {
      const done = { type: 'response.custom_tool_call_input.done', ...place, input: text };
      return { events: [done], item: { ...item, status: 'incomplete', input: text } };
    }
    default:
      // A tool at the vendor, of which nobody knows how far it came.
      return { events: [], item: { ...item, status: 'incomplete' } };
  }
}

const summaryOf = (item: JsonObject, parts: readonly JsonValue[]): readonly JsonValue[] =>
  parts.length > 0 ? parts.filter((each) => objectOf(each)['type'] === 'summary_text') : listOf(item['summary']);

function endedPart(part: JsonObject, text: string) {
  if (part['type'] === 'refusal')
    return { type: 'response.refusal.done', more: { refusal: text }, part: { ...part, refusal: text } } as const;
  const more = { text, logprobs: [] };
  return { type: 'response.output_text.done', more, part: { ...part, text } } as const;
}
