// A stream for clients that asked for it as one JSON array (Gemini without `alt=sse`): the events of any other tap,
// each an element. What ends the stream closes the array, so that a stream that was cut is no JSON.

import type { ErrorCode, ErrorDetails } from '../core/errors.ts';
import { EventSplitter } from '../core/sse.ts';
import type { EventView } from '../core/sse.ts';
import type { ReplyReading, StreamTap } from '../plugin/protocol.ts';

const comma = Buffer.from(',\r\n');
const opening = Buffer.from('[');
const closing = Buffer.from(']');

export function asJsonArray(tap: StreamTap): StreamTap {
  return new JsonArrayTap(tap);
}

class JsonArrayTap implements StreamTap {
  readonly #inner: StreamTap;
  #elements = 0;

  constructor(inner: StreamTap) {
    this.#inner = inner;
  }

  get complete(): boolean {
    return this.#inner.complete;
  }

  get fault(): StreamTap['fault'] {
    return this.#inner.fault;
  }

  push(chunk: Uint8Array): Uint8Array | undefined {
    return this.#elementsOf(this.#inner.push(chunk));
  }

  end(): Uint8Array | undefined {
    return this.#elementsOf(this.#inner.end());
  }

  held(): Uint8Array {
    return this.#closed(this.#inner.held());
  }

  reading(): ReplyReading {
    return this.#inner.reading();
  }

  errorEvent(code: ErrorCode, details: ErrorDetails, requestId: string): Uint8Array {
    return this.#closed(this.#inner.errorEvent(code, details, requestId));
  }

  shortEnd(): Uint8Array {
    return this.#closed(this.#inner.shortEnd());
  }

  #closed(events: Uint8Array): Uint8Array {
    const before = this.#elements;
    const elements = this.#elementsOf(events);
    // Asked twice it says the same twice.
    this.#elements = before;
    return Buffer.concat([elements ?? (before === 0 ? opening : new Uint8Array()), closing]);
  }

  /** Taps hand out whole events. */
  #elementsOf(events: Uint8Array | undefined): Uint8Array | undefined {
    if (events === undefined || events.length === 0) return undefined;
    const pieces: Uint8Array[] = [];
    const splitter = new EventSplitter({
      event: ({ hasData, data, dataStart, dataEnd }: EventView) => {
        if (!hasData) return;
        pieces.push(this.#elements++ === 0 ? opening : comma, new Uint8Array(data.subarray(dataStart, dataEnd)));
      },
      part: (bytes, start, end) => void pieces.push(new Uint8Array(bytes.subarray(start, end))),
    });
    splitter.push(events);
    splitter.end();
    return pieces.length === 0 ? undefined : Buffer.concat(pieces);
  }
}
