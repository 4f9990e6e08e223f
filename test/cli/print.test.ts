// Lines of a start go past the stream of standard error: in order all the same, and who does not read stops nobody.

import { afterAll, expect, test } from 'bun:test';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { quickWriter } from '../../src/cli/print.ts';

const folder = mkdtempSync(join(tmpdir(), 'tollgate-print-'));
afterAll(() => rmSync(folder, { recursive: true }));

const BOUND_MS = 10_000;
/** More than a pipe holds. */
const LINES = 3_000;

test('what comes first is written at once, without a stream', () => {
  const path = join(folder, 'quick');
  const file = openSync(path, 'w');
  const streamed: string[] = [];
  const stream = { write: (text: string | Uint8Array) => void streamed.push(Buffer.from(text).toString()) };
  const write = quickWriter(file, () => stream, 10);
  write('four');
  write('\nfive');
  expect([readFileSync(path, 'utf8'), streamed]).toEqual(['four\nfive', []]);
  write('six');
  // Short enough again, but behind what may still wait in the stream.
  write('7');
  closeSync(file);
  expect([readFileSync(path, 'utf8'), streamed]).toEqual(['four\nfive', ['six', '7']]);
});

test('a file that takes nothing leaves it to the stream', () => {
  const streamed: string[] = [];
  const stream = { write: (text: string | Uint8Array) => void streamed.push(Buffer.from(text).toString()) };
  const path = join(folder, 'read-only');
  closeSync(openSync(path, 'w'));
  const file = openSync(path, 'r');
  quickWriter(file, () => stream, 100)('unwritten');
  closeSync(file);
  expect(streamed).toEqual(['unwritten']);
});

test('a process goes on whose standard error nobody reads, and loses no line', async () => {
  const path = join(folder, 'pipe');
  expect(Bun.spawnSync(['mkfifo', path]).exitCode).toBe(0);
  // Open at both ends, so that it is a pipe with a reader who does not read.
  const pipe = openSync(path, 'r+');
  const program = `const { printError } = await import(${JSON.stringify(join(import.meta.dir, '../../src/cli/print.ts'))});
    for (let line = 0; line < ${LINES}; line++) printError('line ' + line + ' '.repeat(90) + '\\n');
    process.stdout.write('went on');`;
  const child = Bun.spawn([process.execPath, '-e', program], { stdin: 'ignore', stdout: 'pipe', stderr: pipe });
  const reading = child.stdout.getReader();
  try {
    const said = await Promise.race([reading.read(), Bun.sleep(BOUND_MS).then(() => undefined)]);
    expect(Buffer.from(said?.value ?? []).toString()).toBe('went on');
    const head = Bun.spawn(['head', '-n', String(LINES), path], { stdout: 'pipe', timeout: BOUND_MS });
    const lines = (await head.stdout.text()).split('\n').slice(0, -1);
    expect(lines.map((line) => Number(line.split(' ')[1]))).toEqual(Array.from({ length: LINES }, (_, line) => line));
  } finally {
    child.kill();
    closeSync(pipe);
  }
});
