// The container file against what it puts in: paths, variables and commands that exist. The image itself is built by
// whoever has a builder.

import { expect, test } from 'bun:test';
import { join } from 'node:path';
import { knownNames } from '../../src/environment.ts';
import { command } from '../support/commands.ts';
import { scratchFolders } from '../store/scratch.ts';

const scratch = scratchFolders();
const project = join(import.meta.dir, '../..');
const text = await Bun.file(join(project, 'docs/Containerfile')).text();
const lines = text.replace(/\\\n\s*/g, '').split('\n').filter((line) => line !== '' && !line.startsWith('#'));
const last = lines.slice(lines.findLastIndex((line) => line.startsWith('FROM ')));
const value = (name: string): string => last.find((line) => line.startsWith(`${name} `))?.slice(name.length + 1) ?? '';
const words = (json: string): readonly string[] => json.slice(json.indexOf('[')).match(/[^"[\], ]+/g) ?? [];

test('runs the file that it copies, as nobody of consequence', () => {
  expect(words(value('ENTRYPOINT'))).toEqual(['/usr/local/bin/tollgate']);
  expect(last.find((line) => line.includes('dist/tollgate'))).toEndWith(' dist/tollgate /usr/local/bin/tollgate');
  expect(value('USER')).toMatch(/^[1-9]\d*:[1-9]\d*$/);
  // A base without a shell can run nothing while it is built.
  expect(last.filter((line) => line.startsWith('RUN '))).toEqual([]);
  expect(value('STOPSIGNAL')).toBe('SIGTERM');
});

test('keeps its data in the volume, and sets only what is read', () => {
  const set = value('ENV').split(' ').map((pair) => pair.split('='));
  expect(set.map(([name]) => name).filter((name) => !knownNames().has(name ?? ''))).toEqual([]);
  expect(Object.fromEntries(set)).toMatchObject({ TOLLGATE_DATA: value('VOLUME'), TOLLGATE_PORT: value('EXPOSE') });
  expect(lines.some((line) => line.startsWith(`COPY --from=folders --chown=${value('USER')} `))).toBeTrue();
});

test('asks for its health by a command that there is', async () => {
  const [program, ...argv] = words(value('HEALTHCHECK'));
  expect([program, argv]).toEqual(['/usr/local/bin/tollgate', ['doctor', '--health']]);
  expect((await command(argv, { TOLLGATE_DATA: scratch() })).exitCode).toBe(1);
});
