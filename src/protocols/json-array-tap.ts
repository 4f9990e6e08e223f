// `streamGenerateContent` without `alt=sse` answers with one JSON array, an element for each event. Whatever a tap lets
// through as server-sent events goes out so, element by element; the array is closed only by what ends the stream.

import { bounds } from '../core/bounds.ts';
import { textBetween } from '../core/byte-text.ts';
import type { ErrorCode, ErrorDetails } from '../core/errors.ts';
import { EventSplitter } from '../core/sse.ts';
import type { EventSink, EventView } from '../core/sse.ts';
import type { ReplyReading, StreamTap } from '../plugin/protocol.ts';
import { isObject, parsedJson } from './json-fields.ts';

const encoder = new TextEncoder();
const nothing = new Uint8Array();
const wholeEvents = { heldEventBytes: bounds.eventBytes, eventBytes: bounds.eventBytes } as const;

export const asJsonArray = (tap: StreamTap): StreamTap => new JsonArrayTap(tap);

/** Events as elements of an array. Comments, and what is no object, are left out. */
class Elements implements EventSink {
  output = '';
  private begun: boolean;

  constructor(begun: boolean) {
    this.begun = begun;
  }

  get hasBegun(): boolean {
    return this.begun;
  }

  event(view: EventView): void {
    if (!view.hasData) return;
    const data = textBetween(view.data, view.dataStart, view.dataEnd);
    if (!isObject(parsedJson(data))) return;
    this.output += (this.begun ? '\n,\r\n' : '[') + data;
    this.begun = true;
  }

  /** Never called: events are kept back up to their bound. */
  part(): void {}

  taken(): Uint8Array | undefined {
    if (this.output === '') return undefined;
    const bytes = encoder.encode(this.output);
    this.output = '';
    return bytes;
  }
}

class JsonArrayTap implements StreamTap {
  private readonly inner: StreamTap;
  private readonly elements = new Elements(false);
  private readonly splitter = new EventSplitter(this.elements, wholeEvents);

  constructor(inner: StreamTap) {
    this.inner = inner;
  }

  get complete(): boolean {
    return this.inner.complete;
  }

  get fault(): StreamTap['fault'] {
    return this.inner.fault ?? (this.splitter.oversized ? 'oversized-event' : undefined);
  }

  push(chunk: Uint8Array): Uint8Array | undefined {
    return this.converted(this.inner.push(chunk));
  }

  end(): Uint8Array | undefined {
    return this.converted(this.inner.end());
  }

  /** Closes the array, also behind an error of the upstream's that has gone out. */
  held(): Uint8Array {
    return this.inner.complete || this.inner.fault !== undefined ? this.closing(this.inner.held()) : nothing;
  }

  reading(): ReplyReading {
    return this.inner.reading();
  }

  errorEvent(code: ErrorCode, details: ErrorDetails, requestId: string): Uint8Array {
    return this.closing(this.inner.errorEvent(code, details, requestId));
  }

  shortEnd(): Uint8Array {
    return this.closing(this.inner.shortEnd());
  }

  private converted(bytes: Uint8Array | undefined): Uint8Array | undefined {
    if (bytes === undefined) return undefined;
    this.splitter.push(bytes);
    return this.elements.taken();
  }

  /** Whole events that end the stream, and the end of the array. What the stream has sent so far is not changed. */
  private closing(bytes: Uint8Array): Uint8Array {
    const last = new Elements(this.elements.hasBegun);
    const splitter = new EventSplitter(last, wholeEvents);
    splitter.push(bytes);
    splitter.end();
    return encoder.encode(`${last.output}${last.hasBegun ? '\n]' : '[]'}`);
  }
}
