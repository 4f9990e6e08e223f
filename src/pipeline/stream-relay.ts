// A running stream: bytes from the upstream go to the client event by event, as they come; the terminal event waits for
// the settlement. However it ends, it ends once, and the upstream is let go at once when the client has left.

import { bounds } from '../core/bounds.ts';
import type { Clock } from '../core/clock.ts';
import type { Outcome } from '../domain/ledger/records.ts';
import type { StreamTap } from '../plugin/protocol.ts';
import type { UpstreamExchange } from './transport/transport.ts';

/** What is kept before the client's side is attached. */
const EARLY_BYTES = 256 * 1024;
/** Bytes that an upstream may still send after the terminal event before we hang up. */
const AFTERMATH_BYTES = 64 * 1024;
/** How long an upstream may go on after an error of its own: for its usage and its terminal event, and no longer. */
const AFTER_ERROR_MS = 5_000;

/** A sink keeps nothing back, so that a chunk costs one call; all that is written in one turn leaves in one packet. */
const SEND_AT_ONCE = { highWaterMark: 1 } as const;
/** A read from this size on is given back as soon as it is written. Small ones cost less to collect. */
const LARGE_READ_BYTES = 16 * 1024;

const blankLine = new TextEncoder().encode('\n\n');

function endsInBlankLine(bytes: Uint8Array): boolean {
  const end = bytes.length;
  if (bytes[end - 1] === 0x0d) return bytes[end - 2] === 0x0d;
  return bytes[end - 1] === 0x0a && (bytes[end - 2] === 0x0a || (bytes[end - 2] === 0x0d && bytes[end - 3] === 0x0a));
}

/**
 * Frees the memory of a large read that is written. A fast upstream fills megabytes until its client is seen to be
 * slow, and then nothing is left to do that would ever set off a collection.
 */
function giveBack(bytes: Uint8Array): void {
  // The size first: to ask a small array for its buffer is to make one.
  if (bytes.byteLength < LARGE_READ_BYTES) return;
  const { buffer } = bytes;
  if (buffer instanceof ArrayBuffer) buffer.transfer(0);
}

/**
 * The sink of a server has taken over what it was given when `write` returns, and with `SEND_AT_ONCE` it waits for no
 * flush. One inside the process, as that of a `Response` that is read here, does neither.
 */
const goesIntoSocket = (controller: ReadableStreamDirectController): boolean =>
  Object.prototype.toString.call(controller) === '[object ReadableHTTPResponseSinkController]';

/** How the stream ended; asked for the bytes that close it once everything is durable. */
export type StreamEnding = (outcome: Outcome) => Promise<Uint8Array | undefined>;

export interface StreamWatch {
  /** Bytes were relayed: time to see whether the hold still covers them. */
  progressed(): void;
  readonly everyBytes: number;
}

export class StreamRelay {
  readonly tap: StreamTap;
  readonly #clock: Clock;
  readonly #exchange: () => UpstreamExchange | undefined;
  #early: Uint8Array[] = [];
  #earlyBytes = 0;
  #controller: ReadableStreamDirectController | undefined;
  #intoSocket = false;
  #ending: StreamEnding | undefined;
  #watch: StreamWatch | undefined;
  #outcome: Outcome | undefined;
  #clientGone = false;
  #draining = false;
  #settled = false;
  #sinkClosed = false;
  #betweenEvents = true;
  #closed = Promise.withResolvers<void>();
  #totalBytes = 0;
  #unwatchedBytes = 0;
  #aftermathBytes = 0;
  #stalledSinceMs: number | undefined;
  /** For the sweep: when the stream last carried content, and how much it had then. */
  #contentEvents = 0;
  #contentAtMs: number;
  /** When the upstream said that it failed. */
  #faultAtMs: number | undefined;
  /** Drain to the usage block when the client leaves, because the upstream bills anyway. */
  drainOnLeaving = false;

  constructor(tap: StreamTap, clock: Clock, exchange: () => UpstreamExchange | undefined) {
    this.tap = tap;
    this.#clock = clock;
    this.#exchange = exchange;
    this.#contentAtMs = clock.monotonicMs();
  }

  /** True once there is something that the client may have. */
  get ready(): boolean {
    return this.#earlyBytes > 0 || this.tap.complete || this.#outcome !== undefined;
  }

  /** An error, or nothing at all, where output should have begun: the attempt failed and another may be tried. */
  faultBeforeOutput(atEnd: boolean): boolean {
    if (this.#earlyBytes > 0) return false;
    return this.tap.fault !== undefined || (atEnd && !this.tap.complete);
  }

  get faultName(): string {
    return this.tap.fault ?? 'ended-early';
  }

  get ended(): boolean {
    return this.#outcome !== undefined;
  }

  /** Takes bytes from the upstream. False: stop reading until `resume`. */
  push(chunk: Uint8Array): boolean {
    if (this.#outcome !== undefined) return this.#aftermath(chunk);
    const { byteLength } = chunk;
    this.#totalBytes += byteLength;
    // A tap returns parts of the chunk, or of memory that it made for them: an event that began in the last read.
    const bytes = this.tap.push(chunk);
    // An error where output should begin is for the dispatcher, who may try another upstream.
    if (!this.#begun && this.tap.fault !== undefined && this.tap.reading().contentEvents === 0) return true;
    const goOn = bytes === undefined || this.#draining ? true : this.#forward(bytes);
    if (this.#intoSocket) {
      if (bytes !== undefined) giveBack(bytes);
      giveBack(chunk);
    }
    const { complete, fault } = this.tap;
    if (fault !== undefined) this.#faultAtMs ??= this.#clock.monotonicMs();
    if (complete) this.#end('finished');
    else if ((fault !== undefined && fault !== 'error-event') || this.#totalBytes > bounds.streamBytes) {
      if (this.#begun) this.#end('broken-off');
    } else this.#watched(byteLength);
    // Once it has ended nobody would resume it, and its connection has a framing to finish.
    return goOn || this.#outcome !== undefined;
  }

  /** Something is on its way to the client: it is too late for another upstream. */
  get #begun(): boolean {
    return this.#controller !== undefined || this.#earlyBytes > 0;
  }

  upstreamEnded(framed: boolean): void {
    if (this.#outcome !== undefined) return;
    const rest = this.tap.end();
    const first = !this.#begun && this.tap.fault !== undefined && this.tap.reading().contentEvents === 0;
    if (rest !== undefined && !this.#draining && !first) this.#forward(rest);
    // A body that only ended because the connection did may have been cut: the protocol's own end must be there.
    if (this.tap.complete && (framed || this.tap.held().byteLength > 0)) this.#end('finished');
    else if (this.#begun) this.#end('broken-off');
  }

  upstreamFailed(timedOut: boolean): void {
    this.#end(timedOut ? 'timed-out' : 'broken-off');
  }

  /** Ends a stream from our side: money, deadlines, shutdown. */
  cut(outcome: Extract<Outcome, 'money-out' | 'timed-out' | 'shut-down'>): void {
    this.#end(outcome);
  }

  /** Called every second or so. Deadlines that need no timer of their own. */
  sweep(limits: { readonly clientStallMs: number; readonly contentSilenceMs: number }): void {
    const nowMs = this.#clock.monotonicMs();
    if (this.#stalledSinceMs !== undefined && nowMs - this.#stalledSinceMs > limits.clientStallMs) {
      this.clientLeft();
      this.#close();
      return;
    }
    if (this.#faultAtMs !== undefined && nowMs - this.#faultAtMs > AFTER_ERROR_MS) {
      this.#end('broken-off');
      return;
    }
    const { contentEvents } = this.tap.reading();
    if (contentEvents !== this.#contentEvents || this.#stalledSinceMs !== undefined) {
      this.#contentEvents = contentEvents;
      this.#contentAtMs = nowMs;
    } else if (nowMs - this.#contentAtMs > limits.contentSilenceMs) this.cut('timed-out');
  }

  /** The client's side. `ending` is called exactly once, also when nobody ever reads. */
  attach(ending: StreamEnding, watch: StreamWatch | undefined): ReadableStream<Uint8Array> {
    this.#ending = ending;
    this.#watch = watch;
    if (this.#outcome !== undefined) void this.#settle(this.#outcome, ending);
    return new ReadableStream<Uint8Array>(
      {
        type: 'direct',
        pull: (controller) => this.#pulled(controller),
        cancel: () => this.clientLeft(),
      },
      SEND_AT_ONCE,
    );
  }

  #pulled(controller: ReadableStreamDirectController): Promise<void> {
    this.#controller = controller;
    this.#intoSocket = goesIntoSocket(controller);
    let goOn = true;
    for (const bytes of this.#early.splice(0)) {
      goOn = this.#write(bytes) && goOn;
      if (this.#intoSocket) giveBack(bytes);
    }
    // The upstream was paused if it was faster than our reading the client's side.
    if (goOn) this.#exchange()?.resume();
    if (this.#settled) this.#close();
    return this.#closed.promise;
  }

  /** Nobody will read: the client left before its reply began. */
  abandon(ending: StreamEnding): void {
    this.#ending = ending;
    if (this.#outcome !== undefined) void this.#settle(this.#outcome, ending);
    else this.clientLeft();
  }

  #forward(bytes: Uint8Array): boolean {
    if (this.#clientGone) return true;
    this.#betweenEvents = endsInBlankLine(bytes);
    if (this.#controller === undefined) {
      this.#early.push(bytes);
      this.#earlyBytes += bytes.byteLength;
      return this.#earlyBytes < EARLY_BYTES;
    }
    return this.#write(bytes);
  }

  #write(bytes: Uint8Array): boolean {
    const written = this.#controller?.write(bytes);
    if (!this.#intoSocket) void this.#controller?.flush();
    if (typeof written !== 'object') return true;
    // The client is slow: read no more until it has taken this.
    this.#stalledSinceMs ??= this.#clock.monotonicMs();
    const goOn = () => {
      this.#stalledSinceMs = undefined;
      if (this.#outcome === undefined) this.#exchange()?.resume();
    };
    written.then(goOn, goOn);
    return false;
  }

  #close(): void {
    if (this.#sinkClosed || this.#controller === undefined) return;
    this.#sinkClosed = true;
    this.#controller.close();
  }

  #watched(byteLength: number): void {
    const watch = this.#watch;
    if (watch === undefined) return;
    this.#unwatchedBytes += byteLength;
    if (this.#unwatchedBytes < watch.everyBytes) return;
    this.#unwatchedBytes = 0;
    watch.progressed();
  }

  #aftermath(chunk: Uint8Array): boolean {
    this.#aftermathBytes += chunk.byteLength;
    if (this.#aftermathBytes > AFTERMATH_BYTES) this.#exchange()?.abort();
    return true;
  }

  /** The client has gone: the upstream is let go, or drained. Idempotent. */
  clientLeft(): void {
    if (this.#clientGone) return;
    this.#clientGone = true;
    if (this.#outcome !== undefined) return;
    if (this.drainOnLeaving && this.tap.fault === undefined) {
      this.#draining = true;
      this.#exchange()?.resume();
      return;
    }
    this.#end('client-left');
  }

  #end(outcome: Outcome): void {
    if (this.#outcome !== undefined) return;
    if (this.#draining) this.#outcome = 'client-left';
    // Clients hang up when they read an error: it is the error that ended the stream.
    else if (this.tap.fault !== undefined && outcome !== 'money-out' && outcome !== 'shut-down')
      this.#outcome = 'broken-off';
    else this.#outcome = outcome;
    // After a clean end the connection is left to finish its framing and be used again.
    if (!this.tap.complete) this.#exchange()?.abort();
    if (this.#ending !== undefined) void this.#settle(this.#outcome, this.#ending);
  }

  async #settle(outcome: Outcome, ending: StreamEnding): Promise<void> {
    const bytes = await ending(outcome);
    this.#settled = true;
    // An event that was too large to be kept back may have gone out in part: what ends the stream is one of its own.
    if (!this.#betweenEvents && !this.tap.complete && bytes !== undefined) this.#forward(blankLine);
    if (bytes !== undefined && !this.#clientGone) {
      if (this.#controller === undefined) this.#early.push(bytes);
      else this.#controller.write(bytes);
    }
    if (!this.#clientGone) this.#close();
    this.#closed.resolve();
  }
}
