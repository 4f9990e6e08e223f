// The server's own manners: kept connections, counters, clients that leave, readers that stall, replies that
// wait.

import { afterAll, expect, setDefaultTimeout, test } from 'bun:test';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SimulatorRequest } from '../../src/simulator/server.ts';
import { startSimulator } from '../../src/simulator/server.ts';
import { ask, dechunk, eventually, exchange, isWhole, requestText } from './raw-client.ts';

/** A deadline for a machine that is busy with other things; every wait inside has its own. */
setDefaultTimeout(60_000);

const observed: SimulatorRequest[] = [];
const recordings = process.env.TOLLGATE_RECORDINGS ?? join(import.meta.dir, '../../../shared/recordings');
const simulator = startSimulator({
  faults: true,
  recordings,
  observe: (request) => void observed.push(request),
});
afterAll(() => {
  expect(simulator.counters().defects).toBe(0);
  simulator.close();
});
const { port } = simulator;

function chat(content: string, extra: object = {}): string {
  return requestText('/v1/chat/completions', {
    model: 'sim/fast',
    messages: [{ role: 'user', content }],
    ...extra,
  });
}

test('requests in one packet are answered in order on one connection', async () => {
  const open = exchange(
    port,
    chat('one') + chat('two', { stream: true }) + chat('three') + 'GET /healthz HTTP/1.1\r\n\r\n',
  );
  const reply = await open.until((raw) => raw.includes('"requests"'));
  open.socket.destroy();
  const text = reply.raw.toString();
  const places = ['"one"', '"two"', '"three"', '"requests"'].map((each) => text.indexOf(each));
  expect(places.every((place) => place > 0)).toBe(true);
  expect(places).toEqual(places.toSorted((one, other) => one - other));
});

test('connection: close and HTTP/1.0 are closed after the reply', async () => {
  const close = requestText('/v1/chat/completions', { model: 'sim/fast', messages: [{ role: 'user', content: 'x' }] }, [
    'connection: close',
  ]);
  for (const request of [close, 'GET /healthz HTTP/1.0\r\n\r\n']) {
    const reply = await exchange(port, request).until(() => false);
    expect([reply.status, reply.ending]).toEqual([200, 'fin']);
  }
});

test('malformed requests are refused and the connection closed', async () => {
  for (const request of [
    'nonsense\r\n\r\n',
    'POST / HTTP/1.1\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n',
  ]) {
    const reply = await exchange(port, request).until(() => false);
    expect([reply.status, reply.ending]).toEqual([400, 'fin']);
  }
});

test.each([
  ['{"model":', 400],
  ['[]', 400],
  ['{"model":7}', 400],
  ['{"model":"sim/fast"}', 400],
  [`{"model":"sim/fast","x":${'['.repeat(100_000)}}`, 400],
])('the body %# is refused', async (body, status) => {
  expect((await ask(port, requestText('/v1/chat/completions', body))).status).toBe(status);
});

test('unknown paths and methods', async () => {
  expect((await ask(port, 'GET /v1/none HTTP/1.1\r\n\r\n')).status).toBe(404);
  expect((await ask(port, 'GET /v1/embeddings HTTP/1.1\r\n\r\n')).status).toBe(405);
  expect((await ask(port, 'GET /v1/models/%zz HTTP/1.1\r\n\r\n')).status).toBe(400);
  expect((await ask(port, 'HEAD /healthz HTTP/1.1\r\n\r\n')).status).toBe(200);
});

test('tells observers what came, to the byte', async () => {
  observed.length = 0;
  const body = '{"model":"sim/embed", "input":"é"}';
  await ask(port, requestText('/v1/embeddings?x=1', body, ['Authorization: Bearer k']));
  expect(observed[0]).toMatchObject({ method: 'POST', target: '/v1/embeddings?x=1' });
  expect(observed[0]?.headers).toContainEqual(['authorization', 'Bearer k']);
  expect(Buffer.from(observed[0]?.body ?? []).toString()).toBe(body);
});

test('a client that leaves is counted as aborted, at once and once', async () => {
  const before = simulator.counters();
  const leaving = [true, false].map((reset) => {
    const open = exchange(port, chat('[[sim: chunks=100000 gap=20]]', { stream: true }));
    return { open, reset };
  });
  for (const { open, reset } of leaving) {
    await open.until((raw) => raw.includes('tok1'));
    if (reset) open.socket.resetAndDestroy();
    else open.socket.destroy();
  }
  await eventually('both are counted', () => simulator.counters().aborted === before.aborted + 2);
  expect(simulator.counters()).toMatchObject({ open: before.open, streams: before.streams + 2 });
});

test('a reply that is waited for can be left too', async () => {
  const before = simulator.counters();
  const open = exchange(port, chat('[[sim: delay=3600000]]'));
  await eventually('the request arrived', () => simulator.counters().open === before.open + 1);
  open.socket.destroy();
  await eventually('it is counted', () => simulator.counters().aborted === before.aborted + 1);
});

test('a reader that stalls is waited for, then gets everything', async () => {
  const pieces = 4_000;
  const open = exchange(port, '');
  await new Promise<void>((resolve) => open.socket.once('connect', () => resolve()));
  open.socket.pause();
  open.socket.write(chat(`[[sim: chunks=${pieces} size=8192]]`, { stream: true }));
  await eventually('the stream runs', () => simulator.counters().open > 0);
  const rss = process.memoryUsage().rss;
  // Other clients are served meanwhile; after these the stalled one has long filled its buffers.
  for (let at = 0; at < 300; at++) await ask(port, chat('x'));
  expect(process.memoryUsage().rss - rss).toBeLessThan(64 * 1024 * 1024);
  expect(open.received().length).toBeLessThan(pieces * 8_192);
  open.socket.resume();
  const reply = await open.until((raw) => raw.subarray(-64).includes('[DONE]'));
  open.socket.destroy();
  const text = dechunk(reply.rest).body.toString();
  expect(text.match(/"content":" tok\d+[. ]/g)).toHaveLength(pieces);
});

test('thousands of streams at once, each piece once and in order', async () => {
  const streams = 1_000;
  const replies = await Promise.all(
    Array.from({ length: streams }, async (_, index) => {
      const open = exchange(port, chat(`[[sim: chunks=5 gap=20]] ${index}`, { stream: true }));
      const reply = await open.until(isWhole);
      open.socket.destroy();
      return reply;
    }),
  );
  for (const reply of replies) {
    expect(
      [
        ...dechunk(reply.rest)
          .body.toString()
          .matchAll(/tok(\d+)/g),
      ].map(([, number]) => number),
    ).toEqual(['0', '1', '2', '3', '4']);
  }
}, 30_000);

test('waits follow the clock that is handed in', async () => {
  let nowMs = 0;
  const slow = startSimulator({ clock: { now: () => 0, monotonicMs: () => nowMs } });
  const open = exchange(slow.port, chat('[[sim: delay=1000 first=2000 gap=500 chunks=2]]', { stream: true }));
  const grew = async (from: number) => {
    await eventually('more came', () => open.received().length > from);
    return open.received().length;
  };
  await eventually('the request arrived', () => slow.counters().open === 1);
  expect(open.received().length).toBe(0);
  nowMs = 1_010;
  const headed = await grew(0);
  expect(open.received().toString()).not.toContain('data:');
  nowMs += 2_010;
  await grew(headed);
  expect(open.received().toString()).not.toContain('tok');
  nowMs += 510;
  await eventually('the first piece', () => open.received().includes('tok0'));
  expect(open.received().includes('tok1')).toBe(false);
  for (let at = 0; at < 3; at++) {
    const from = open.received().length;
    nowMs += 510;
    await grew(from);
  }
  expect(open.received().includes('[DONE]')).toBe(true);
  open.socket.destroy();
  slow.close();
});

test('close resets every connection and frees the port', async () => {
  const other = startSimulator();
  const open = exchange(other.port, chat('[[sim: delay=60000]]'));
  await eventually('the request arrived', () => other.counters().open === 1);
  other.close();
  expect((await open.until(() => false)).ending).toBe('reset');
  const again = startSimulator({ port: other.port });
  expect(again.port).toBe(other.port);
  again.close();
});

// --- replays

interface Recorded {
  readonly id: string;
  readonly response: string;
  readonly status: number;
}

const recorded: readonly Recorded[] = !existsSync(recordings)
  ? []
  : readFileSync(join(recordings, 'index.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Recorded)
      .filter(({ response }) => /\.(json|sse)$/.test(response));

// Skipped without the recordings folder.
test.skipIf(recorded.length === 0)(
  'replays every recording to the byte (skipped without the recordings folder)',
  async () => {
    for (const { id, response, status } of recorded) {
      const request = requestText('/v1/chat/completions', {
        model: `sim/replay/${id}`,
        stream: response.endsWith('.sse'),
      });
      const reply = await ask(port, request);
      const body = dechunk(reply.rest);
      expect([id, reply.status, body.whole]).toEqual([id, status, true]);
      expect(body.body.equals(readFileSync(join(recordings, response)))).toBe(true);
    }
  },
  60_000,
);

test.skipIf(recorded.length === 0)('cuts by the seed (skipped without the recordings folder)', async () => {
  const large = recorded.find(({ response }) => readFileSync(join(recordings, response)).length > 5_000)?.id ?? '';
  const cuts = async (seed: number) => {
    const reply = await ask(
      port,
      requestText('/v1/chat/completions', { model: `sim/replay/${large}[[sim: seed=${seed}]]` }),
    );
    return dechunk(reply.rest).chunks.map((chunk) => chunk.length);
  };
  expect(await cuts(7)).toEqual(await cuts(7));
  expect(await cuts(7)).not.toEqual(await cuts(8));
});

test.each([['../index'], ['none'], ['__proto__'], ['']])('the recording %p does not exist', async (id) => {
  if (recorded.length === 0) return expect(recorded).toEqual([]);
  expect((await ask(port, requestText('/v1/chat/completions', { model: `sim/replay/${id}` }))).status).toBe(404);
});
