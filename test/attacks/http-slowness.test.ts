// Attacks by slowness: cases A6 and A7 of the attack catalogue. Whoever sends, or reads, too slowly is cut off
// by a deadline; meanwhile others are served, memory stays bounded, and what a cut stream cost is settled
// once.

import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { connect, type Socket } from 'node:net';
import { createHttp1Transport } from '../../src/pipeline/transport/http1-transport.ts';
import type { UpstreamTransport } from '../../src/pipeline/transport/transport.ts';
import { field } from '../support/gateway.ts';
import { eventually, exchange } from '../simulator/raw-client.ts';
import { startImpatientGateway, type ImpatientGateway } from './impatient-gateway.ts';
import { chatBody, converse, repliesIn, reply, requestBytes } from './raw-http.ts';

const MIB = 1024 * 1024;
const limitMs = 30_000;

/** Bytes of replies that the gateway has read from its upstreams. */
let taken = 0;

function countingTransport(): UpstreamTransport {
  const transport = createHttp1Transport();
  return {
    send: (request, sink) =>
      transport.send(request, {
        head: (status, headers, bodyLength) => sink.head(status, headers, bodyLength),
        data(chunk) {
          taken += chunk.byteLength;
          return sink.data(chunk);
        },
        end: (framed) => sink.end(framed),
        fail: (fault) => sink.fail(fault),
      }),
    close: () => transport.close(),
  };
}

/**
 * Memory that is held. What earlier tests of the process left behind decides when the collector runs next, so without
 * a collection this would measure them.
 */
function heldBytes(): number {
  Bun.gc(true);
  return process.memoryUsage.rss();
}

let impatient: ImpatientGateway;
let lines: readonly string[];
beforeAll(async () => {
  impatient = await startImpatientGateway({
    deadlines: { requestBodyMs: 400, clientStallMs: 500, drainMs: 1_000 },
    idleSeconds: 1,
    transport: countingTransport(),
  });
  lines = ['host: 127.0.0.1', `authorization: Bearer ${impatient.apiKey}`, 'content-type: application/json'];
});
afterAll(() => impatient.stop());

const honest = () =>
  reply(impatient.port, requestBytes('POST /v1/chat/completions HTTP/1.1', lines, chatBody('honest')));

function opened(text: string): { readonly socket: Socket; closed: boolean } {
  const state = { socket: connect(impatient.port, '127.0.0.1', () => state.socket.write(text)), closed: false };
  state.socket.on('close', () => {
    state.closed = true;
  });
  state.socket.on('error', () => {});
  state.socket.resume();
  return state;
}

describe('A6: slow senders', () => {
  test(
    'idle connections, cut heads and answered ones are all closed, and others are served meanwhile',
    async () => {
      const halfHead = `POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bear`;
      const before = heldBytes();
      const idle = Array.from({ length: 300 }, (_, index) =>
        opened(['', halfHead, 'GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n'][index % 3] ?? ''),
      );
      const answered = opened(
        requestBytes('POST /v1/chat/completions HTTP/1.1', lines, chatBody('then idle')).toString(),
      );
      // A head that drips in, without a long pause.
      const dripping = opened('GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n');
      const drip = setInterval(() => dripping.socket.write('x-drip: a\r\n'), 250);
      for (let round = 0; round < 5; round += 1) expect((await honest()).status).toBe(200);
      expect(heldBytes() - before).toBeLessThan(100 * MIB);
      const all = [answered, dripping, ...idle];
      await eventually('every idle connection is closed', () => all.every(({ closed }) => closed)).finally(() =>
        clearInterval(drip),
      );
    },
    limitMs,
  );

  test.each([
    ['declared', 'content-length: 1000', '{"model":'],
    ['in chunks', 'transfer-encoding: chunked', '9\r\n{"model":\r\n'],
  ] as const)(
    'a body %s that stalls is given up by our deadline, and costs nothing',
    async (_, framing, start) => {
      const head = `POST /v1/chat/completions HTTP/1.1\r\n${lines.join('\r\n')}\r\n${framing}\r\n\r\n`;
      const { replies } = await converse(impatient.port, head + start);
      expect(replies.map(({ status, body }) => [status, body.includes('did not arrive within 0.4 seconds')])).toEqual(
        [[400, true]],
      );
      expect(impatient.simulator.counters().open).toBe(0);
    },
    limitMs,
  );

  test(
    'a body that drips in is given up, too, and what comes later is no request',
    async () => {
      const head = `POST /v1/chat/completions HTTP/1.1\r\n${lines.join('\r\n')}\r\ncontent-length: 100000\r\n\r\n{`;
      const open = exchange(impatient.port, head);
      const drip = setInterval(() => open.socket.write('GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n'), 100);
      try {
        await open.until((raw) => repliesIn(raw, false).length > 0);
        await open.until(() => false);
        expect(repliesIn(open.received(), true).map(({ status }) => status)).toEqual([400]);
      } finally {
        clearInterval(drip);
        open.socket.destroy();
      }
    },
    limitMs,
  );
});

describe('A7: slow readers', () => {
  test(
    'a reader that stops is waited for in bounded memory, then cut; the call is settled once',
    async () => {
      const before = heldBytes();
      taken = 0;
      const settledBefore = (await impatient.usage()).length;
      const body = chatBody('[[sim: chunks=900 size=65536]]', { stream: true });
      const stopped = Array.from({ length: 4 }, () => {
        const socket = connect(impatient.port, '127.0.0.1', () => {
          socket.write(requestBytes('POST /v1/chat/completions HTTP/1.1', lines, body));
        });
        socket.once('data', () => socket.pause());
        socket.on('error', () => {});
        return socket;
      });
      await eventually('all streams run', () => impatient.simulator.counters().open === 4);
      expect((await honest()).status).toBe(200);
      await eventually('the upstream was let go', () => impatient.simulator.counters().open === 0);
      expect(impatient.simulator.counters().aborted).toBe(4);
      // Of 225 MiB on offer, only what the sockets' buffers hold was ever read, and nothing of it is kept.
      expect(taken).toBeLessThan(48 * MIB);
      expect(heldBytes() - before).toBeLessThan(100 * MIB);
      for (const socket of stopped) socket.destroy();
      const records = await impatient.usage();
      const streamed = records
        .slice(0, records.length - settledBefore)
        .filter((record) => field(record, 'stream') === true);
      expect(streamed.map((record) => field(record, 'outcome'))).toEqual([
        'client-left',
        'client-left',
        'client-left',
        'client-left',
      ]);
      const [account] = await impatient.gateway.accounts.accounts.list({ limit: 1 });
      if (account === undefined) throw new Error('there is no account');
      expect((await impatient.gateway.ledger.balance(account.id))?.heldNano).toBe(0n);
    },
    limitMs,
  );
});
