// Reads a stream of Anthropic's messages beside its relay. `message_stop` ends it; usage is stated at its start and
// again, cumulative, before its end. Deltas, which are nearly all of it, are told by their shape and not parsed.

import type { ErrorCode, ErrorDetails } from '../../core/errors.ts';
import { textBetween } from '../../core/byte-text.ts';
import { decodedLength, stringEnd } from '../../core/json-cursor.ts';
import type { EventView } from '../../core/sse.ts';
import type { JsonObject } from '../../plugin/conversation.ts';
import type { ReplyReading, StreamOptions } from '../../plugin/protocol.ts';
import { EventShape } from '../event-shape.ts';
import { isObject, numberOf, objectOf, parsedJson, stringOf } from '../json-fields.ts';
import { RelayTap } from '../relay-tap.ts';
import type { Verdict } from '../relay-tap.ts';
import { errorEvent } from './error-body.ts';
import { mergedUsage } from './usage-block.ts';

const encoder = new TextEncoder();
/** How the one string of a delta that is content begins. Inside a text these quotes would be escaped. */
const contentKeys = ['"text":"', '"thinking":"', '"partial_json":"'].map((key) => Buffer.from(key));
const { indexOf } = Buffer.prototype;

const event = (body: JsonObject): string => `event: ${String(body['type'])}\ndata: ${JSON.stringify(body)}\n\n`;

/** Cut before it began: nobody knows its id. */
const emptyMessage = {
  id: 'msg_end',
  type: 'message',
  role: 'assistant',
  model: '',
  content: [],
  stop_reason: null,
  stop_sequence: null,
  usage: { input_tokens: 0, output_tokens: 0 },
} as const;

export class MessagesTap extends RelayTap {
  private readonly shape = new EventShape();
  private usage: JsonObject | undefined;
  private openBlock: number | undefined;
  private hasStarted = false;
  private hasStopped = false;

  constructor(options: StreamOptions) {
    super(options);
  }

  reading(): ReplyReading {
    return { ...this.readingWith(this.usage), manyTokensAnEvent: true };
  }

  errorEvent(code: ErrorCode, details: ErrorDetails, requestId: string): Uint8Array {
    return encoder.encode(errorEvent(code, details, requestId));
  }

  shortEnd(): Uint8Array {
    const { openBlock: index, usage } = this;
    const start = this.hasStarted ? '' : event({ type: 'message_start', message: emptyMessage });
    const close = index === undefined ? '' : event({ type: 'content_block_stop', index });
    const delta = { stop_reason: 'max_tokens', stop_sequence: null };
    const said = { type: 'message_delta', delta, usage: { output_tokens: numberOf(usage?.['output_tokens']) ?? 0 } };
    const stop = this.hasStopped ? '' : event(said);
    return encoder.encode(start + close + stop + event({ type: 'message_stop' }));
  }

  protected completeAtEnd(): boolean {
    return this.options.end === 'finish-reason' && this.hasStopped;
  }

  protected judge(view: EventView): Verdict {
    if (view.name === 'content_block_delta' && !this.ending) {
      this.countDelta(view);
      return 'relay';
    }
    if (view.name === 'ping') return 'relay';
    const body = parsedJson(textBetween(view.data, view.dataStart, view.dataEnd));
    if (!isObject(body)) {
      if (view.name === 'error') this.failWith();
      return this.ending ? 'drop' : 'relay';
    }
    return this.read(body, stringOf(body['type']) ?? view.name, view);
  }

  private read(body: JsonObject, type: string, view: EventView): Verdict {
    switch (type) {
      case 'message_start':
        this.hasStarted = true;
        this.note(objectOf(body['message'])['usage']);
        return 'relay';
      case 'content_block_start': {
        this.openBlock = numberOf(body['index']);
        const block = objectOf(body['content_block']);
        this.count(Buffer.byteLength((stringOf(block['name']) ?? '') + (stringOf(block['text']) ?? '')));
        return 'relay';
      }
      case 'content_block_delta':
        this.countDelta(view);
        return 'relay';
      case 'content_block_stop':
        this.openBlock = undefined;
        return 'relay';
      case 'message_delta':
        this.note(body['usage']);
        if (stringOf(objectOf(body['delta'])['stop_reason']) !== undefined) this.hasStopped = true;
        return 'relay';
      case 'message_stop':
        return 'terminal';
      case 'error':
        this.failWith();
        return 'relay';
      default:
        return 'relay';
    }
  }

  private note(usage: JsonObject[string]): void {
    if (isObject(usage)) this.usage = mergedUsage(this.usage ?? {}, usage);
  }

  private countDelta({ data, dataStart, dataEnd }: EventView): void {
    const known = this.shape.textBytes(data, dataStart, dataEnd);
    if (known >= 0) {
      this.count(known);
      return;
    }
    for (const key of contentKeys) {
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
