// Requests that are running now: for deadlines that are swept rather than timed, and for a shutdown that drains.

import type { Clock } from '../core/clock.ts';
import type { Deadlines } from '../core/bounds.ts';
import type { StreamRelay } from './stream-relay.ts';

const SWEEP_EVERY_MS = 1_000;

export interface RunningRequests {
  /** No new request is taken any more. */
  readonly stopping: boolean;
  readonly count: number;
  enter(leave: () => void): object;
  leave(entry: object): void;
  enterStream(relay: StreamRelay): void;
  leaveStream(relay: StreamRelay): void;
  /** Refuses new requests, waits for the running ones, and after the deadline ends them as shut down. */
  drain(): Promise<void>;
}

export function createRunningRequests(clock: Clock, deadlines: Deadlines): RunningRequests {
  const opening = new Map<object, () => void>();
  const streams = new Set<StreamRelay>();
  let stopping = false;
  let empty: (() => void) | undefined;
  const sweep = setInterval(() => {
    for (const relay of streams) relay.sweep(deadlines);
  }, SWEEP_EVERY_MS);
  sweep.unref();
  const left = () => {
    if (opening.size + streams.size === 0) empty?.();
  };
  return {
    get stopping() {
      return stopping;
    },
    get count() {
      return opening.size + streams.size;
    },
    enter(leave) {
      const entry = {};
      opening.set(entry, leave);
      return entry;
    },
    leave(entry) {
      opening.delete(entry);
      if (stopping) left();
    },
    enterStream: (relay) => void streams.add(relay),
    leaveStream(relay) {
      streams.delete(relay);
      if (stopping) left();
    },
    async drain() {
      stopping = true;
      const untilMs = clock.monotonicMs() + deadlines.drainMs;
      if (opening.size + streams.size > 0) {
        const { promise, resolve } = Promise.withResolvers<void>();
        empty = resolve;
        const timer = setTimeout(() => {
          for (const leave of opening.values()) leave();
          for (const relay of streams) relay.cut('shut-down');
        }, Math.max(0, untilMs - clock.monotonicMs()));
        await promise;
        clearTimeout(timer);
      }
      clearInterval(sweep);
    },
  };
}
