// Requests that are over and whose spans are not yet written. A few are written at once: the code and the memory for it
// are at hand then for all but the first, while between two requests everything else has pushed them out of the caches.

import type { Closing } from '../domain/ledger/ledger.ts';
import type { ProtobufWriter } from './protobuf-writer.ts';
import type { SpanEncoder, SpanIds } from './span-encoder.ts';
import type { SpanQueue } from './span-queue.ts';
import {
  parseTraceparent,
  SPAN_ID_BYTES,
  TRACE_ID_BYTES,
  wordOf,
  type Ids,
  type Sampler,
  type TraceContext,
} from './trace-context.ts';

/** What was decided about a request before its end, because its trace was passed on. */
export interface Passed {
  readonly trace: TraceContext;
  readonly server: string;
  readonly attempts: string[];
}

interface Ended {
  readonly closing: Closing;
  readonly durationMs: number;
  /** The client's own, whatever it holds. */
  readonly traceparent: string | null;
  readonly passed: Passed | undefined;
}

export interface SpanBacklogOptions {
  readonly ids: Ids;
  readonly sample: Sampler;
  readonly encoder: Pick<SpanEncoder, 'encode'>;
  readonly queue: Pick<SpanQueue, 'push' | 'expect' | 'drop'>;
  readonly onDefect: (error: unknown) => void;
}

/** Few enough that writing them delays nobody: it takes less than a tenth of a millisecond. */
const REQUESTS_MAX = 32;

export class SpanBacklog {
  readonly #options: SpanBacklogOptions;
  readonly #waiting: Ended[] = [];
  readonly #ids: BacklogIds;

  constructor(options: SpanBacklogOptions) {
    this.#options = options;
    this.#ids = new BacklogIds(options.ids, options.sample);
  }

  add(ended: Ended): void {
    this.#waiting.push(ended);
    if (this.#waiting.length >= REQUESTS_MAX) this.write();
    else this.#options.queue.expect();
  }

  /** All that waits; one that cannot be written is counted and keeps none of the others from it. */
  write(): void {
    const waiting = this.#waiting;
    for (let index = 0; index < waiting.length; index += 1) {
      const ended = waiting[index];
      if (ended === undefined) continue;
      try {
        this.#write(ended);
      } catch (error) {
        this.#options.queue.drop('not-written', 1 + ended.closing.attempts.length);
        this.#options.onDefect(error);
      }
    }
    waiting.length = 0;
  }

  #write({ closing, durationMs, traceparent, passed }: Ended): void {
    const recorded = passed === undefined ? this.#ids.make(traceparent) : this.#ids.take(passed);
    if (recorded) this.#options.encoder.encode(closing, durationMs, this.#ids, this.#push);
  }

  readonly #push = (span: ProtobufWriter): void => this.#options.queue.push(span);
}

/** The ids of one request after the other, in the same memory. */
class BacklogIds implements SpanIds {
  readonly trace = Buffer.alloc(TRACE_ID_BYTES);
  readonly server = Buffer.alloc(SPAN_ID_BYTES);
  readonly #parent = Buffer.alloc(SPAN_ID_BYTES);
  readonly #attempt = Buffer.alloc(SPAN_ID_BYTES);
  readonly #ids: Ids;
  readonly #sample: Sampler;
  #attempts: readonly string[] | undefined;
  parent: Uint8Array | undefined;

  constructor(ids: Ids, sample: Sampler) {
    this.#ids = ids;
    this.#sample = sample;
  }

  /** Whether it is recorded. */
  make(traceparent: string | null): boolean {
    this.#attempts = undefined;
    const parent = traceparent === null ? undefined : parseTraceparent(traceparent);
    if (parent === undefined) this.#ids.write(this.trace);
    else this.trace.write(parent.traceId, 'hex');
    this.#begin(parent?.spanId);
    this.#ids.write(this.server);
    return this.#sample(this.trace.readUInt32BE(8), parent);
  }

  take({ trace, server, attempts }: Passed): boolean {
    this.#attempts = attempts;
    this.trace.write(trace.traceId, 'hex');
    this.server.write(server, 'hex');
    this.#begin(trace.parentSpanId);
    return trace.recorded;
  }

  attempt(index: number): Uint8Array {
    const told = this.#attempts?.[index];
    if (told === undefined) this.#ids.write(this.#attempt);
    else this.#attempt.write(told, 'hex');
    return this.#attempt;
  }

  #begin(parentSpanId: string | undefined): void {
    this.parent = parentSpanId === undefined ? undefined : this.#parent;
    if (parentSpanId !== undefined) this.#parent.write(parentSpanId, 'hex');
  }
}

/** For a trace that is passed on before the request's end. */
export function traceOf(ids: Ids, sample: Sampler, traceparent: string | null): TraceContext {
  const parent = parseTraceparent(traceparent);
  const traceId = parent?.traceId ?? ids.trace();
  return { traceId, parentSpanId: parent?.spanId, recorded: sample(wordOf(traceId), parent) };
}
