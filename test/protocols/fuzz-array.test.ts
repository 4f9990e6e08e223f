// The splitter of arrays reads what `JSON.parse` reads, hands on every byte once, and stays within its bounds.
// `fuzz-array.ts` runs longer.

import { describe, expect, test } from 'bun:test';
import { ArraySplitter, closesArray } from '../../src/core/array-splitter.ts';
import { bounds } from '../../src/core/bounds.ts';
import { seededChance } from '../support/seeded-chance.ts';
import { fuzzOnce, randomArray } from './fuzz-array.ts';
import { wrongSeeds } from './fuzz-run.ts';

const first = 3_000_000;

test('10,000 random inputs are read as JSON.parse reads them, however they are cut', () => {
  expect(wrongSeeds(fuzzOnce, first, 10_000)).toEqual([]);
});

test('the inputs have whole arrays, and what is none', () => {
  const texts = Array.from({ length: 2_000 }, (_, n) => Buffer.from(randomArray(seededChance(first + n)).bytes));
  const whole = texts.filter((text) => {
    try {
      return JSON.parse(text.toString()).length > 1;
    } catch {
      return false;
    }
  });
  expect(whole.length).toBeGreaterThan(300);
  expect(whole.length).toBeLessThan(1_000);
});

function read(chunks: Iterable<string | Uint8Array>, eventBytes = bounds.eventBytes) {
  let elements = 0;
  let closed = false;
  const splitter = new ArraySplitter(
    { event: (view) => void (closesArray(view) ? (closed = true) : elements++), part: () => {} },
    { eventBytes },
  );
  for (const chunk of chunks) splitter.push(typeof chunk === 'string' ? Buffer.from(chunk) : chunk);
  splitter.end();
  return { elements, closed, broken: splitter.broken, oversized: splitter.oversized };
}

describe('an array is bounded', () => {
  const nested = (depth: number) => `[${'['.repeat(depth)}${']'.repeat(depth)}]`;

  test('in depth', () => {
    expect(read([nested(bounds.requestDepth)])).toMatchObject({ elements: 1, closed: true, broken: false });
    expect(read([nested(bounds.requestDepth + 1)])).toMatchObject({ elements: 0, closed: false, broken: true });
  });

  test('in the size of an element, with the white space before it', () => {
    expect(read(['[', '"1234567"', ']'], 10)).toMatchObject({ elements: 1, closed: true, oversized: false });
    for (const chunks of [['["123456789"]'], [...'["123456789"]'], ['[1', ' '.repeat(20)]])
      expect(read(chunks, 10)).toMatchObject({ closed: false, oversized: true });
  });

  test('in what a byte costs: a large element in small pieces, and a million small ones', () => {
    const begun = performance.now();
    const size = 8 * 1024 * 1024;
    for (const fill of ['A', '\\"', '\\\\', '[', ' ', '1,']) {
      const body = Buffer.alloc(size, fill);
      const text = fill === ' ' || fill === '1,' ? ['[', ']'] : fill === '[' ? ['["', '"]'] : ['[{"a":"', '"}]'];
      const pieces = Array.from({ length: size / 256 }, (_, at) => body.subarray(at * 256, at * 256 + 256));
      expect(read([text[0] ?? '', ...pieces, fill === '1,' ? '1]' : (text[1] ?? '')]).closed).toBe(true);
    }
    // A second on a machine that is busy; work that is not linear takes minutes.
    expect(performance.now() - begun).toBeLessThan(10_000);
  });

  test('a million empty elements are none', () => {
    expect(read([`[${','.repeat(1_000_000)}]`])).toEqual({
      elements: 0,
      closed: false,
      broken: true,
      oversized: false,
    });
  });
});
