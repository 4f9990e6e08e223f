// The text format: whatever the texts, a strict reader reads back what was meant; and the strict reader is strict.

import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { Exposition, labelText } from '../../../src/http/metrics/exposition.ts';
import { families } from '../../../src/http/metrics/families.ts';
import { Histogram } from '../../../src/domain/measures/histogram.ts';
import { readExposition } from './read-exposition.ts';

const hostile = ['a"} 1\nforged{x="', '\\', '\\n', '"', '\n', '\u2028', '}', '{', ',le="+Inf"', '名前', '\u0000', ' '];

test('any label value comes back as it was, and forges nothing', () => {
  const value = fc
    .oneof(fc.constantFrom(...hostile), fc.string({ unit: 'binary' }))
    .filter((text) => !text.includes('\r'));
  fc.assert(
    fc.property(value, value, (one, other) => {
      const page = new Exposition();
      page.family({ name: 'a_total', type: 'counter', help: `help ${one}`.replaceAll('\r', '') });
      page.sample(
        labelText([
          ['x', one],
          ['y', other],
        ]),
        1,
      );
      page.family({ name: 'b_seconds', type: 'histogram', help: 'help' });
      page.histogram(labelText([['x', one]]), { bounds: [1, 2], counts: [1, 0, 4], sum: 0.5 });
      const read = readExposition(page.text());
      expect([...read.keys()]).toEqual(['a_total', 'b_seconds']);
      const labels = read.get('a_total')?.samples[0]?.labels;
      expect([labels?.['x'] ?? '', labels?.['y'] ?? '']).toEqual([one, other]);
      expect(read.get('b_seconds')?.samples.map((sample) => sample.value)).toEqual([1, 1, 5, 0.5, 5]);
    }),
  );
});

test.each([
  ['no line feed at its end', '# HELP a_total b\n# TYPE a_total counter\na_total 1'],
  ['a sample before its family', 'a_total 1\n'],
  ['a sample twice', '# HELP a_total b\n# TYPE a_total counter\na_total{x="1"} 1\na_total{x="1"} 2\n'],
  ['a raw quote', '# HELP a_total b\n# TYPE a_total counter\na_total{x="1"2"} 1\n'],
  ['a wrong escape', '# HELP a_total b\n# TYPE a_total counter\na_total{x="\\t"} 1\n'],
  ['a counter by another name', '# HELP a b\n# TYPE a counter\na 1\n'],
  ['a family in two places', '# HELP a b\n# TYPE a gauge\na 1\n# HELP a b\n# TYPE a gauge\n'],
  ['a torn histogram', '# HELP a b\n# TYPE a histogram\na_bucket{le="1"} 1\na_sum 1\na_count 1\n'],
  [
    'a shrinking histogram',
    '# HELP a b\n# TYPE a histogram\na_bucket{le="1"} 2\na_bucket{le="+Inf"} 1\na_sum 1\na_count 1\n',
  ],
  ['no number', '# HELP a b\n# TYPE a gauge\na one\n'],
])('the reader refuses %s', (_why, page) => {
  expect(() => readExposition(page)).toThrow();
});

test('values are written so that none is lost', () => {
  const page = new Exposition();
  page.family({ name: 'a', type: 'gauge', help: 'b' });
  [1e21, 1.5e-7, Number.MAX_SAFE_INTEGER, Number.NaN, Number.POSITIVE_INFINITY, 0].forEach((value, index) =>
    page.sample(`at="${index}"`, value),
  );
  const values = readExposition(page.text())
    .get('a')
    ?.samples.map(({ value }) => value);
  expect(values).toEqual([1e21, 1.5e-7, Number.MAX_SAFE_INTEGER, Number.NaN, Number.POSITIVE_INFINITY, 0]);
});

test('a value falls into the first bucket whose bound it does not pass', () => {
  const histogram = new Histogram([1, 2, 4]);
  for (const value of [0, 1, 1.01, 2, 4, 4.01, 1e9]) histogram.observe(value);
  expect(Array.from(histogram.counts)).toEqual([2, 2, 1, 2]);
  expect([histogram.count, histogram.sum]).toEqual([7, 0 + 1 + 1.01 + 2 + 4 + 4.01 + 1e9]);
});

test('each family is named and described as its kind asks', () => {
  const all = Object.values(families);
  expect(new Set(all.map(({ name }) => name)).size).toBe(all.length);
  for (const { name, type, help } of all) {
    expect(name).toMatch(/^(tollgate|process)_[a-z_]+$/);
    expect(name.endsWith('_total')).toBe(type === 'counter');
    if (type === 'histogram') expect(name).toMatch(/_seconds$/);
    expect(help.length).toBeGreaterThan(10);
  }
});
