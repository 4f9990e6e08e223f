// Splits a stream of server-sent events at its events, over bytes, however they are cut into chunks. Each
// byte is handed on exactly once and in order; an event that lies in one chunk is not copied.

import { bounds } from './bounds.ts';

const LF = 0x0a;
const CR = 0x0d;
const COLON = 0x3a;

/**
 * What the splitter hands out. The same object serves every event: read it during the call, keep nothing of
 * it.
 */
export interface EventView {
  /**
   * The event's own bytes, its blank line included, are bytes[start, end). They are not written again later.
   */
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
  /** False for comments, blank lines and blocks without data: nothing to read, only to relay. */
  readonly hasData: boolean;
  /** The payload, lines joined by LF, is data[dataStart, dataEnd). Usually `data` is `bytes`. */
  readonly data: Uint8Array;
  readonly dataStart: number;
  readonly dataEnd: number;
  /** What the `event:` field says; empty if there is none. */
  readonly name: string;
}

export interface EventSink {
  event(view: EventView): void;
  /** A piece of an event that outgrew what is kept back. Its last piece ends with the event. */
  part(bytes: Uint8Array, start: number, end: number): void;
}

export interface SplitterBounds {
  /** An incomplete event is kept back up to this size, and handed on in parts beyond it. */
  readonly heldEventBytes: number;
  /** An event may have this size; a larger one stops the splitter. */
  readonly eventBytes: number;
}

const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

const noBytes = new Uint8Array();

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export class EventSplitter {
  /** True once an event was larger than its bound: nothing is handed out any more. */
  oversized = false;
  private readonly view: Mutable<EventView> = {
    bytes: noBytes,
    start: 0,
    end: 0,
    hasData: false,
    data: noBytes,
    dataStart: 0,
    dataEnd: 0,
    name: '',
  };
  /** Bytes of the incomplete event, at the start of a buffer that grows. */
  private carry: Uint8Array = noBytes;
  private carryLength = 0;
  /**
   * Where the current line starts, and from where its end was not yet looked for; relative to the event's
   * start.
   */
  private lineStart = 0;
  private searched = 0;
  /** Set in an event that is handed on in parts: its size so far. */
  private passed = 0;
  private passing = false;
  private lineHasBytes = false;
  /** The last byte of the last chunk was CR: LF would belong to it. */
  private afterReturn = false;
  private firstLine = true;
  private fieldsSeen = false;
  private dataLines = 0;
  /** Payload of the first data line, relative to the event's start; of several lines, ranges in `lines`. */
  private dataStart = 0;
  private dataEnd = 0;
  private lines: number[] = [];
  private nameStart = -1;
  private nameEnd = -1;

  private readonly sink: EventSink;
  private readonly bounds: SplitterBounds;

  constructor(sink: EventSink, splitterBounds: SplitterBounds = bounds) {
    this.sink = sink;
    this.bounds = splitterBounds;
  }

  push(chunk: Uint8Array): void {
    if (chunk.length === 0 || this.oversized) return;
    let from = 0;
    if (this.afterReturn) {
      this.afterReturn = false;
      if (chunk[0] === LF) {
        from = 1;
        if (this.carryLength === 0 && !this.passing) this.relay(chunk, 0, 1);
      }
    }
    if (this.passing) {
      this.pass(chunk, from);
      return;
    }
    if (this.carryLength === 0) {
      this.split(chunk, from, from, from, chunk.length);
      return;
    }
    this.append(chunk);
    if (from === 1) this.lineStart = this.searched = this.carryLength - chunk.length + 1;
    const length = this.carryLength;
    this.carryLength = 0;
    this.split(this.carry, 0, this.lineStart, this.searched, length);
  }

  /** The body ended. A last event without its blank line is handed out as if it had one. */
  end(): void {
    const length = this.carryLength;
    if (length === 0 || this.oversized) return;
    this.carryLength = 0;
    if (this.lineStart < length) this.line(this.carry, 0, this.lineStart, length);
    this.emit(this.carry, 0, length);
  }

  /** Lines of bytes[eventStart, length), the current one from `lineStart`; searched already up to `from`. */
  private split(
    bytes: Uint8Array,
    firstStart: number,
    firstLineStart: number,
    searched: number,
    length: number,
  ): void {
    let eventStart = firstStart;
    let lineStart = firstLineStart;
    let from = searched;
    // Where the next CR stands, so that streams without any are searched for it once.
    let cr = position(bytes, CR, from, length);
    while (from < length) {
      const lf = position(bytes, LF, from, length);
      if (cr < from) cr = position(bytes, CR, from, length);
      const lineEnd = Math.min(lf, cr);
      if (lineEnd === length) break;
      from = lineEnd + 1;
      if (bytes[lineEnd] === CR) {
        if (from === length) this.afterReturn = true;
        else if (bytes[from] === LF) from++;
      }
      const boundary = lineEnd === lineStart || this.line(bytes, eventStart, lineStart, lineEnd);
      lineStart = from;
      if (!boundary) continue;
      this.emit(bytes, eventStart, from);
      eventStart = from;
    }
    if (eventStart < length) this.keep(bytes, eventStart, lineStart, length);
  }

  /** Reads one line. True if it is a block of its own: a comment that stands before any field. */
  private line(bytes: Uint8Array, eventStart: number, start: number, end: number): boolean {
    let i = start;
    if (this.firstLine) {
      this.firstLine = false;
      if (bytes[i] === 0xef && bytes[i + 1] === 0xbb && bytes[i + 2] === 0xbf) i += 3;
      if (i >= end) return false;
    }
    if (bytes[i] === COLON) return !this.fieldsSeen;
    this.fieldsSeen = true;
    if (bytes[i] === 0x64) {
      if (bytes[i + 1] !== 0x61 || bytes[i + 2] !== 0x74 || bytes[i + 3] !== 0x61) return false;
      i += 4;
      if (i > end || (i < end && bytes[i] !== COLON)) return false;
      // A line `data` without a colon is an empty line of payload.
      i = Math.min(end, i + 1);
      if (i < end && bytes[i] === 0x20) i++;
      this.dataLine(i - eventStart, end - eventStart);
    } else if (bytes[i] === 0x65) {
      if (bytes[i + 1] !== 0x76 || bytes[i + 2] !== 0x65 || bytes[i + 3] !== 0x6e || bytes[i + 4] !== 0x74)
        return false;
      i += 5;
      if (i > end || (i < end && bytes[i] !== COLON)) return false;
      // A line `event` without a colon takes the name away again.
      i = Math.min(end, i + 1);
      if (i < end && bytes[i] === 0x20) i++;
      this.nameStart = i - eventStart;
      this.nameEnd = end - eventStart;
    }
    return false;
  }

  private dataLine(start: number, end: number): void {
    if (this.dataLines === 0) {
      this.dataStart = start;
      this.dataEnd = end;
    } else {
      if (this.dataLines === 1) this.lines.push(this.dataStart, this.dataEnd);
      this.lines.push(start, end);
    }
    this.dataLines++;
  }

  private emit(bytes: Uint8Array, start: number, end: number): void {
    const { view } = this;
    view.bytes = bytes;
    view.start = start;
    view.end = end;
    view.hasData = this.dataLines > 0;
    view.name =
      this.nameStart < 0 ? '' : decoder.decode(bytes.subarray(start + this.nameStart, start + this.nameEnd));
    if (this.dataLines > 1) {
      view.data = joined(bytes, start, this.lines);
      view.dataStart = 0;
      view.dataEnd = view.data.length;
    } else {
      view.data = bytes;
      view.dataStart = start + this.dataStart;
      view.dataEnd = start + this.dataEnd;
    }
    this.forget();
    if (end - start > this.bounds.eventBytes) this.oversized = true;
    if (!this.oversized) this.sink.event(view);
  }

  /** Bytes between events that only need to go on. */
  private relay(bytes: Uint8Array, start: number, end: number): void {
    const { view } = this;
    view.bytes = view.data = bytes;
    view.start = view.dataStart = view.dataEnd = start;
    view.end = end;
    view.hasData = false;
    view.name = '';
    this.sink.event(view);
  }

  private forget(): void {
    this.firstLine = false;
    this.fieldsSeen = false;
    this.dataLines = 0;
    this.nameStart = -1;
    if (this.lines.length > 0) this.lines = [];
  }

  /** Keeps the head of an incomplete event, or hands it on where it is too large to be kept. */
  private keep(bytes: Uint8Array, start: number, lineStart: number, length: number): void {
    if (length - start > this.bounds.heldEventBytes) {
      this.passing = true;
      this.passed = 0;
      this.lineHasBytes = lineStart < length;
      this.forget();
      this.hand(bytes, start, length);
      return;
    }
    this.lineStart = lineStart - start;
    this.searched = length - start;
    if (bytes === this.carry && start === 0) {
      this.carryLength = length;
      return;
    }
    // What was handed out of the old buffer may still be read: it is left alone, and a new one is begun.
    this.carry = copyOf(bytes, start, length);
    this.carryLength = length - start;
  }

  private append(chunk: Uint8Array): void {
    this.carry = withAppended(this.carry, this.carryLength, chunk);
    this.carryLength += chunk.length;
  }

  /** Looks for the end of an event that is handed on in parts. */
  private pass(chunk: Uint8Array, start: number): void {
    const length = chunk.length;
    let from = start;
    while (from < length) {
      const lineEnd = Math.min(position(chunk, LF, from, length), position(chunk, CR, from, length));
      if (lineEnd > from) this.lineHasBytes = true;
      if (lineEnd === length) break;
      from = lineEnd + 1;
      if (chunk[lineEnd] === CR) {
        if (from === length) this.afterReturn = true;
        else if (chunk[from] === LF) from++;
      }
      const blank = !this.lineHasBytes;
      this.lineHasBytes = false;
      if (!blank) continue;
      this.hand(chunk, 0, from);
      this.passing = false;
      if (from < length) this.split(chunk, from, from, from, length);
      return;
    }
    this.hand(chunk, 0, length);
  }

  private hand(bytes: Uint8Array, start: number, end: number): void {
    this.passed += end - start;
    if (this.passed > this.bounds.eventBytes) this.oversized = true;
    if (!this.oversized) this.sink.part(bytes, start, end);
  }
}

/** Up to this size a loop copies faster than a view is made to copy from, and nothing is left to collect. */
const LOOPED_BYTES_MAX = 512;

/** A copy of bytes[start, end). Not `slice`: a Buffer's shares its memory. */
export function copyOf(bytes: Uint8Array, start: number, end: number): Uint8Array<ArrayBuffer> {
  const copy = new Uint8Array(end - start);
  if (copy.length > LOOPED_BYTES_MAX) copy.set(bytes.subarray(start, end));
  else for (let i = 0; i < copy.length; i++) copy[i] = bytes[start + i] ?? 0;
  return copy;
}

/** The first `length` bytes of a buffer and more behind them: in that buffer, or in a larger one where it is full. */
export function withAppended(buffer: Uint8Array, length: number, more: Uint8Array): Uint8Array {
  let room = buffer;
  if (length + more.length > buffer.length) {
    room = new Uint8Array(Math.max(length + more.length, length * 2, 512));
    room.set(buffer.subarray(0, length));
  }
  room.set(more, length);
  return room;
}

/** So many bytes behind the end are searched sooner than a view is made that leaves them out. */
const SEARCHED_BEHIND_BYTES = 4096;

/** Index of `byte` in bytes[from, length), or `length`. A buffer that has grown is much longer than what it holds. */
export function position(bytes: Uint8Array, byte: number, from: number, length: number): number {
  const searched = bytes.length - length > SEARCHED_BEHIND_BYTES ? bytes.subarray(0, length) : bytes;
  const found = searched.indexOf(byte, from);
  return found < 0 || found > length ? length : found;
}

function joined(bytes: Uint8Array, eventStart: number, lines: readonly number[]): Uint8Array {
  let size = lines.length / 2 - 1;
  for (let i = 0; i < lines.length; i += 2) size += (lines[i + 1] ?? 0) - (lines[i] ?? 0);
  const data = new Uint8Array(size).fill(LF);
  let at = 0;
  for (let i = 0; i < lines.length; i += 2) {
    const line = bytes.subarray(eventStart + (lines[i] ?? 0), eventStart + (lines[i + 1] ?? 0));
    data.set(line, at);
    at += line.length + 1;
  }
  return data;
}
