// When a certificate is renewed and when a failed try is repeated: pure, with time and chance handed in.

import type { Chance, EpochMs } from '../../../core/clock.ts';

const MINUTE_MS = 60_000;
/** Rising to twice a day: authorities count failures, five an hour for a name are the usual limit. */
const AFTER_FAILURES_MINUTES = [2, 15, 30, 60, 180, 360, 720] as const;
/** Of the third that is left: spreads the load of many servers that were set up at the same minute. */
const JITTER = 1 / 10;

/** With a third of its life left, or a little later. */
export function renewAt(pair: { readonly notBefore: EpochMs; readonly notAfter: EpochMs }, chance: Chance): EpochMs {
  const third = (pair.notAfter - pair.notBefore) / 3;
  return Math.round(pair.notAfter - third + chance() * third * JITTER);
}

/**
 * Milliseconds until the next try after so many failures in a row (1 or more); what the authority asks for is kept.
 */
export function backoffMs(failures: number, askedMs: number, chance: Chance): number {
  const minutes =
    AFTER_FAILURES_MINUTES[Math.min(failures, AFTER_FAILURES_MINUTES.length) - 1] ?? AFTER_FAILURES_MINUTES[0];
  return Math.round(Math.max(minutes * MINUTE_MS, askedMs) * (1 + chance() / 4));
}
