// Request bodies that are still arriving, with one coarse timer for all of them: a body that drips in slower than its
// deadline is given up, and a body that comes at once costs no timer.

import type { Clock } from '../core/clock.ts';

const SWEEP_EVERY_MS = 1_000;

interface Waiting {
  readonly untilMs: number;
  readonly giveUp: () => void;
}

export interface SlowBodies {
  /** Settles as `body` does, or rejects with `tooSlow()` when it takes longer than `deadlineMs` (to about a second). */
  within<T>(body: Promise<T>, deadlineMs: number, tooSlow: () => Error): Promise<T>;
}

export function createSlowBodies(clock: Pick<Clock, 'monotonicMs'>): SlowBodies {
  const waiting = new Set<Waiting>();
  let timer: ReturnType<typeof setInterval> | undefined;
  const sweep = () => {
    const nowMs = clock.monotonicMs();
    for (const entry of waiting) {
      if (entry.untilMs > nowMs) continue;
      waiting.delete(entry);
      entry.giveUp();
    }
    if (waiting.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };
  return {
    within: (body, deadlineMs, tooSlow) =>
      new Promise((resolve, reject) => {
        const entry = { untilMs: clock.monotonicMs() + deadlineMs, giveUp: () => reject(tooSlow()) };
        waiting.add(entry);
        timer ??= setInterval(sweep, Math.min(SWEEP_EVERY_MS, Math.max(1, deadlineMs)));
        body.then(
          (value) => {
            waiting.delete(entry);
            resolve(value);
          },
          (error: unknown) => {
            waiting.delete(entry);
            reject(error instanceof Error ? error : new Error(String(error)));
          },
        );
      }),
  };
}
