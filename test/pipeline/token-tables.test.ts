// The tables that are read from the file are the library's own, token by token.

import { expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import tables from 'gpt-tokenizer/bpeRanks/o200k_base';
import { readTokenTables } from '../../src/pipeline/token-tables.ts';

const file = new URL('../../node_modules/gpt-tokenizer/data/o200k_base.tiktoken', import.meta.url);

test('the file says what the module of the library says', () => {
  const read = readTokenTables(readFileSync(file, 'latin1'));
  expect(read.length).toBe(tables.length);
  expect(read.findIndex((token, rank) => String(token) !== String(tables[rank]))).toBe(-1);
  expect(read.filter((token) => typeof token !== 'string').length).toBeGreaterThan(0);
});

test('tables of another form are refused', () => {
  expect(() => readTokenTables('nothing')).toThrow('another form');
});
