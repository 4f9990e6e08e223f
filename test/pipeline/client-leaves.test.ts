// A client may leave at any point, politely or not. The upstream is let go at once, the request is settled once, and
// what is charged is what the table says of a client that left.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { field, textField } from '../support/gateway.ts';
import {
  chatBody,
  eventually,
  leavingClient,
  nanoOf,
  newestRecord,
  openHolds,
  piecesIn,
  startStage,
  type Stage,
} from './stage.ts';
import { exchange, type Exchange } from '../simulator/raw-client.ts';

setDefaultTimeout(60_000);

/** An upstream that is not let go within this has been forgotten; the bar itself is held by the bench. */
const PROMPT_MS = 1_000;

let stage: Stage;
let records = 0;
beforeAll(async () => {
  stage = await startStage();
});
afterAll(() => stage.stop());

const ways = {
  FIN: (client: Exchange) => void client.socket.destroy(),
  RST: (client: Exchange) => void client.socket.resetAndDestroy(),
} as const;

interface Point {
  readonly name: string;
  readonly stream: boolean;
  readonly text: string;
  /** Resolves at the moment of leaving. */
  readonly seen: (client: Exchange, openBefore: number) => Promise<unknown>;
  readonly output: number;
}

const upstreamIsAsked = (_client: Exchange, requestsBefore: number) =>
  eventually('a request upstream', () => stage.simulator.counters().requests > requestsBefore);
const pieces = (count: number) => (client: Exchange) => client.until((raw) => piecesIn(raw) >= count);

const points: readonly Point[] = [
  { name: 'before the head', stream: true, text: '[[sim: delay=8000]] x', seen: upstreamIsAsked, output: 0 },
  { name: 'after the head', stream: true, text: '[[sim: first=8000]] x', seen: upstreamIsAsked, output: 0 },
  { name: 'after the first token', stream: true, text: '[[sim: chunks=9 gap=2000]] x', seen: pieces(1), output: 1 },
  { name: 'before the terminal event', stream: true, text: '[[sim: chunks=3 gap=700]] x', seen: pieces(3), output: 3 },
  { name: 'before a whole reply', stream: false, text: '[[sim: delay=8000]] x', seen: upstreamIsAsked, output: 0 },
];

const cases = points.flatMap((point) =>
  Object.entries(ways).map(([way, leave]) => [`${point.name}, ${way}`, point, leave] as const),
);

describe('a client that leaves', () => {
  test.each(cases)('%s', async (_name, { stream, text, seen, output }, leave) => {
    const before = stage.simulator.counters();
    const client = leavingClient(stage.gateway, chatBody(text, stream ? { stream } : {}));
    await seen(client, before.requests);
    const leftMs = performance.now();
    leave(client);
    await eventually('the upstream is let go', () => stage.simulator.counters().aborted > before.aborted);
    expect(performance.now() - leftMs).toBeLessThan(PROMPT_MS);
    const record = await newestRecord(stage.gateway, ++records);
    expect(record).toMatchObject({
      outcome: 'client-left',
      usageSource: 'estimated',
      flags: ['usage-missing'],
      upstream: 'simulator',
    });
    expect(field(record, 'usage', 'output') ?? 0).toBe(output);
    const input = Number(field(record, 'usage', 'input'));
    expect(input).toBeGreaterThan(0);
    expect(record['chargeNano']).toBe(nanoOf(input, output));
    expect(openHolds(stage.gateway)).toBe(0);
  });

  test.each(Object.entries(ways))('after the terminal event, %s: as if it had stayed', async (_way, leave) => {
    const before = stage.simulator.counters();
    const client = leavingClient(stage.gateway, chatBody('one two three', { stream: true }));
    await client.until((raw) => raw.includes('[DONE]'));
    leave(client);
    const record = await newestRecord(stage.gateway, ++records);
    expect(record).toMatchObject({
      outcome: 'finished',
      usageSource: 'upstream',
      usage: { input: 4, output: 3 },
      chargeNano: nanoOf(4, 3),
    });
    expect(stage.simulator.counters().aborted).toBe(before.aborted);
    expect(openHolds(stage.gateway)).toBe(0);
  });

  test('an upstream whose events hold many tokens each: by their text', async () => {
    const across = await startStage({ protocol: 'gemini-generate' });
    try {
      const client = leavingClient(across.gateway, chatBody('[[sim: chunks=9 size=400 gap=2000]] x', { stream: true }));
      await client.until((raw) => piecesIn(raw) >= 1);
      ways.FIN(client);
      const record = await newestRecord(across.gateway, 1);
      expect(record).toMatchObject({ outcome: 'client-left', usageSource: 'estimated', usage: { output: 100 } });
    } finally {
      await across.stop();
    }
  });

  test('while its body is on the way: nothing is held, nothing is asked', async () => {
    const before = stage.simulator.counters().requests;
    const { host, port } = new URL(stage.gateway.url);
    const half = `POST /v1/chat/completions HTTP/1.1\r\nhost: ${host}\r\nauthorization: Bearer ${stage.gateway.apiKey}\r\ncontent-length: 500\r\n\r\n{"model":`;
    const { socket } = exchange(Number(port), half);
    await eventually('half of it is sent', () => socket.bytesWritten >= half.length);
    socket.destroy();
    // A request that comes after it is served, and is the only one that left a record.
    expect((await stage.gateway.client('/chat/completions', chatBody('hi'))).status).toBe(200);
    await newestRecord(stage.gateway, ++records);
    expect([stage.simulator.counters().requests - before, openHolds(stage.gateway)]).toEqual([1, 0]);
  });

  test('all of 40 that leave at once: every upstream connection is closed, every hold resolved', async () => {
    const before = stage.simulator.counters();
    const clients = Array.from({ length: 40 }, () =>
      leavingClient(stage.gateway, chatBody('[[sim: chunks=1000 gap=20]] x', { stream: true })),
    );
    await Promise.all(clients.map((client) => client.until((raw) => piecesIn(raw) >= 1)));
    const leftMs = performance.now();
    for (const [index, client] of clients.entries()) (index % 2 === 0 ? ways.FIN : ways.RST)(client);
    await eventually('all are let go', () => stage.simulator.counters().aborted === before.aborted + clients.length);
    expect(performance.now() - leftMs).toBeLessThan(PROMPT_MS);
    records += clients.length;
    await newestRecord(stage.gateway, records);
    expect(openHolds(stage.gateway)).toBe(0);
  });
});

describe('an upstream that bills anyway is drained', () => {
  test('to its usage, which is charged; the client that left waits for nothing', async () => {
    const drained = await startStage({ upstream: { onClientLeaving: 'drain' } });
    const client = leavingClient(drained.gateway, chatBody('[[sim: chunks=20 gap=20]] x', { stream: true }));
    await client.until((raw) => piecesIn(raw) >= 1);
    ways.FIN(client);
    const record = await newestRecord(drained.gateway, 1);
    expect(record).toMatchObject({ outcome: 'client-left', usageSource: 'upstream', usage: { output: 20 }, flags: [] });
    expect(drained.simulator.counters()).toMatchObject({ finished: 1, aborted: 0 });
    expect(openHolds(drained.gateway)).toBe(0);
    await drained.stop();
  });
});

describe('a client that stops reading', () => {
  test('is waited for with little memory, and given up after its deadline', async () => {
    const clients = Array.from({ length: 20 }, () =>
      leavingClient(stage.gateway, chatBody('[[sim: chunks=16000 size=4000]] x', { stream: true })),
    );
    const before = stage.simulator.counters();
    for (const client of clients) client.socket.once('data', () => client.socket.pause());
    records += clients.length;
    await eventually('all are given up', () => stage.simulator.counters().aborted === before.aborted + clients.length);
    const record = await newestRecord(stage.gateway, records);
    expect(record).toMatchObject({ outcome: 'client-left', usageSource: 'estimated' });
    // Of 16,000 chunks, 64 MB, no more were taken from the upstream than the buffers of two sockets hold: nothing is
    // kept for such a client. The bench has the figure of the memory.
    const { body } = await stage.gateway.admin('GET', `/usage?limit=${clients.length}`);
    const items: readonly unknown[] = Array.isArray(body['items']) ? body['items'] : [];
    expect(items.length).toBe(clients.length);
    for (const item of items) {
      const { body: each } = await stage.gateway.admin('GET', `/usage/${textField(item, 'requestId')}`);
      expect(Number(field(each, 'usage', 'output'))).toBeLessThan(6_000);
    }
    expect(openHolds(stage.gateway)).toBe(0);
    // Whoever reads on finds a reply without its terminal event.
    for (const client of clients) {
      client.socket.resume();
      await client.until((raw) => raw.subarray(-7).toString() === '\r\n0\r\n\r\n');
      expect(client.received().subarray(-200).toString()).not.toContain('[DONE]');
      client.socket.destroy();
    }
  });
});
