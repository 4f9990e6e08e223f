// A log file that fills up, is moved away by others, and lies on a disk that takes nothing for a while.

import { expect, test } from 'bun:test';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { openLogFile } from '../../src/core/log-file.ts';
import { scratchFolders } from '../store/scratch.ts';

const scratch = scratchFolders();
const place = () => join(scratch(), 'tollgate.log');
const text = (path: string) => readFileSync(path, 'utf8');

test('lines come in order, and only its owner reads them', async () => {
  const path = place();
  const log = openLogFile({ path, bytesMax: 1_000_000 });
  for (let index = 0; index < 100; index += 1) log.write(`line ${index}\n`);
  await log.flushed();
  expect(text(path).split('\n').slice(0, 100)).toEqual(Array.from({ length: 100 }, (_, index) => `line ${index}`));
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

test('a full file is put aside, and only so many are kept', async () => {
  const path = place();
  const log = openLogFile({ path, bytesMax: 100, kept: 2 });
  for (let index = 0; index < 6; index += 1) {
    log.write(`${index}${'x'.repeat(120)}\n`);
    await log.flushed();
  }
  expect([path, `${path}.1`, `${path}.2`].map((file) => text(file)[0])).toEqual(['5', '4', '3']);
  expect(existsSync(`${path}.3`)).toBeFalse();
});

test('a file that was moved away is begun anew, and nothing is lost', async () => {
  const path = place();
  const log = openLogFile({ path, bytesMax: 1_000_000 });
  log.write('before\n');
  await log.flushed();
  renameSync(path, `${path}-20261128`);
  log.write('after\n');
  await log.flushed();
  expect([text(`${path}-20261128`), text(path)]).toEqual(['before\n', 'after\n']);
});

test('two processes on one log lose no line when one of them puts it aside', async () => {
  const path = place();
  const logs = [openLogFile({ path, bytesMax: 2_000, kept: 50 }), openLogFile({ path, bytesMax: 2_000, kept: 50 })];
  for (let round = 0; round < 40; round += 1) {
    logs.forEach((log, index) => log.write(`${index} ${round} ${'y'.repeat(80)}\n`));
    await Promise.all(logs.map((log) => log.flushed()));
  }
  const folder = join(path, '..');
  const lines = readdirSync(folder).flatMap((name) => text(join(folder, name)).trim().split('\n'));
  expect(new Set(lines.map((line) => line.slice(0, 4))).size).toBe(lines.length);
  expect(lines.length).toBe(80);
});

test('what cannot be written is dropped and counted, and nobody waits', async () => {
  const folder = join(scratch(), 'logs');
  mkdirSync(folder);
  const path = join(folder, 'tollgate.log');
  const log = openLogFile({ path, bytesMax: 1_000_000 });
  rmSync(folder, { recursive: true });
  log.write('lost 1\n');
  log.write('lost 2\n');
  await log.flushed();
  log.write('lost 3\n');
  await log.flushed();
  mkdirSync(folder);
  log.write('kept\n');
  await log.flushed();
  const [said, kept] = text(path).split('\n');
  expect(JSON.parse(said ?? '')).toMatchObject({ event: 'log-lines-dropped', lines: 3 });
  expect(kept).toBe('kept');
});

test('lines that pile up are bounded', async () => {
  const path = place();
  const log = openLogFile({ path, bytesMax: 100_000_000 });
  const line = `${'z'.repeat(1_000_000)}\n`;
  for (let index = 0; index < 10; index += 1) log.write(line);
  await log.flushed();
  const size = statSync(path).size;
  expect([size >= 4 * line.length, size < 4 * line.length + 200]).toEqual([true, true]);
  log.write('next\n');
  await log.flushed();
  expect(text(path)).toContain('"lines":6');
  expect(text(path).endsWith('next\n')).toBeTrue();
});

test('what is left is written at the end', () => {
  const path = place();
  const log = openLogFile({ path, bytesMax: 1_000_000 });
  log.write('last words\n');
  log.end();
  expect(text(path)).toBe('last words\n');
});
