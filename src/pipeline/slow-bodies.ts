// Request bodies that are still arriving, with one coarse timer for all of them: a body that drips in slower than its
// deadline is given up, and a body that comes at once costs no timer.

import type { Clock } from '../core/clock.ts';

const SWEEP_EVERY_MS = 1_000;

interface Waiting {
  readonly untilMs: number;
  readonly deadlineMs: number;
  readonly tooSlow: (deadlineMs: number) => Error;
  readonly giveUp: (error: Error) => void;
}

export interface SlowBodies {
  /**
   * Resolves as `body` does. Rejects with what `brokenOff` makes of its error, or with `tooSlow` when it takes longer
   * than `deadlineMs` (to about a second).
   */
  within<T>(
    body: Promise<T>,
    deadlineMs: number,
    tooSlow: (deadlineMs: number) => Error,
    brokenOff: (error: unknown) => Error,
  ): Promise<T>;
}

export function createSlowBodies(clock: Pick<Clock, 'monotonicMs'>): SlowBodies {
  const waiting = new Set<Waiting>();
  let timer: ReturnType<typeof setInterval> | undefined;
  const sweep = () => {
    const nowMs = clock.monotonicMs();
    for (const entry of waiting) {
      if (entry.untilMs > nowMs) continue;
      waiting.delete(entry);
      entry.giveUp(entry.tooSlow(entry.deadlineMs));
    }
    if (waiting.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };
  return {
    within: (body, deadlineMs, tooSlow, brokenOff) =>
      new Promise((resolve, reject) => {
        const entry: Waiting = { untilMs: clock.monotonicMs() + deadlineMs, deadlineMs, tooSlow, giveUp: reject };
        waiting.add(entry);
        timer ??= setInterval(sweep, Math.min(SWEEP_EVERY_MS, Math.max(1, deadlineMs)));
        body.then(
          (value) => {
            waiting.delete(entry);
            resolve(value);
          },
          (error: unknown) => {
            waiting.delete(entry);
            reject(brokenOff(error));
          },
        );
      }),
  };
}
