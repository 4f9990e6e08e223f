// The tables that the tests of this folder follow row by row: a row without a test would be a gap that nobody sees.

import { expect, test } from 'bun:test';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** How many rows each has. */
const tables = [
  ['1', 7, 'what every client needs'],
  ['2a', 17, 'what each client sends'],
  ['2b', 7, 'Claude Code'],
  ['2c', 4, 'Codex'],
  ['2d', 7, 'what agents do with an error'],
  ['6A', 28, 'hard cases of translation'],
  ['6B', 13, 'usage by the rule of its provider'],
] as const;

const row = String.raw`\d[A-Za-z]?\.\d+`;
/** Rows at the start of a name; `1.7, 2b.1` are two. */
const named = new RegExp(String.raw`['\`](${row}(?:(?:, | and )${row})*) `, 'g');

const tested = new Set(
  readdirSync(import.meta.dir)
    .filter((file) => file.endsWith('.ts') && file !== 'rows.test.ts')
    .flatMap((file) => [...readFileSync(join(import.meta.dir, file), 'utf8').matchAll(named)])
    .flatMap(([, rows]) => rows?.split(/, | and /) ?? []),
);

test.each(tables.map((table) => [...table] as const))(
  'table %s has a test for each of its %d rows: %s',
  (table, count) => {
    const rows = Array.from({ length: count }, (_, index) => `${table}.${index + 1}`);
    expect(rows.filter((each) => !tested.has(each))).toEqual([]);
  },
);

test('no test names a row that is in no table', () => {
  const known = new Map<string, number>(tables.map(([table, count]) => [table, count]));
  const isRow = (each: string): boolean => Number(each.split('.')[1]) <= (known.get(each.split('.')[0] ?? '') ?? 0);
  expect([...tested].filter((each) => !isRow(each))).toEqual([]);
});
