// How often upstreams are tried: enough for a person who sets one up, too seldom for a program that looks around with
// our credentials or from our place in the network.

import type { Clock } from '../core/clock.ts';
import { TollgateError } from '../core/errors.ts';

const WINDOW_MS = 60_000;
/** Of one upstream, and of all together. */
const TRIALS_MAX = 6;
const ALL_TRIALS_MAX = 30;

export interface TrialRate {
  /** Takes a place and returns how to leave it. One at a time for each upstream. Throws `rate_limited`. */
  take(upstream: string): () => void;
}

export function createTrialRate(clock: Pick<Clock, 'monotonicMs'>): TrialRate {
  let trials: { readonly upstream: string; readonly atMs: number }[] = [];
  const running = new Set<string>();
  return {
    take(upstream) {
      const nowMs = clock.monotonicMs();
      trials = trials.filter(({ atMs }) => nowMs - atMs < WINDOW_MS);
      const own = trials.filter((trial) => trial.upstream === upstream);
      const full = own.length >= TRIALS_MAX ? own : trials.length >= ALL_TRIALS_MAX ? trials : undefined;
      if (full !== undefined) throw tooOften(WINDOW_MS - (nowMs - (full[0]?.atMs ?? nowMs)));
      if (running.has(upstream)) throw tooOften(1_000);
      trials.push({ upstream, atMs: nowMs });
      running.add(upstream);
      return () => void running.delete(upstream);
    },
  };
}

const tooOften = (waitMs: number): TollgateError =>
  new TollgateError('rate_limited', {
    message:
      `Upstreams are tested one test at a time, ${TRIALS_MAX} times a minute each and ${ALL_TRIALS_MAX} in all; ` +
      'wait before you test again.',
    retryAfterSeconds: Math.max(1, Math.ceil(waitMs / 1_000)),
  });
