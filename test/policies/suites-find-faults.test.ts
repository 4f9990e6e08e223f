// The conformance suites can fail: every plugin of broken-plugins.ts breaks one rule, and each must be found
// out.

import { expect, test } from 'bun:test';
import { join } from 'node:path';

const fixture = join(import.meta.dir, 'broken-plugins.ts');

test('each broken plugin fails at least one test of its suite, and nothing of the entry', async () => {
  const source = await Bun.file(fixture).text();
  const names = [...source.matchAll(/^(?:strategy|rule|policy)\('([a-z-]+)'/gm)].map(
    (match) => match[1] ?? '',
  );
  expect(names.length).toBeGreaterThan(15);
  const child = Bun.spawn([process.execPath, 'test', fixture], { stdout: 'pipe', stderr: 'pipe' });
  const [output, errors] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  expect(await child.exited).not.toBe(0);
  const failed = [
    ...`${output}\n${errors}`.matchAll(
      /^\(fail\) (?:routing strategy|billing rule|policy) ([a-z-]+) > (.*)$/gm,
    ),
  ];
  const found = new Set(failed.map((match) => match[1]));
  expect(names.filter((name) => !found.has(name))).toEqual([]);
  expect(failed.filter((match) => match[2]?.startsWith('entry > '))).toEqual([]);
}, 30_000);
