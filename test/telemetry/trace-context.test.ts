// Traces of clients: only one well-formed value counts, and whose sampling decides is what the operator said.

import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { systemRandomBytes } from '../../src/core/secrets.ts';
import { createIds, createSampler, parseTraceparent, wordOf } from '../../src/telemetry/trace-context.ts';

const traceId = '0af7651916cd43dd8448eb211c80319c';
const spanId = 'b7ad6b7169203331';

test('a well-formed parent is taken, of this version and of later ones', () => {
  const parent = { traceId, spanId, sampled: true };
  expect(parseTraceparent(`00-${traceId}-${spanId}-01`)).toEqual(parent);
  expect(parseTraceparent(`00-${traceId}-${spanId}-00`)).toEqual({ ...parent, sampled: false });
  expect(parseTraceparent(`00-${traceId}-${spanId}-ff`)).toEqual(parent);
  expect(parseTraceparent(`cc-${traceId}-${spanId}-01-what-the-future-brings`)).toEqual(parent);
});

test.each([
  ['nothing', null],
  ['an empty text', ''],
  ['version ff', `ff-${traceId}-${spanId}-01`],
  ['capitals', `00-${traceId.toUpperCase()}-${spanId}-01`],
  ['no trace', `00-${'0'.repeat(32)}-${spanId}-01`],
  ['no span', `00-${traceId}-${'0'.repeat(16)}-01`],
  ['more than version 00 has', `00-${traceId}-${spanId}-01-x`],
  ['two of them', `00-${traceId}-${spanId}-01, 00-${traceId}-${spanId}-01`],
  ['a short trace', `00-${traceId.slice(1)}-${spanId}-01`],
  ['blanks', ` 00-${traceId}-${spanId}-01`],
  ['a line feed', `00-${traceId}-${spanId}-01\n`],
  ['a long tail', `cc-${traceId}-${spanId}-01-${'x'.repeat(300)}`],
])('%s is no parent', (_what, text) => {
  expect(parseTraceparent(text)).toBeUndefined();
});

test('no text at all makes it throw or invent', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 400 }), (text) => {
      expect(parseTraceparent(text)).toBeUndefined();
    }),
  );
});

describe('samplers', () => {
  const parent = (sampled: boolean) => ({ traceId, spanId, sampled });
  test('follow the parent only where they are told to', () => {
    const cases = [
      ['always_on', true, true, true],
      ['always_off', false, false, false],
      ['parentbased_always_on', true, true, false],
      ['parentbased_always_off', false, true, false],
    ] as const;
    for (const [name, alone, withSampled, withOther] of cases) {
      const sample = createSampler(name, 1);
      const word = wordOf(traceId);
      expect([sample(word, undefined), sample(word, parent(true)), sample(word, parent(false))]).toEqual([
        alone,
        withSampled,
        withOther,
      ]);
    }
  });

  test('a ratio keeps that share, and the same traces wherever it is asked', () => {
    const ids = createIds(systemRandomBytes);
    const traces = Array.from({ length: 20_000 }, () => wordOf(ids.trace()));
    for (const ratio of [0, 0.1, 0.5, 1]) {
      const [one, other] = [createSampler('traceidratio', ratio), createSampler('parentbased_traceidratio', ratio)];
      const kept = traces.filter((word) => one(word, undefined));
      expect(Math.abs(kept.length / traces.length - ratio)).toBeLessThan(0.02);
      expect(traces.filter((word) => other(word, undefined))).toEqual(kept);
    }
  });
});

test('ids are of the right form, distinct, and never all zeros', () => {
  const ids = createIds(systemRandomBytes);
  const spans = Array.from({ length: 5_000 }, () => ids.span());
  expect(new Set(spans).size).toBe(spans.length);
  for (const id of spans) expect(id).toMatch(/^[0-9a-f]{16}$/);
  expect(ids.trace()).toMatch(/^[0-9a-f]{32}$/);
  let rounds = 0;
  const mostlyZeros = createIds((length) => new Uint8Array(length).fill((rounds += 1) > 1 ? 0xab : 0));
  expect(mostlyZeros.span()).toBe('ab'.repeat(8));
});
