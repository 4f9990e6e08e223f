// The wheel on a clock of ours: nothing early, nothing twice, nothing lost when time jumps.

import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { createTimerWheel } from '../../src/simulator/timer-wheel.ts';
import { eventually } from './raw-client.ts';

function steppedClock() {
  let nowMs = 1_000;
  return {
    now: () => nowMs,
    monotonicMs: () => nowMs,
    advance: (ms: number) => {
      nowMs += ms;
    },
  };
}

test('runs every task once, none before its time', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 20_000 }), { minLength: 1, maxLength: 60 }), async (delays) => {
      const clock = steppedClock();
      const wheel = createTimerWheel(clock);
      const startedMs = clock.monotonicMs();
      const ran: number[] = [];
      let early = 0;
      for (const delay of delays) {
        wheel.after(delay, () => {
          ran.push(delay);
          if (clock.monotonicMs() - startedMs < delay) early++;
        });
      }
      while (ran.length < delays.length) {
        clock.advance(1_733);
        const before = ran.length;
        if (delays.filter((delay) => delay + 3 < clock.monotonicMs() - startedMs).length > before) {
          await eventually('due tasks run', () => ran.length > before);
        }
      }
      wheel.stop();
      expect(early).toBe(0);
      expect(ran.toSorted((one, other) => one - other)).toEqual(delays.toSorted((one, other) => one - other));
    }),
    { numRuns: 30 },
  );
});

test('a cancelled task does not run; one that waits longer than a round does', async () => {
  const clock = steppedClock();
  const wheel = createTimerWheel(clock);
  let cancelled = false;
  let later = false;
  wheel.cancel(
    wheel.after(10, () => {
      cancelled = true;
    }),
  );
  wheel.after(9_000, () => {
    later = true;
  });
  clock.advance(8_000);
  let ticked = false;
  wheel.after(1, () => {
    ticked = true;
  });
  clock.advance(5);
  await eventually('the short one runs', () => ticked);
  expect(later).toBe(false);
  clock.advance(60_000);
  await eventually('the long one runs', () => later);
  expect(cancelled).toBe(false);
  wheel.stop();
});
