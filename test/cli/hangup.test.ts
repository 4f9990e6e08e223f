// What a reload has to complain of goes to the log of the gateway, with its secrets cut out: not to a log of its own.

import { afterEach, beforeEach, expect, test } from 'bun:test';
import { listenForHangup } from '../../src/cli/hangup.ts';
import { createLog } from '../../src/core/log.ts';
import { createRedactor } from '../../src/core/secrets.ts';
import { until } from '../http/tls/acme-stage.ts';

// Others of the same process would end it at a signal that was never sent.
const others = new Set<ReturnType<typeof process.listeners<'SIGHUP'>>[number]>();
beforeEach(() => {
  for (const listener of process.listeners('SIGHUP')) others.add(listener);
  process.removeAllListeners('SIGHUP');
});
afterEach(() => {
  process.removeAllListeners('SIGHUP');
  for (const listener of others) process.on('SIGHUP', listener);
});

test('why something was not reloaded is said where all else is said, without secrets', async () => {
  const clock = { now: () => 0, monotonicMs: () => 0 };
  const early: string[] = [];
  const lines: string[] = [];
  const redactor = createRedactor();
  redactor.register('canary-of-a-vendor');
  const hangup = listenForHangup(
    createLog(
      clock,
      (line) => void early.push(line),
      (text) => text,
    ),
  );
  const log = createLog(clock, (line) => void lines.push(line), redactor.redact);
  process.emit('SIGHUP');
  expect(early.join('')).toContain('ignored: the process is starting');
  hangup.serving([{ name: 'config', reload: () => Promise.reject(new Error('not canary-of-a-vendor')) }], log);
  process.emit('SIGHUP');
  await until(() => lines.length === 1, 'the complaint');
  expect(lines[0]).toContain('config was not reloaded');
  hangup.ending();
  process.emit('SIGHUP');
  expect(lines[1]).toContain('ignored: the process is ending');
  expect([early.length, [...early, ...lines].join('').includes('canary')]).toEqual([1, false]);
});
