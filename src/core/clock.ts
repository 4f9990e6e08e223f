// Time and chance are handed in, never reached for, so that one seed and one clock replay any failure.

/** Milliseconds since the Unix epoch. May jump: use it for dates, never to measure. */
export type EpochMs = number;

export interface Clock {
  /** Wall clock, milliseconds since the Unix epoch. */
  now(): EpochMs;
  /** Monotonic milliseconds from an arbitrary start: for deadlines and durations. */
  monotonicMs(): number;
}

/** A number in [0, 1), as `Math.random` gives. */
export type Chance = () => number;

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
};
