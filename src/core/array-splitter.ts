// Splits one JSON array, as a body that is still coming, at its elements: over bytes, however they are cut into chunks.
// Each byte is handed on exactly once and in order; an element that lies in one chunk is not copied. Brackets and
// commas are held to JSON; what is inside an element is left to whoever reads it.

import { bounds } from './bounds.ts';
import { copyOf, position, withAppended } from './sse.ts';
import type { EventSink, EventView, SplitterBounds } from './sse.ts';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const BRACKET = 0x5b;
const CLOSING_BRACKET = 0x5d;
const BRACE = 0x7b;
const CLOSING_BRACE = 0x7d;

/** Strings up to this length are walked byte by byte; a native search costs as much as some 40 bytes. */
const WALKED_BYTES = 40;

const noBytes = new Uint8Array();

/** What may stand where the last byte was read. */
type Place =
  | 'opening'
  | 'first-or-end'
  | 'value'
  | 'comma-or-end'
  /** In an element that is a number or a word, a string, or has brackets. */
  | 'in-word'
  | 'in-string'
  | 'in-brackets'
  | 'closed';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

const isSpace = (byte: number): boolean => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;

/** Whether this is the view of the bracket that closes the array: no element begins like it. */
export const closesArray = (view: EventView): boolean => view.data[view.dataStart] === CLOSING_BRACKET;

/**
 * Hands out each element as an event whose data is the element, and whose bytes begin where the last one's ended: with
 * the bracket or the comma before it. The closing bracket is handed out last, the same way; what follows it is dropped.
 * Elements are never handed out in parts: one above `eventBytes` stops the splitter.
 */
export class ArraySplitter {
  /** True once an element was larger than its bound: nothing is handed out any more. */
  oversized = false;
  /** True once the bytes are no array, or are nested too deep: nothing is handed out any more. */
  broken = false;
  private readonly view: Mutable<EventView> = {
    bytes: noBytes,
    start: 0,
    end: 0,
    hasData: true,
    data: noBytes,
    dataStart: 0,
    dataEnd: 0,
    name: '',
  };
  private place: Place = 'opening';
  /** Bytes that were not handed out yet, at the start of a buffer that grows. All of them were looked at. */
  private carry: Uint8Array = noBytes;
  private carryLength = 0;
  /** Where the element begins, relative to the first byte that was not handed out. */
  private valueStart = 0;
  /** Brackets that are open within the element; which ones is seen where it is parsed. */
  private depth = 0;
  private inString = false;
  /** The last byte that was looked at takes its meaning from the next one. */
  private escaped = false;

  private readonly sink: EventSink;
  private readonly bounds: Pick<SplitterBounds, 'eventBytes'>;

  constructor(sink: EventSink, splitterBounds: Pick<SplitterBounds, 'eventBytes'> = bounds) {
    this.sink = sink;
    this.bounds = splitterBounds;
  }

  push(chunk: Uint8Array): void {
    if (chunk.length === 0 || this.stopped) return;
    if (this.carryLength === 0) {
      this.split(chunk, 0, chunk.length);
      return;
    }
    const from = this.carryLength;
    this.append(chunk);
    const length = this.carryLength;
    this.carryLength = 0;
    this.split(this.carry, from, length);
  }

  /** The body ended. An element that has not is torn, and an array that was not closed stays open. */
  end(): void {
    this.carryLength = 0;
  }

  private get stopped(): boolean {
    return this.oversized || this.broken || this.place === 'closed';
  }

  /** Elements of bytes[0, length), the first of which were looked at up to `from`. */
  private split(bytes: Uint8Array, from: number, length: number): void {
    let start = 0;
    let at = from;
    while (at < length && !this.stopped) {
      const end = this.inElement ? this.elementEnd(bytes, at, length) : -1;
      if (end >= 0) {
        this.place = 'comma-or-end';
        this.emit(bytes, start, start + this.valueStart, end);
        start = at = end;
      } else if (this.inElement) at = length;
      else {
        this.step(bytes[at] ?? 0, at - start);
        at++;
        if (this.place === 'closed') this.emit(bytes, start, at - 1, at);
      }
    }
    if (start < length && !this.stopped) this.keep(bytes, start, length);
  }

  private get inElement(): boolean {
    return this.place === 'in-brackets' || this.place === 'in-string' || this.place === 'in-word';
  }

  /** One byte between elements. */
  private step(byte: number, offset: number): void {
    if (isSpace(byte)) return;
    const { place } = this;
    if (place === 'opening' && byte === BRACKET) this.place = 'first-or-end';
    else if (place === 'comma-or-end' && byte === COMMA) this.place = 'value';
    else if ((place === 'comma-or-end' || place === 'first-or-end') && byte === CLOSING_BRACKET) this.place = 'closed';
    else if (place === 'value' || place === 'first-or-end') this.begin(byte, offset);
    else this.broken = true;
  }

  private begin(byte: number, offset: number): void {
    this.valueStart = offset;
    if (byte === BRACE || byte === BRACKET) {
      this.depth = 1;
      this.place = 'in-brackets';
    } else if (byte === QUOTE) {
      this.inString = true;
      this.place = 'in-string';
    } else if (byte === COMMA || byte === CLOSING_BRACE || byte === CLOSING_BRACKET) this.broken = true;
    else this.place = 'in-word';
  }

  /** Index behind the element's last byte, or -1 where it has not come yet. */
  private elementEnd(bytes: Uint8Array, from: number, length: number): number {
    if (this.place === 'in-string') return this.stringEnd(bytes, from, length);
    if (this.place === 'in-brackets') return this.bracketsEnd(bytes, from, length);
    let at = from;
    for (; at < length; at++) {
      const byte = bytes[at] ?? 0;
      if (isSpace(byte) || byte === COMMA || byte === CLOSING_BRACKET) return at;
    }
    return -1;
  }

  private bracketsEnd(bytes: Uint8Array, from: number, length: number): number {
    let at = from;
    while (at < length) {
      if (this.inString) {
        at = this.stringEnd(bytes, at, length);
        if (at < 0) return -1;
        continue;
      }
      const byte = bytes[at++];
      if (byte === QUOTE) this.inString = true;
      else if (byte === BRACE || byte === BRACKET) {
        if (++this.depth > bounds.requestDepth) {
          this.broken = true;
          return -1;
        }
      } else if ((byte === CLOSING_BRACE || byte === CLOSING_BRACKET) && --this.depth === 0) return at;
    }
    return -1;
  }

  /** Index behind the string's closing quote, or -1 where it has not come yet. `from` is below `length`. */
  private stringEnd(bytes: Uint8Array, from: number, length: number): number {
    let at = this.escaped ? from + 1 : from;
    this.escaped = false;
    while (at < length) {
      const walkEnd = Math.min(length, at + WALKED_BYTES);
      while (at < walkEnd) {
        const byte = bytes[at++];
        if (byte === QUOTE) {
          this.inString = false;
          return at;
        }
        if (byte === BACKSLASH && at++ === length) this.escaped = true;
      }
      if (at >= length) return -1;
      const quote = position(bytes, QUOTE, at, length);
      let backslashes = 0;
      while (quote - backslashes > at && bytes[quote - backslashes - 1] === BACKSLASH) backslashes++;
      const escaped = backslashes % 2 === 1;
      if (quote === length) {
        this.escaped = escaped;
        return -1;
      }
      at = quote + 1;
      if (escaped) continue;
      this.inString = false;
      return at;
    }
    return -1;
  }

  private emit(bytes: Uint8Array, start: number, dataStart: number, end: number): void {
    if (end - start > this.bounds.eventBytes) {
      this.oversized = true;
      return;
    }
    const { view } = this;
    view.bytes = view.data = bytes;
    view.start = start;
    view.end = view.dataEnd = end;
    view.dataStart = dataStart;
    this.sink.event(view);
  }

  private keep(bytes: Uint8Array, start: number, length: number): void {
    this.carryLength = length - start;
    if (this.carryLength > this.bounds.eventBytes) this.oversized = true;
    // What was handed out of the old buffer may still be read: it is left alone, and a new one is begun.
    else if (bytes !== this.carry || start > 0) this.carry = copyOf(bytes, start, length);
  }

  private append(chunk: Uint8Array): void {
    this.carry = withAppended(this.carry, this.carryLength, chunk);
    this.carryLength += chunk.length;
  }
}
