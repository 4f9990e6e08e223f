// Reads a stream of responses beside its relay. `response.completed` or `response.incomplete` ends it, and states the
// usage. Deltas, which are nearly all of it, are told by their shape and not parsed.

import { textBetween } from '../../core/byte-text.ts';
import type { ErrorCode, ErrorDetails } from '../../core/errors.ts';
import { decodedLength, stringEnd } from '../../core/json-cursor.ts';
import type { EventView } from '../../core/sse.ts';
import type { JsonObject } from '../../plugin/conversation.ts';
import type { ReplyReading } from '../../plugin/protocol.ts';
import { EventShape } from '../event-shape.ts';
import { isObject, numberOf, objectOf, parsedJson, stringOf } from '../json-fields.ts';
import { RelayTap } from '../relay-tap.ts';
import type { Verdict } from '../relay-tap.ts';
import { usageTextOf } from '../translation/usage-text.ts';
import { streamErrorJson } from './stream-error.ts';

const encoder = new TextEncoder();
const { indexOf } = Buffer.prototype;
/** How the content of a delta begins. Inside a text these quotes would be escaped. */
const deltaKeys = ['"delta":"', '"delta": "'].map((key) => Buffer.from(key));
const isDelta = (name: string): boolean => name.endsWith('.delta') && name.startsWith('response.');

export class ResponsesTap extends RelayTap {
  private readonly shape = new EventShape();
  private usage: JsonObject | undefined;
  private response: JsonObject | undefined;
  private sequence = 0;

  reading(): ReplyReading {
    const { contentBytes, contentEvents, usage } = this;
    const id = stringOf(this.response?.['id']);
    return {
      usage,
      usageText: usage === undefined ? undefined : usageTextOf(usage),
      contentBytes,
      contentEvents,
      failed: this.fault === 'error-event' && contentEvents === 0,
      ...(id === undefined ? {} : { id }),
    };
  }

  errorEvent(code: ErrorCode, details: ErrorDetails): Uint8Array {
    return encoder.encode(`event: error\ndata: ${streamErrorJson(code, details, this.sequence + 1)}\n\n`);
  }

  /** The items that came are not repeated: nobody kept them. */
  shortEnd(): Uint8Array {
    const type = 'response.incomplete';
    const response: JsonObject = {
      ...this.response,
      status: 'incomplete',
      incomplete_details: { reason: 'max_output_tokens' },
      output: [],
    };
    const body = { type, sequence_number: this.sequence + 1, response };
    return encoder.encode(`event: ${type}\ndata: ${JSON.stringify(body)}\n\n`);
  }

  protected completeAtEnd(): boolean {
    return false;
  }

  protected judge(view: EventView): Verdict {
    if (isDelta(view.name) && !this.ending) {
      this.countDelta(view);
      return 'relay';
    }
    const body = parsedJson(textBetween(view.data, view.dataStart, view.dataEnd));
    if (!isObject(body)) {
      if (view.name === 'error') this.failWith();
      // Some servers end with OpenAI's older mark, behind the terminal event or without any.
      return this.ending ? 'drop' : 'relay';
    }
    this.sequence = numberOf(body['sequence_number']) ?? this.sequence;
    return this.read(body, stringOf(body['type']) ?? view.name, view);
  }

  private read(body: JsonObject, type: string, view: EventView): Verdict {
    switch (type) {
      case 'response.created':
      case 'response.queued':
      case 'response.in_progress':
        this.response ??= objectOf(body['response']);
        return 'relay';
      case 'response.output_item.added': {
        const name = stringOf(objectOf(body['item'])['name']);
        if (name !== undefined) this.count(Buffer.byteLength(name));
        return 'relay';
      }
      case 'response.completed':
      case 'response.incomplete':
        this.note(objectOf(body['response']));
        return 'terminal';
      case 'response.failed':
        this.note(objectOf(body['response']));
        this.failWith();
        return 'relay';
      case 'error':
        this.failWith();
        return 'relay';
      default:
        if (isDelta(type)) this.countDelta(view);
        return 'relay';
    }
  }

  private note(response: JsonObject): void {
    this.response ??= { id: response['id'] };
    if (isObject(response['usage'])) this.usage = response['usage'];
    // Servers that send nothing but the end have their content there.
    if (this.contentEvents === 0) this.count(producedBytes(response));
  }

  private countDelta({ data, dataStart, dataEnd }: EventView): void {
    const known = this.shape.textBytes(data, dataStart, dataEnd);
    if (known >= 0) {
      this.count(known);
      return;
    }
    for (const key of deltaKeys) {
      const at = indexOf.call(data, key, dataStart);
      if (at < 0 || at >= dataEnd) continue;
      const start = at + key.length;
      const end = stringEnd(data, start, dataEnd);
      if (end < 0) return;
      this.count(decodedLength(data, start, end));
      this.shape.learn(data, dataStart, dataEnd, start, end);
      return;
    }
  }
}

/** Bytes of text, thinking, names and arguments in the items of a response. */
export function producedBytes(response: JsonObject): number {
  let bytes = 0;
  const add = (value: JsonObject[string]): void => {
    if (typeof value === 'string') bytes += Buffer.byteLength(value);
  };
  const output = response['output'];
  for (const each of Array.isArray(output) ? output : []) {
    const item = objectOf(each);
    for (const name of ['name', 'arguments', 'input'] as const) add(item[name]);
    for (const list of [item['content'], item['summary']]) {
      for (const part of Array.isArray(list) ? list : []) {
        add(objectOf(part)['text']);
        add(objectOf(part)['refusal']);
      }
    }
  }
  return bytes;
}
