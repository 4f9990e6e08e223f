// The README says what is true: its tables are held against the code that they describe.

import { expect, test } from 'bun:test';
import { join } from 'node:path';
import { chargeTable, outcomes } from '../../src/domain/ledger/charge-table.ts';
import { serveFlagsHelp } from '../../src/cli/arguments.ts';

const readme = await Bun.file(join(import.meta.dir, '../../README.md')).text();

test.each([...outcomes])('the table of who pays has the row of %s', (outcome) => {
  const { when, pays } = chargeTable[outcome];
  expect(readme).toContain(`| \`${outcome}\` | ${when} | ${pays} |`);
});

test('every flag of serve and its environment twin stand in the README', () => {
  const flags = [...serveFlagsHelp.matchAll(/--([a-z-]+)/g)].map((match) => `\`--${match[1] ?? ''}\``);
  const twins = [...serveFlagsHelp.matchAll(/TOLLGATE_[A-Z_]+/g)].map((match) => `\`${match[0]}\``);
  expect(flags.length).toBeGreaterThan(7);
  expect([...flags, ...twins].filter((name) => !readme.includes(name))).toEqual([]);
});
