// Reads a Gemini stream beside its relay. It has no terminal event: the first with a reason to finish, and all behind
// it, are kept back, and the end of the body completes the stream. Usage comes with every event, cumulative.

import type { ErrorCode, ErrorDetails } from '../../core/errors.ts';
import { bounds } from '../../core/bounds.ts';
import { textBetween } from '../../core/byte-text.ts';
import { stringEnd } from '../../core/json-cursor.ts';
import type { EventView } from '../../core/sse.ts';
import type { JsonObject } from '../../plugin/conversation.ts';
import type { ReplyReading, StreamOptions } from '../../plugin/protocol.ts';
import { EventShape } from '../event-shape.ts';
import { isObject, parsedJson } from '../json-fields.ts';
import { RelayTap } from '../relay-tap.ts';
import type { Verdict } from '../relay-tap.ts';
import { laterUsage, producedIn } from './content-scan.ts';
import { errorEvent } from './error-body.ts';

const encoder = new TextEncoder();
const { indexOf } = Buffer.prototype;
/** Inside a text the quotes would be escaped. */
const textKey = Buffer.from('"text"');
/** An event may bring a picture together with the reason to finish: it is kept back whole, to be read. */
const wholeEvents = { heldEventBytes: bounds.eventBytes, eventBytes: bounds.eventBytes } as const;

export const shortEndJson =
  '{"candidates":[{"content":{"parts":[{"text":""}],"role":"model"},"finishReason":"MAX_TOKENS","index":0}]}';

export class GeminiTap extends RelayTap {
  private readonly shape = new EventShape();
  private usage: JsonObject | undefined;

  constructor(options: StreamOptions) {
    super(options, wholeEvents);
  }

  reading(): ReplyReading {
    return { ...this.readingWith(this.usage), manyTokensAnEvent: true };
  }

  errorEvent(code: ErrorCode, details: ErrorDetails, requestId: string): Uint8Array {
    return encoder.encode(errorEvent(code, details, requestId));
  }

  shortEnd(): Uint8Array {
    return encoder.encode(`data: ${shortEndJson}\n\n`);
  }

  protected completeAtEnd(): boolean {
    return false;
  }

  protected judge(view: EventView): Verdict {
    const { shape } = this;
    const textBytes = view.name === '' ? shape.textBytes(view.data, view.dataStart, view.dataEnd) : -1;
    if (textBytes >= 0) {
      this.count(textBytes);
      return 'relay';
    }
    const body = parsedJson(textBetween(view.data, view.dataStart, view.dataEnd));
    if (!isObject(body)) {
      if (view.name === 'error') this.failWith();
      if (body === undefined) return this.unreadable();
      return this.ending ? 'drop' : 'relay';
    }
    const produced = producedIn(body);
    if (produced.error || view.name === 'error') this.failWith();
    this.usage = laterUsage(this.usage, produced.usage);
    if (produced.bytes > 0) this.count(produced.bytes);
    else if (produced.candidates > 0) this.contentEvents++;
    if (produced.single) this.learn(view);
    return produced.finished ? 'hold' : 'relay';
  }

  /** An event that is no JSON: at the end of the body it may be torn. */
  protected unreadable(): Verdict {
    return this.ending ? 'drop' : 'relay';
  }

  private learn(view: EventView): void {
    const key = indexOf.call(view.data, textKey, view.dataStart);
    if (key < 0 || key >= view.dataEnd) return;
    const quote = indexOf.call(view.data, 0x22, key + textKey.length);
    if (quote < 0 || quote >= view.dataEnd) return;
    const end = stringEnd(view.data, quote + 1, view.dataEnd);
    if (end >= 0) this.shape.learn(view.data, view.dataStart, view.dataEnd, quote + 1, end);
  }
}
