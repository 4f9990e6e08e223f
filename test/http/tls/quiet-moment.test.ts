// A port is let go of when nothing is on its way to it, in the kernel or in this process.

import { expect, test } from 'bun:test';
import { portState, quietMoment, stateNow, type PortState } from '../../../src/http/tls/quiet-moment.ts';

const row = (local: string, peer: string, state: string, queue: string) =>
  `   0: ${local} ${peer} ${state} 00000000:${queue} 00:00000000 00000000     0        0 2021706 1 00000000622dd126 100\n`;

test('handshakes, waiting connections and unread bytes count, of this port alone', () => {
  const table = [
    '  sl  local_address rem_address   st tx_queue rx_queue\n',
    row('0100007F:01BB', '00000000:0000', '0A', '00000003'),
    row('0100007F:01BB', '0200007F:8001', '03', '00000000'),
    row('0100007F:01BB', '0200007F:8002', '01', '00000FFF'),
    row('0100007F:01BB', '0200007F:8003', '01', '00000000'),
    row('0100007F:01BC', '00000000:0000', '0A', '00000009'),
    row('0100007F:8002', '0100007F:01BB', '01', '00000009'),
    row('00000000000000000000000001000000:01BB', '00000000000000000000000001000000:8004', '03', '00000000'),
  ].join('');
  expect(portState(table, 443)).toEqual({ underway: 6, peers: new Set(['0200007F:8002', '0200007F:8003']) });
  expect(portState(table, 444).underway).toBe(9);
  expect(portState(table, 80)).toEqual({ underway: 0, peers: new Set() });
});

test('a quiet moment is waited for, and not for ever', async () => {
  let time = 0;
  const clock = { monotonicMs: () => time, wait: async (ms: number) => void (time += ms) };
  const state = (underway: number, ...peers: readonly string[]): PortState => ({ underway, peers: new Set(peers) });
  const old = async () => state(0, 'a', 'b');
  const later = [state(1, 'a'), state(0, 'a', 'young'), state(0, 'b')];
  expect(await quietMoment(443, { ...clock, soon: old, now: () => later.shift() })).toBeTrue();
  expect(time).toBe(3 * 20);
  // A look that takes long is taken seldom.
  const slow = async () => {
    time += 100;
    return state(0);
  };
  const busy = [state(1), state(0)];
  time = 0;
  expect(await quietMoment(443, { ...clock, soon: slow, now: () => busy.shift() })).toBeTrue();
  expect(time).toBe(2 * 120 + 400);
  const never = () => {
    throw new Error('there was no hope');
  };
  time = 0;
  expect(await quietMoment(443, { ...clock, soon: async () => state(1), now: never })).toBeFalse();
  expect(time).toBeWithin(30_000, 30_020);
  time = 0;
  expect(await quietMoment(443, { ...clock, soon: async () => undefined })).toBeFalse();
  expect(time).toBe(1_000);
});

test('this system tells of a connection that nobody accepted', () => {
  if (process.platform !== 'linux') return;
  const server = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data() {} } });
  expect(stateNow(server.port)?.underway).toBe(0);
  // The kernel opens it while this thread waits for the other process, and cannot accept.
  Bun.spawnSync(['bash', '-c', `exec 3<>/dev/tcp/127.0.0.1/${server.port}`]);
  expect(stateNow(server.port)?.underway).toBeGreaterThan(0);
  server.stop(true);
});
