// The last line of `npm test` and its exit code cannot disagree: whatever goes wrong counts as a failure.

import { expect, test } from 'bun:test';
import { readSkipped, readTotals } from './run.ts';

const output = (...lines: readonly string[]): string =>
  `(pass) a\n\n${lines.join('\n')}\nRan 3 tests across 1 file. [5.00ms]\n`;

test('totals are those at the end', () => {
  expect(readTotals(output(' 3 pass', ' 0 fail'), 0)).toEqual({ passed: 3, failed: 0, skipped: 0 });
  expect(readTotals(output(' 1 pass', ' 2 skip', ' 1 todo', ' 4 fail'), 1)).toEqual({
    passed: 1,
    failed: 4,
    skipped: 3,
  });
  expect(readTotals(` 9 pass\n 9 fail\n${output(' 3 pass', ' 0 fail')}`, 0)).toEqual({
    passed: 3,
    failed: 0,
    skipped: 0,
  });
});

test('a crash, an error outside a test and an empty run are failures', () => {
  expect(readTotals('Segmentation fault\n', 139).failed).toBe(1);
  expect(readTotals(output(' 3 pass', ' 0 fail'), 1).failed).toBe(1);
  expect(readTotals(output(' 3 pass', ' 0 fail', ' 2 errors'), 1).failed).toBe(2);
  expect(readTotals(output(' 0 pass', ' 0 fail'), 0).failed).toBe(1);
  expect(readTotals(output(' 0 pass', ' 5 skip', ' 0 fail'), 0).failed).toBe(1);
});

test('skipped tests are told by name, each once; those that ran, and nameless ones, are not', () => {
  const testcase = (name: string, inner: string) =>
    `<testcase name="${name}" classname="" time="0" file="test/a.test.ts" line="3" assertions="0">\n  ${inner}\n</testcase>`;
  const skipped = testcase('needs recordings', '<skipped />');
  const report = [
    '<testcase name="ran" classname="" time="0" file="test/a.test.ts" line="1" assertions="2" />',
    skipped,
    testcase('(unnamed)', '<skipped />'),
    skipped,
    testcase('failed', '<failure type="AssertionError" />'),
  ].join('\n');
  expect(readSkipped(report)).toEqual(['test/a.test.ts: needs recordings']);
});
