// Counters: exact sums, and bounds that hold whatever names come by.

import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { ExactAmount } from '../../../src/domain/measures/exact-amount.ts';
import { LANES_MAX, Lanes, MODELS_MAX, OTHER, UPSTREAMS_MAX } from '../../../src/domain/measures/lanes.ts';
import { Measures } from '../../../src/domain/measures/measures.ts';
import { Tally } from '../../../src/domain/measures/tally.ts';
import { NANO_MAX } from '../../../src/core/money.ts';
import { sampleClosing } from './sample-closing.ts';

test('a sum of charges is exact to the nano-unit, however many there are', () => {
  const amount = fc.oneof(fc.bigInt(0n, 10n ** 10n), fc.bigInt(0n, NANO_MAX / 1000n));
  fc.assert(
    fc.property(fc.array(amount, { maxLength: 50 }), (amounts) => {
      const sum = new ExactAmount();
      for (const one of amounts) sum.add(one);
      const total = amounts.reduce((before, one) => before + one, 0n);
      const fraction = (total % 1_000_000_000n).toString().padStart(9, '0');
      expect(sum.toString()).toBe(`${total / 1_000_000_000n}.${fraction}`);
    }),
  );
});

function measuresOf(isKnown: (name: string) => boolean = () => true) {
  const time = { ms: 0 };
  const measures = new Measures({ isModel: isKnown, isUpstream: isKnown, monotonicMs: () => time.ms });
  return { measures, time };
}

describe('lanes', () => {
  test('count what a closing says', () => {
    const { measures } = measuresOf();
    measures.settled(
      sampleClosing({ usage: { input: 30, cacheRead: 70, output: 5, reasoning: 2 }, chargeNano: 7n }),
      1_250,
    );
    measures.settled(sampleClosing({ usage: { input: 1 }, chargeNano: 5n, stream: true, firstByteMs: 90 }), 300);
    measures.settled(sampleClosing({ outcome: 'upstream-failed', status: 502, usageSource: 'none', usage: {} }), 10);
    const [lane, ...others] = measures.lanes;
    expect(others).toEqual([]);
    expect([...(lane?.requests() ?? [])]).toEqual([
      { outcome: 'finished', status: '2xx', count: 2 },
      { outcome: 'upstream-failed', status: '5xx', count: 1 },
    ]);
    expect(Array.from(lane?.tokens ?? []).slice(0, 8)).toEqual([31, 70, 0, 0, 0, 0, 5, 2]);
    expect(lane?.charges.get('USD')?.toString()).toBe('0.000000012');
    expect(lane?.inputTokens.sum).toBe(101);
    expect(lane?.outputTokens.sum).toBe(7);
    expect([lane?.duration.count, lane?.firstByte.count, lane?.firstByte.sum]).toEqual([3, 1, 0.09]);
    expect(lane?.duration.sum).toBeCloseTo(1.56);
  });

  test('are found by name, so that another object of the same name goes on with them', () => {
    const { measures } = measuresOf();
    for (const model of ['a', ['a'].join('')]) measures.settled(sampleClosing({ model }), 1);
    expect([...measures.lanes].length).toBe(1);
  });

  test('stay bounded by models, upstreams and pairs, and lose no count', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(600), fc.nat(600)), { minLength: 800, maxLength: 1500 }), (pairs) => {
        const { measures } = measuresOf();
        for (const [model, upstream] of pairs) {
          measures.settled(sampleClosing({ model: `m${model}`, upstream: `u${upstream}` }), 1);
        }
        const lanes = [...measures.lanes];
        const distinct = (pick: (lane: (typeof lanes)[number]) => string) => new Set(lanes.map(pick)).size;
        expect(lanes.length).toBeLessThanOrEqual(LANES_MAX + 3);
        expect(distinct(({ model }) => model)).toBeLessThanOrEqual(MODELS_MAX + 1);
        expect(distinct(({ upstream }) => upstream)).toBeLessThanOrEqual(UPSTREAMS_MAX + 2);
        expect(lanes.reduce((sum, lane) => sum + lane.duration.count, 0)).toBe(pairs.length);
      }),
      { numRuns: 10 },
    );
  });

  test('a hundred thousand names cost no more than the bound, and little time', () => {
    const { measures, time } = measuresOf();
    for (let index = 0; index < 100_000; index += 1) {
      time.ms += 1;
      measures.settled(sampleClosing({ model: `m${index}`, upstream: `u${index}` }), 1);
    }
    expect([...measures.lanes].length).toBeLessThanOrEqual(LANES_MAX + 3);
    expect([...measures.attempts].length).toBeLessThanOrEqual(UPSTREAMS_MAX + 1);
    expect([...measures.lanes].some(({ model }) => model === OTHER)).toBe(true);
  });

  test('make room for models of the catalog where it has lost others', () => {
    const live = new Set<string>();
    const time = { ms: 0 };
    const lanes = new Lanes({ isModel: (name) => live.has(name), isUpstream: () => true, monotonicMs: () => time.ms });
    const of = (model: string) => lanes.of({ ...sampleClosing({}), model }).model;
    for (let index = 0; index < MODELS_MAX; index += 1) expect(of(`old${index}`)).toBe(`old${index}`);
    live.add('new').add('old7').add('later');
    expect(of('new')).toBe('new');
    expect([...lanes].map(({ model }) => model).toSorted()).toEqual(['new', 'old7']);
    for (let index = 0; index < MODELS_MAX - 2; index += 1) of(`gone${index}`);
    // Looking for room is not repeated at every request.
    expect(of('later')).toBe(OTHER);
    time.ms += 60_000;
    expect(of('later')).toBe('later');
  });
});

test('attempts count by fault, and names of faults are bounded', () => {
  const { measures } = measuresOf();
  const attempt = sampleClosing({}).attempts[0];
  if (attempt === undefined) throw new Error('the sample has an attempt');
  for (let index = 0; index < 100; index += 1) measures.attempts.count({ ...attempt, fault: `f${index}` });
  measures.attempts.count({ ...attempt, fault: undefined });
  const [[, counted] = []] = [...measures.attempts];
  expect(counted?.served).toBe(1);
  expect(counted?.faults.size).toBe(33);
  expect(counted?.faults.get(OTHER)).toBe(68);
  expect(counted?.duration.count).toBe(101);
});

test('a tally is bounded and counts the rest together', () => {
  const tally = new Tally();
  for (let index = 0; index < 1_000; index += 1) tally.count(`a${index % 50}`, `b${index % 20}`);
  const all = [...tally];
  expect(all.reduce((sum, [, , count]) => sum + count, 0)).toBe(1_000);
  for (let index = 0; index < 1_000; index += 1) tally.count('x', `y${index}`);
  expect([...tally].length).toBeLessThanOrEqual(201);
  expect([...tally].reduce((sum, [, , count]) => sum + count, 0)).toBe(2_000);
});
