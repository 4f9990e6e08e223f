// What two versions may say to each other: what one of them does not know is passed over, never half understood.

import { expect, test } from 'bun:test';
import {
  chownSync, readdirSync, readFileSync, statSync, symlinkSync, utimesSync, writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { readFromPredecessor, readFromSuccessor } from '../../src/cli/handover/messages.ts';
import {
  readResult, takeRequest, withdrawRequest, writeRequest, writeResult,
} from '../../src/cli/handover/request-file.ts';
import { scratchFolders } from '../store/scratch.ts';

const scratch = scratchFolders();
const request = 'req_01a2244359b176999e27b1b3cbeded48';

test.each([
  { kind: 'plan', port: 8787, secret: 'x' },
  { kind: 'yours', adopted: [request] },
  { kind: 'close', call: 1, record: '{}' },
  { kind: 'extend', call: 2, requestId: request, byNano: '5' },
  { kind: 'port-free' },
])('the predecessor says %o', (message) => {
  expect(readFromPredecessor({ ...message, more: 'of a later version' })).toMatchObject(message);
});

test.each([
  { kind: 'hello', protocol: 1, version: '1.0.0' },
  { kind: 'ready' },
  { kind: 'serving', entrancePort: 1 },
  { kind: 'failed', message: 'x' },
  { kind: 'closed', call: 1, lossNano: null },
  { kind: 'closed', call: 1, lossNano: '7' },
  { kind: 'extended', call: 1, carried: false },
  { kind: 'refused', call: 1, message: 'x' },
  { kind: 'stop' },
])('the successor says %o', (message) => {
  expect(readFromSuccessor({ ...message, more: 'of a later version' })).toMatchObject(message);
});

test('anything else is passed over', () => {
  const strange = [
    undefined, null, 'ready', 7, [], {}, { kind: 'later' }, { kind: 'hello', protocol: '1', version: '1' },
    { kind: 'serving', entrancePort: 1.5 }, { kind: 'closed', call: 1, lossNano: '-7' },
    { kind: 'closed', lossNano: null }, { kind: 'yours', adopted: ['acc_1'] }, { kind: 'yours', adopted: 'all' },
    { kind: 'extend', call: 1, requestId: 'x', byNano: '1' }, { kind: 'close', call: 'x', record: '' },
  ];
  expect(strange.map(readFromSuccessor)).toEqual(strange.map(() => undefined));
  expect(strange.map(readFromPredecessor)).toEqual(strange.map(() => undefined));
});

test('a request is taken once, and a result is of one request', () => {
  const folder = scratch();
  expect(takeRequest(folder)).toBeUndefined();
  writeRequest(folder, { id: 'a', executable: '/x' });
  expect(takeRequest(folder)).toEqual({ id: 'a', executable: '/x' });
  expect(takeRequest(folder)).toBeUndefined();
  writeResult(folder, { id: 'a', ok: true, pid: 7, version: '1', pauseMs: 3 });
  expect([readResult(folder, 'a'), readResult(folder, 'b')]).toEqual([
    { id: 'a', ok: true, pid: 7, version: '1', pauseMs: 3 }, undefined,
  ]);
  writeResult(folder, { id: 'b', ok: false, message: 'why' });
  expect(readResult(folder, 'b')).toEqual({ id: 'b', ok: false, message: 'why' });
  writeFileSync(join(folder, 'upgrade-result.json'), '{"id":');
  expect(readResult(folder, 'b')).toBeUndefined();
});

test('nothing is written through what stands in the way, and what nobody took is withdrawn', () => {
  const folder = scratch();
  const victim = join(scratch(), 'of somebody else');
  writeFileSync(victim, 'untouched');
  symlinkSync(victim, join(folder, `upgrade-request.json.new-${process.pid}`));
  writeRequest(folder, { id: 'a', executable: '/x' });
  expect(readFileSync(victim, 'utf8')).toBe('untouched');
  expect(statSync(join(folder, 'upgrade-request.json')).mode & 0o777).toBe(0o600);
  withdrawRequest(folder, 'b');
  expect(takeRequest(folder)).toEqual({ id: 'a', executable: '/x' });
  writeRequest(folder, { id: 'c', executable: '/x' });
  withdrawRequest(folder, 'c');
  expect(takeRequest(folder)).toBeUndefined();
});

test('of two requests at one moment the second is refused; one that was given up stands in nobody\'s way', () => {
  const folder = scratch();
  writeRequest(folder, { id: 'a', executable: '/x' });
  expect(() => writeRequest(folder, { id: 'b', executable: '/x' })).toThrow('another upgrade was asked for');
  expect(readdirSync(folder)).toEqual(['upgrade-request.json']);
  const longAgo = new Date(Date.now() - 60_000);
  utimesSync(join(folder, 'upgrade-request.json'), longAgo, longAgo);
  writeRequest(folder, { id: 'c', executable: '/x' });
  expect(takeRequest(folder)).toEqual({ id: 'c', executable: '/x' });
});

// Only root may give a file away.
test.skipIf(process.getuid?.() !== 0)('what root asks for is readable where it serves (skipped without root)', () => {
  const folder = scratch();
  chownSync(folder, 65_534, 65_534);
  writeRequest(folder, { id: 'a', executable: '/x' });
  expect(statSync(join(folder, 'upgrade-request.json')).uid).toBe(65_534);
});
