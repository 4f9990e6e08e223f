// The process that takes over, with a predecessor of the test's own: one that hangs or goes leaves nothing behind.

import { afterAll, expect, test } from 'bun:test';
import { succeed } from '../../src/cli/handover/successor.ts';
import { systemClock } from '../../src/core/clock.ts';
import { createLog } from '../../src/core/log.ts';
import { openEmbeddedLedger } from '../../src/domain/ledger/embedded-ledger.ts';
import { MovableLedger } from '../../src/domain/ledger/movable-ledger.ts';
import { scratchFolders } from '../store/scratch.ts';

const scratch = scratchFolders();
const { send } = process;
afterAll(() => {
  if (send !== undefined) process.send = send;
  else delete process.send;
  process.removeAllListeners('message').removeAllListeners('disconnect');
});

async function succeeded() {
  const said: { readonly kind: string; readonly entrancePort?: number }[] = [];
  process.send = (message: (typeof said)[number]) => said.push(message) > 0;
  const lines: string[] = [];
  const begun = succeed('1.0.0', createLog(systemClock, (line) => void lines.push(line), (text) => text));
  process.emit('message', { kind: 'plan', port: 1, secret: 'x'.repeat(64) }, undefined);
  const succession = await begun;
  const folder = scratch();
  const open = () => openEmbeddedLedger({ folder, warn: () => {} });
  const ledger = new MovableLedger(await open(), open);
  succession.serves(ledger, () => new Response('served'));
  const port = said.at(-1)?.entrancePort ?? 0;
  const ask = async () => (await fetch(`http://127.0.0.1:${port}/`, {
    keepalive: false, headers: { 'x-tollgate-relay': 'x'.repeat(64), 'x-tollgate-peer': '192.0.2.1' },
  })).text();
  return { succession, said, lines, ledger, ask };
}

test('a predecessor that does not end is not waited for any longer than its requests may take', async () => {
  const { succession, said, lines, ledger } = await succeeded();
  await succession.predecessorEnds(-2_950);
  expect(said.at(-1)).toEqual({ kind: 'stop' });
  expect(lines.join()).toContain('does not end');
  expect(succession.predecessorHere).toBeTrue();
  process.emit('disconnect');
  expect(succession.predecessorHere).toBeFalse();
  await ledger.shutDown();
});

test('the way in for its requests is closed when it is gone', async () => {
  const { ledger, ask } = await succeeded();
  expect(await ask()).toBe('served');
  process.emit('disconnect');
  await expect(ask()).rejects.toThrow();
  await ledger.shutDown();
});
