// The page about executables of one's own says what is true: its flags are those of the command, its example compiles.

import { expect, test } from 'bun:test';
import { join } from 'node:path';
import { buildFlagsHelp } from '../../src/cli/build/flags-help.ts';
import { targetOf } from '../../src/cli/build/targets.ts';

const page = await Bun.file(join(import.meta.dir, '../../docs/own-executable.md')).text();
const plugins = await Bun.file(join(import.meta.dir, '../cli/own-plugins.ts')).text();

test('every flag of build stands in it, and every target that it names is one', () => {
  const flags = [...buildFlagsHelp.matchAll(/^ +(--[a-z-]+)/gm)].map((match) => match[1] ?? '');
  expect(flags.length).toBeGreaterThan(3);
  expect(flags.filter((flag) => !page.includes(`| \`${flag}`))).toEqual([]);
  const row = /`--target SYSTEM`(?<targets>.*)/.exec(page)?.groups?.['targets'] ?? '';
  const named = [...row.matchAll(/`([a-z]+-[a-z0-9]+)`/g)].map((match) => match[1] ?? '');
  expect(named.map(targetOf)).toHaveLength(6);
});

test('its plugin is the one that the tests compile in', () => {
  const [, example = 'none'] = /```ts\n([\s\S]*?)```/.exec(page) ?? [];
  expect(plugins).toContain(example);
});
