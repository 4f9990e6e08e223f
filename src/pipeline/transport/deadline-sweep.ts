// One coarse timer for all exchanges in flight: a timer for each request would cost more than the request's
// head. Invariant: after a stall of this process sockets are heard once before anything is declared too late.

import type { Clock } from '../../core/clock.ts';

export interface InFlight {
  /** The sweep's own note of where it keeps the exchange; -1 when it does not. */
  slot: number;
  /** Ends itself if one of its deadlines has passed. */
  expire(nowMs: number): void;
  /** Ends itself because the transport is closed. */
  shutDown(): void;
}

export interface DeadlineSweep {
  add(exchange: InFlight): void;
  delete(exchange: InFlight): void;
  /** Ends everything in flight, and the timer. */
  shutDown(): void;
}

export interface DeadlineSweepOptions {
  readonly clock: Pick<Clock, 'monotonicMs'>;
  /** Time between two sweeps, and so the coarseness of all deadlines. Default 200. */
  readonly sweepMs?: number;
  /** Asked at each sweep to close what has idled too long; false when nothing idle is left. */
  readonly sweepIdle: (nowMs: number) => boolean;
}

const SWEEP_MS = 200;
/** A sweep that comes this many times later than planned follows a stall. */
const STALL_FACTOR = 5;

export function createDeadlineSweep(options: DeadlineSweepOptions): DeadlineSweep {
  const sweepMs = options.sweepMs ?? SWEEP_MS;
  // An array with holes filled from its end: cheaper than a set, and it is touched twice by every request.
  const inFlight: InFlight[] = [];
  let timer: ReturnType<typeof setInterval> | undefined;
  let lastMs = 0;

  function sweep(): void {
    const nowMs = options.clock.monotonicMs();
    const stalled = nowMs - lastMs > sweepMs * STALL_FACTOR;
    lastMs = nowMs;
    // From the end, because what expires leaves its place to the last one.
    if (!stalled) for (let i = inFlight.length - 1; i >= 0; i -= 1) inFlight[i]?.expire(nowMs);
    if (!options.sweepIdle(nowMs) && inFlight.length === 0) stop();
  }

  function stop(): void {
    clearInterval(timer);
    timer = undefined;
  }

  return {
    add(exchange) {
      exchange.slot = inFlight.push(exchange) - 1;
      if (timer !== undefined) return;
      lastMs = options.clock.monotonicMs();
      timer = setInterval(sweep, sweepMs);
      // Deadlines alone must not keep a process alive that has nothing else to do.
      timer.unref();
    },
    delete(exchange) {
      const { slot } = exchange;
      if (slot < 0) return;
      exchange.slot = -1;
      const last = inFlight.pop();
      if (last === undefined || last === exchange) return;
      inFlight[slot] = last;
      last.slot = slot;
    },
    shutDown() {
      for (const exchange of inFlight.slice()) exchange.shutDown();
      stop();
    },
  };
}
