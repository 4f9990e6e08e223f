// What the taps of all protocols have in common: bytes go on event by event, untouched; what ends the stream is kept
// back until the charge is settled, and nothing that comes after it is relayed. A protocol only judges each event.

import { ArraySplitter } from '../core/array-splitter.ts';
import { bounds } from '../core/bounds.ts';
import type { ErrorCode, ErrorDetails } from '../core/errors.ts';
import { copyOf, EventSplitter, withAppended } from '../core/sse.ts';
import type { EventSink, EventView, SplitterBounds } from '../core/sse.ts';
import type { JsonObject } from '../plugin/conversation.ts';
import type { ReplyReading, StreamOptions, StreamTap } from '../plugin/protocol.ts';
import { readingOf } from './reply-reading.ts';
import { StreamStart } from './stream-start.ts';

const nothing = new Uint8Array();
export const blankLine = new TextEncoder().encode('\n\n');

/**
 * What becomes of an event: `relay` it; `drop` it; it is `terminal`: kept back, and all after it dropped; or `hold`: it
 * and all after it are kept back until the body ends, which completes the stream (a protocol without a terminal event).
 */
export type Verdict = 'relay' | 'drop' | 'terminal' | 'hold';

export abstract class RelayTap implements StreamTap, EventSink {
  complete = false;
  fault: StreamTap['fault'] = undefined;

  protected readonly options: StreamOptions;
  /** The body has ended, and its last event may be torn. */
  protected ending = false;
  protected contentBytes = 0;
  protected contentEvents = 0;
  /** The elements of an array are events like others to all that is below. */
  private readonly splitter: EventSplitter | ArraySplitter;
  /** An array begins with its bracket, which its splitter sees to. */
  private readonly start: StreamStart | undefined;
  /**
   * What goes out of this push: a run of bytes that grows while events lie side by side, and finished runs
   * before it.
   */
  private run: Uint8Array = nothing;
  private runStart = 0;
  private runEnd = 0;
  private pieces: Uint8Array[] = [];
  /** What is kept back, at the start of a buffer that grows. */
  private heldBytes: Uint8Array = nothing;
  private heldLength = 0;
  private holding = false;
  /** What of the event at hand stays out of the relay; an empty range if nothing does. */
  private outStart = 0;
  private outEnd = 0;

  /** `splitterBounds`: for a protocol whose terminal event may be larger than others'. */
  constructor(options: StreamOptions, splitterBounds: SplitterBounds = bounds) {
    this.options = options;
    if (options.received === 'json-array') this.splitter = new ArraySplitter(this, splitterBounds);
    else {
      this.splitter = new EventSplitter(this, splitterBounds);
      this.start = new StreamStart();
    }
  }

  /** Looks at a complete event that has data. While `ending`, one that is torn is dropped. */
  protected abstract judge(view: EventView): Verdict;
  /** The body ended: whether what was seen makes a complete stream, though no terminal event came. */
  protected abstract completeAtEnd(): boolean;
  abstract reading(): ReplyReading;
  abstract errorEvent(code: ErrorCode, details: ErrorDetails, requestId: string): Uint8Array;
  abstract shortEnd(): Uint8Array;

  push(chunk: Uint8Array): Uint8Array | undefined {
    if (this.complete) {
      this.keepLineEnd(chunk);
      return undefined;
    }
    if (this.stopped()) return undefined;
    if (this.start?.isOfAnother(chunk) === true) {
      this.fault = 'not-a-stream';
      return undefined;
    }
    this.splitter.push(chunk);
    const { splitter } = this;
    if (splitter.oversized) this.fault = 'oversized-event';
    else if (splitter instanceof ArraySplitter && splitter.broken) this.fault = 'not-a-stream';
    return this.takeOutput(chunk);
  }

  end(): Uint8Array | undefined {
    if (this.complete || this.stopped()) return undefined;
    this.ending = true;
    this.splitter.end();
    if (this.holding || this.completeAtEnd()) this.complete = true;
    return this.takeOutput(undefined);
  }

  held(): Uint8Array {
    return this.heldBytes.subarray(0, this.heldLength);
  }

  /** After these faults nothing more is relayed. After an error event the rest of the stream is. */
  private stopped(): boolean {
    return this.fault === 'not-a-stream' || this.fault === 'oversized-event';
  }

  event(view: EventView): void {
    if (this.complete) return;
    if (!view.hasData) {
      // A block without data at the end of a stream says nothing.
      if (!this.ending) this.pass(view.bytes, view.start, view.end);
      return;
    }
    this.outStart = this.outEnd = 0;
    const verdict = this.judge(view);
    if (verdict === 'relay') {
      if (this.outEnd > this.outStart) this.passWithout(view);
      else this.pass(view.bytes, view.start, view.end);
      if (this.ending) this.pass(blankLine, 0, blankLine.length);
    } else if (verdict !== 'drop') {
      this.hold(view);
      if (verdict === 'terminal') this.complete = true;
      else this.holding = true;
    }
  }

  part(bytes: Uint8Array, start: number, end: number): void {
    if (this.complete) return;
    // Its inside is not looked at: all of it may be content.
    this.contentBytes += end - start;
    this.contentEvents++;
    this.pass(bytes, start, end);
  }

  /** The upstream told of an error, and of nothing else. */
  protected failedAlone(): boolean {
    return this.fault === 'error-event' && this.contentEvents === 0;
  }

  /** For a protocol whose usage block is parsed. */
  protected readingWith(usage: JsonObject | undefined): ReplyReading {
    return readingOf(usage, this.contentBytes, this.contentEvents, this.failedAlone());
  }

  protected count(textBytes: number): void {
    if (textBytes === 0) return;
    this.contentBytes += textBytes;
    this.contentEvents++;
  }

  protected failWith(): void {
    this.fault ??= 'error-event';
  }

  /** Relays the event being judged without `data[start, end)`. One whose data had to be joined is relayed whole. */
  protected leaveOut(view: EventView, start: number, end: number): void {
    if (view.data !== view.bytes) return;
    this.outStart = start;
    this.outEnd = end;
  }

  private passWithout(view: EventView): void {
    this.pass(view.bytes, view.start, this.outStart);
    this.pass(view.bytes, this.outEnd, view.end);
  }

  private hold(view: EventView): void {
    this.keepBack(view.bytes, view.start, view.end);
    if (this.ending) this.keepBack(blankLine, 0, blankLine.length);
  }

  private keepBack(bytes: Uint8Array, start: number, end: number): void {
    const { heldLength } = this;
    if (heldLength === 0) this.heldBytes = copyOf(bytes, start, end);
    else this.heldBytes = withAppended(this.heldBytes, heldLength, bytes.subarray(start, end));
    this.heldLength = heldLength + end - start;
  }

  private pass(bytes: Uint8Array, start: number, end: number): void {
    if (this.holding) {
      this.keepBack(bytes, start, end);
      return;
    }
    if (this.run === bytes && this.runEnd === start) {
      this.runEnd = end;
      return;
    }
    this.finishRun();
    this.run = bytes;
    this.runStart = start;
    this.runEnd = end;
  }

  private finishRun(): void {
    if (this.runEnd > this.runStart) this.pieces.push(this.run.subarray(this.runStart, this.runEnd));
    this.run = nothing;
    this.runStart = this.runEnd = 0;
  }

  private takeOutput(chunk: Uint8Array | undefined): Uint8Array | undefined {
    if (this.pieces.length === 0) {
      const { run, runStart, runEnd } = this;
      if (runEnd === runStart) return undefined;
      this.run = nothing;
      this.runStart = this.runEnd = 0;
      return run === chunk && runStart === 0 && runEnd === run.length ? run : run.subarray(runStart, runEnd);
    }
    this.finishRun();
    const { pieces } = this;
    this.pieces = [];
    return pieces.length === 1 ? pieces[0] : Buffer.concat(pieces);
  }

  /** CR ended the terminal event, and the LF that belongs to it came in the next chunk. */
  private keepLineEnd(chunk: Uint8Array): void {
    if (chunk[0] !== 0x0a || this.heldBytes[this.heldLength - 1] !== 0x0d || this.ending) return;
    this.keepBack(chunk, 0, 1);
  }
}
