// Reads an OpenAI stream beside its relay: bytes go on event by event, untouched; `data: [DONE]` is kept back
// until the charge is settled, and nothing that comes after it is relayed. Shared by chat and legacy
// completions.

import { copyOf, EventSplitter } from '../core/sse.ts';
import type { EventSink, EventView } from '../core/sse.ts';
import type { ReplyReading, StreamOptions, StreamTap } from '../plugin/protocol.ts';
import { EventShape } from './event-shape.ts';
import { ReplyScanner } from './openai-reply-scan.ts';
import type { ContentPlace } from './openai-reply-scan.ts';
import { usageOf } from './openai-usage.ts';

const nothing = new Uint8Array();
const blankLine = new TextEncoder().encode('\n\n');

/** All streams share them: an event is scanned, and what was found is noted, in one go. */
const scanners = { message: new ReplyScanner('message'), text: new ReplyScanner('text') } as const;

export function openOpenAiTap(place: ContentPlace, options: StreamOptions): StreamTap {
  return new OpenAiStreamTap(place, options);
}

class OpenAiStreamTap implements StreamTap, EventSink {
  complete = false;
  fault: StreamTap['fault'] = undefined;

  private readonly options: StreamOptions;
  private readonly scanner: ReplyScanner;
  private readonly shape = new EventShape();
  private readonly splitter: EventSplitter = new EventSplitter(this);
  /** False until a byte was seen that tells an event stream from a page or a JSON body. */
  private begun = false;
  /**
   * What goes out of this push: a run of bytes that grows while events lie side by side, and finished runs
   * before it.
   */
  private run: Uint8Array = nothing;
  private runStart = 0;
  private runEnd = 0;
  private pieces: Uint8Array[] = [];
  private ending = false;
  private heldBytes: Uint8Array = nothing;
  private usageBytes: Uint8Array | undefined;
  private contentBytes = 0;
  private contentEvents = 0;
  private finished = 0;
  private finishedInError = 0;

  constructor(place: ContentPlace, options: StreamOptions) {
    this.options = options;
    this.scanner = scanners[place];
  }

  push(chunk: Uint8Array): Uint8Array | undefined {
    if (this.complete) {
      this.keepLineEnd(chunk);
      return undefined;
    }
    if (this.stopped()) return undefined;
    if (!this.begun && !this.begin(chunk)) return undefined;
    this.splitter.push(chunk);
    if (this.splitter.oversized) this.fault = 'oversized-event';
    return this.takeOutput(chunk);
  }

  end(): Uint8Array | undefined {
    if (this.complete || this.stopped()) return undefined;
    this.ending = true;
    this.splitter.end();
    if (this.options.end === 'finish-reason' && this.finished > 0) this.complete = true;
    return this.takeOutput(undefined);
  }

  held(): Uint8Array {
    return this.heldBytes;
  }

  reading(): ReplyReading {
    const { usage, usageText } = usageOf(this.usageBytes);
    const { contentBytes, contentEvents, finished, finishedInError } = this;
    const onlyError = this.fault === 'error-event' && contentEvents === 0;
    return {
      usage,
      usageText,
      contentBytes,
      contentEvents,
      failed: onlyError || (finished > 0 && finished === finishedInError),
    };
  }

  /** After these faults nothing more is relayed. After an error event the rest of the stream is. */
  private stopped(): boolean {
    return this.fault === 'not-a-stream' || this.fault === 'oversized-event';
  }

  /**
   * Looks at the first bytes that are no white space or byte order mark. False if this is no event stream.
   */
  private begin(chunk: Uint8Array): boolean {
    for (const byte of chunk) {
      if (byte <= 0x20 || byte === 0xef || byte === 0xbb || byte === 0xbf) continue;
      this.begun = true;
      // A page, or one JSON value: neither begins like a field or a comment.
      if (byte === 0x3c || byte === 0x7b || byte === 0x5b || byte === 0x22) this.fault = 'not-a-stream';
      return this.fault === undefined;
    }
    return true;
  }

  event(view: EventView): void {
    if (this.complete) return;
    if (!view.hasData) {
      // An incomplete block without data at the end of a stream says nothing.
      if (!this.ending) this.relay(view.bytes, view.start, view.end);
      return;
    }
    if (isDone(view)) {
      this.complete = true;
      const event = copyOf(view.bytes, view.start, view.end);
      this.heldBytes = this.ending ? Buffer.concat([event, blankLine]) : event;
      return;
    }
    const { scanner, shape } = this;
    const textBytes = view.name === '' ? shape.textBytes(view.data, view.dataStart, view.dataEnd) : -1;
    if (textBytes >= 0 && !this.ending) {
      this.count(textBytes);
      this.relay(view.bytes, view.start, view.end);
      return;
    }
    const readable = scanner.scan(view.data, view.dataStart, view.dataEnd);
    if (this.ending && !readable) return;
    if (readable && this.read(view)) return;
    if (view.name === 'error') this.failWith();
    this.relay(view.bytes, view.start, view.end);
    if (this.ending) this.relay(blankLine, 0, blankLine.length);
  }

  part(bytes: Uint8Array, start: number, end: number): void {
    if (this.complete) return;
    // Its inside is not looked at: all of it may be content.
    this.contentBytes += end - start;
    this.contentEvents++;
    this.relay(bytes, start, end);
  }

  /** Notes what the event says. True if it is the usage-only event that the client did not ask for. */
  private read(view: EventView): boolean {
    const { scanner } = this;
    if (scanner.error) this.failWith();
    this.finished += scanner.finished;
    this.finishedInError += scanner.finishedInError;
    this.count(scanner.contentBytes);
    if (scanner.usageStart < 0) {
      const plain = scanner.texts === 1 && scanner.finished === 0 && !scanner.error;
      if (plain)
        this.shape.learn(view.data, view.dataStart, view.dataEnd, scanner.textStart, scanner.textEnd);
      return false;
    }
    this.usageBytes = copyOf(view.data, scanner.usageStart, scanner.usageEnd);
    return this.options.hideUsage && scanner.choices <= 0 && !scanner.error;
  }

  private count(textBytes: number): void {
    if (textBytes === 0) return;
    this.contentBytes += textBytes;
    this.contentEvents++;
  }

  private failWith(): void {
    this.fault ??= 'error-event';
  }

  private relay(bytes: Uint8Array, start: number, end: number): void {
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
    if (chunk[0] !== 0x0a || this.heldBytes.at(-1) !== 0x0d || this.ending) return;
    this.heldBytes = Buffer.concat([this.heldBytes, chunk.subarray(0, 1)]);
  }
}

const done = new TextEncoder().encode('[DONE]');

function isDone(view: EventView): boolean {
  const { data } = view;
  let start = view.dataStart;
  let end = view.dataEnd;
  if (end - start < done.length || data[start] === 0x7b) return false;
  while (start < end && (data[start] ?? 0) <= 0x20) start++;
  while (end > start && (data[end - 1] ?? 0) <= 0x20) end--;
  if (end - start !== done.length) return false;
  for (let i = 0; i < done.length; i++) if (data[start + i] !== done[i]) return false;
  return true;
}
