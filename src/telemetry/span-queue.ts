// Spans on their way out: written into the batch that is open, sealed when it is full or a while has passed, sent one
// batch at a time. What waits is bounded; when the collector does not keep up, the oldest batch is dropped and counted.

import { varintLength, type ProtobufWriter } from './protobuf-writer.ts';
import type { SendBody, SendOutcome } from './otlp-sender.ts';

export interface SpanQueueOptions {
  readonly send: SendBody;
  /** Fields of `ResourceSpans` before its spans, and of `ScopeSpans` before its own. */
  readonly resource: Uint8Array;
  readonly scope: Uint8Array;
  /** How long a span may wait for others. */
  readonly delayMs: number;
  readonly batchBytes?: number;
  readonly batchesMax?: number;
  /** Told once when sending begins to fail, and once when it goes on. */
  readonly onTrouble: (because: string | undefined) => void;
  /** Before a batch is opened. */
  readonly onBatch?: () => void;
  /** The wait for others is over: the last chance to push spans before they go out. */
  readonly onDue?: () => void;
  readonly waitMs?: (failures: number) => number;
}

const BATCH_BYTES = 512 * 1024;
const BATCHES_MAX = 8;
const WAIT_FIRST_MS = 1_000;
const WAIT_MAX_MS = 30_000;
const TAG_BYTES = 1;
const RESOURCE_SPANS = (1 << 3) | 2;
const SCOPE_SPANS = (2 << 3) | 2;
const SPANS = (2 << 3) | 2;
/** Tags and lengths of the messages around the spans. */
const FRAME_BYTES = 2 * (TAG_BYTES + 5);

/** `not-written`: we could not; `refused`: the collector will never take it, or it fits into no batch. */
export type DropReason = 'queue-full' | 'refused' | 'stopped' | 'not-written';

interface Batch {
  readonly buffer: Buffer<ArrayBuffer>;
  end: number;
  spans: number;
}

const doubling = (failures: number): number => Math.min(WAIT_MAX_MS, WAIT_FIRST_MS * 2 ** (failures - 1));

export class SpanQueue {
  readonly #options: SpanQueueOptions;
  readonly #batchBytes: number;
  readonly #batchesMax: number;
  readonly #start: number;
  #open: Batch | undefined;
  #sealed: Batch[] = [];
  #spare: Buffer<ArrayBuffer> | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #sending: Promise<void> | undefined;
  #wake: (() => void) | undefined;
  #failures = 0;
  #closing = false;
  /** Spans that no collector got, by reason. */
  readonly dropped = new Map<DropReason, number>();

  constructor(options: SpanQueueOptions) {
    this.#options = options;
    this.#batchBytes = options.batchBytes ?? BATCH_BYTES;
    this.#batchesMax = options.batchesMax ?? BATCHES_MAX;
    this.#start = FRAME_BYTES + options.resource.length + options.scope.length;
  }

  /** Takes the fields of one span. Never waits. */
  push(span: ProtobufWriter): void {
    const { length } = span;
    const needed = TAG_BYTES + varintLength(length) + length;
    let batch = this.#open ?? this.#opened();
    if (batch.end + needed > batch.buffer.length) {
      this.#seal();
      batch = this.#opened();
      if (batch.end + needed > batch.buffer.length) return this.drop('refused', 1);
    }
    const { buffer } = batch;
    buffer[batch.end] = SPANS;
    const at = writeVarint(buffer, batch.end + TAG_BYTES, length);
    span.copyTo(buffer, at);
    batch.end = at + length;
    batch.spans += 1;
  }

  /** There are spans to be pushed when the wait is over. */
  expect(): void {
    this.#timer ??= setTimeout(this.#due, this.#options.delayMs).unref();
  }

  /** Sends what is there, for at most so long; what is left is dropped. */
  async close(withinMs: number): Promise<void> {
    this.#closing = true;
    this.#due();
    this.#wake?.();
    const late = Promise.withResolvers<void>();
    const timer = setTimeout(late.resolve, withinMs);
    await Promise.race([this.#sending, late.promise]);
    clearTimeout(timer);
    for (const { spans } of this.#sealed.splice(0)) this.drop('stopped', spans);
  }

  #opened(): Batch {
    this.#options.onBatch?.();
    const buffer = this.#spare ?? Buffer.from(new ArrayBuffer(this.#batchBytes));
    this.#spare = undefined;
    this.expect();
    return (this.#open = { buffer, end: this.#start, spans: 0 });
  }

  readonly #due = (): void => {
    this.#options.onDue?.();
    this.#seal();
  };

  #seal(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const batch = this.#open;
    this.#open = undefined;
    if (batch === undefined || batch.spans === 0) return;
    this.#sealed.push(batch);
    // The first may be on its way: what is dropped is the oldest of those that wait.
    while (this.#sealed.length > this.#batchesMax) {
      const [oldest] = this.#sealed.splice(this.#sending === undefined ? 0 : 1, 1);
      this.drop('queue-full', oldest?.spans ?? 0);
    }
    this.#sending ??= this.#sendAll().finally(() => {
      this.#sending = undefined;
    });
  }

  async #sendAll(): Promise<void> {
    for (let batch = this.#sealed[0]; batch !== undefined; batch = this.#sealed[0]) {
      const outcome = await this.#options.send(this.#framed(batch));
      if (outcome.kind === 'again' && this.#sealed[0] === batch && !this.#closing) {
        await this.#troubled(outcome);
        continue;
      }
      if (this.#sealed[0] === batch) this.#sealed.shift();
      this.#spare = batch.buffer;
      if (outcome.kind === 'sent') this.#recovered();
      else {
        this.drop(outcome.kind === 'again' ? 'stopped' : 'refused', batch.spans);
        this.#told(outcome.because);
      }
    }
  }

  async #troubled(outcome: Extract<SendOutcome, { kind: 'again' }>): Promise<void> {
    this.#told(outcome.because);
    // What it asks for is kept, but a wait of nothing would be a loop.
    const waitMs = Math.max(outcome.afterMs ?? 0, (this.#options.waitMs ?? doubling)(this.#failures));
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, waitMs);
    timer.unref();
    this.#wake = resolve;
    await promise;
    this.#wake = undefined;
    clearTimeout(timer);
  }

  #told(because: string): void {
    this.#failures += 1;
    if (this.#failures === 1) this.#options.onTrouble(because);
  }

  #recovered(): void {
    if (this.#failures > 0) this.#options.onTrouble(undefined);
    this.#failures = 0;
  }

  /** Counts them. */
  drop(because: DropReason, spans: number): void {
    if (spans > 0) this.dropped.set(because, (this.dropped.get(because) ?? 0) + spans);
  }

  /** Puts the messages around the spans into the room that was left before them. */
  #framed({ buffer, end }: Batch): Uint8Array<ArrayBuffer> {
    const { resource, scope } = this.#options;
    const scopeLength = scope.length + end - this.#start;
    const scopeStart = this.#start - scope.length;
    buffer.set(scope, scopeStart);
    const scopeTagAt = scopeStart - varintLength(scopeLength) - TAG_BYTES;
    buffer[scopeTagAt] = SCOPE_SPANS;
    writeVarint(buffer, scopeTagAt + TAG_BYTES, scopeLength);
    const resourceStart = scopeTagAt - resource.length;
    buffer.set(resource, resourceStart);
    const resourceLength = end - resourceStart;
    const from = resourceStart - varintLength(resourceLength) - TAG_BYTES;
    buffer[from] = RESOURCE_SPANS;
    writeVarint(buffer, from + TAG_BYTES, resourceLength);
    return new Uint8Array(buffer.buffer, from, end - from);
  }
}

function writeVarint(buffer: Buffer, at: number, value: number): number {
  let end = at;
  let rest = value;
  while (rest >= 0x80) {
    buffer[end++] = (rest % 0x80) | 0x80;
    rest = Math.floor(rest / 0x80);
  }
  buffer[end++] = rest;
  return end;
}
