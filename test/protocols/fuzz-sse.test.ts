// The splitter of server-sent events reads random bytes as the standard does, and loses none.
// `fuzz-sse.ts` runs longer.

import { expect, test } from 'bun:test';
import { referenceEvents } from '../support/event-stream-reference.ts';
import { fuzzOnce, randomStream } from './fuzz-sse.ts';
import { wrongSeeds } from './fuzz-run.ts';
import { seededChance } from '../support/seeded-chance.ts';

const first = 2_000_000;

test('20,000 random inputs are read as the standard says, however they are cut', () => {
  expect(wrongSeeds(fuzzOnce, first, 20_000)).toEqual([]);
});

test('the inputs have what is hard about such streams', () => {
  const texts = Array.from({ length: 2_000 }, (_, n) => randomStream(seededChance(first + n)));
  const events = texts.flatMap(referenceEvents);
  expect(events.length).toBeGreaterThan(1_000);
  expect(events.filter(({ data }) => data.includes('\n')).length).toBeGreaterThan(100);
  expect(events.filter(({ name }) => name !== '').length).toBeGreaterThan(100);
  expect(events.filter(({ start, end }) => end - start > 300).length).toBeGreaterThan(5);
  expect(texts.some((bytes) => referenceEvents(bytes).length > 3)).toBe(true);
});
