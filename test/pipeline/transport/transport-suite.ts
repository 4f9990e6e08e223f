// What every transport must do, asked of raw-TCP upstreams. Run by the tests of each implementation.

import { afterEach, describe, expect, test } from 'bun:test';
import type { TransportOptions } from '../../../src/pipeline/transport/http1-transport.ts';
import type {
  TransportDeadlines, TransportFaultKind, UpstreamExchange, UpstreamRequest, UpstreamTransport,
} from '../../../src/pipeline/transport/transport.ts';
import { makeCertificate } from './certificates.ts';
import {
  type FakeUpstream, type FakeUpstreamOptions, RecordingSink, settleLoop, startUpstream, until, type UpstreamSocket,
} from './fake-upstream.ts';

export const relaxed: TransportDeadlines = {
  connectMs: 30_000, responseHeadMs: 30_000, silenceMs: 30_000, totalMs: 60_000,
};

export interface Sent {
  readonly sink: RecordingSink;
  readonly exchange: UpstreamExchange;
}

/** A transport, its upstreams, and their end. */
export function createBench(create: (options: TransportOptions) => UpstreamTransport) {
  const stops: (() => void)[] = [];
  const bench = {
    transport(options: TransportOptions = {}): UpstreamTransport {
      const transport = create({ sweepMs: 5, ...options });
      stops.push(() => transport.close());
      return transport;
    },
    upstream(options: FakeUpstreamOptions): FakeUpstream {
      const upstream = startUpstream(options);
      stops.push(() => upstream.stop());
      return upstream;
    },
    /** An upstream that answers every request with these bytes. */
    replying(reply: string, after: (socket: UpstreamSocket) => void = () => {}): FakeUpstream {
      return bench.upstream({ onRequest: (socket) => { socket.write(reply); after(socket); } });
    },
    send(transport: UpstreamTransport, port: number, changes: Partial<UpstreamRequest> = {}): Sent {
      const sink = new RecordingSink();
      return { sink, exchange: transport.send(requestTo(port, changes), sink) };
    },
    stop(): void {
      for (const stop of stops.splice(0).toReversed()) stop();
    },
  };
  return bench;
}

export function requestTo(port: number, changes: Partial<UpstreamRequest> = {}): UpstreamRequest {
  return {
    target: { url: new URL(`http://127.0.0.1:${port}/`), addresses: 'any' },
    method: 'POST', path: '/v1/chat?x=1', headers: [['x-test', 'a b']], body: [Buffer.from('{"a":1}')],
    deadlines: relaxed, ...changes,
  };
}

/** What differs between implementations, and must be known rather than skipped. */
export interface Abilities {
  /** Names each framing fault; without it a reset is reported for some. */
  readonly namesFraming: boolean;
  /** Tells connecting from waiting for the head. */
  readonly seesConnect: boolean;
}

const OK = 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 5\r\n\r\nhello';
const chunked = (...parts: string[]): string =>
  `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n${parts.map((part) =>
    `${Buffer.byteLength(part).toString(16)}\r\n${part}\r\n`).join('')}`;

export function describeTransport(
  name: string, create: (options: TransportOptions) => UpstreamTransport, able: Abilities,
): void {
  const bench = createBench(create);
  afterEach(() => bench.stop());

  async function faultOf(sent: Sent): Promise<{ kind: TransportFaultKind; sent: boolean }> {
    const outcome = await sent.sink.outcome;
    if (outcome.kind !== 'fail') throw new Error(`ended with framed=${outcome.framed}: ${sent.sink.body}`);
    return { kind: outcome.fault.kind, sent: outcome.fault.sent };
  }

  describe(`${name}: replies`, () => {
    test('a reply of known length arrives whole, the request as it was given', async () => {
      const upstream = bench.replying(OK);
      const { sink } = bench.send(bench.transport(), upstream.port, {
        body: [Buffer.from('one '), Buffer.from(''), Buffer.from('two')],
      });
      expect(await sink.outcome).toEqual({ kind: 'end', framed: true });
      expect(sink.calls).toEqual(['head', 'data', 'end']);
      expect([sink.status, sink.bodyLength, sink.body]).toEqual([200, 5, 'hello']);
      expect(sink.headers?.get('content-type')).toBe('application/json');
      expect(sink.headers?.get('x-absent')).toBeUndefined();
      const { head, body } = upstream.requests[0]!;
      expect(body.toString()).toBe('one two');
      expect(head.split('\r\n')[0]).toBe('POST /v1/chat?x=1 HTTP/1.1');
      expect(head.toLowerCase()).toContain(`\r\nhost: 127.0.0.1:${upstream.port}`);
      expect(head.toLowerCase()).toContain('\r\ncontent-length: 7');
      expect(head.toLowerCase()).toContain('\r\nx-test: a b');
    });

    test('a chunked reply arrives without its framing', async () => {
      const upstream = bench.replying(`${chunked('data: ä\n\n', 'data: [DONE]\n\n')}0\r\nx-trailer: 1\r\n\r\n`);
      const { sink } = bench.send(bench.transport(), upstream.port);
      expect(await sink.outcome).toEqual({ kind: 'end', framed: true });
      expect(sink.bodyLength).toBeUndefined();
      expect(sink.body).toBe('data: ä\n\ndata: [DONE]\n\n');
    });

    test('replies without a body end at once', async () => {
      for (const status of [204, 304]) {
        const upstream = bench.replying(`HTTP/1.1 ${status} x\r\netag: "a"\r\n\r\n`);
        const { sink } = bench.send(bench.transport(), upstream.port, { method: 'GET', body: [] });
        expect(await sink.outcome).toEqual({ kind: 'end', framed: true });
        expect(sink.calls).toEqual(['head', 'end']);
        expect(upstream.requests[0]!.head).toStartWith('GET ');
      }
    });

    test('a body that only closing ends is delivered as not framed', async () => {
      const upstream = bench.replying('HTTP/1.1 200 OK\r\n\r\nhalf', (socket) => socket.end());
      const { sink } = bench.send(bench.transport(), upstream.port);
      expect(await sink.outcome).toEqual({ kind: 'end', framed: false });
      expect(sink.body).toBe('half');
    });

    test('connections are used again', async () => {
      const upstream = bench.replying(OK);
      const transport = bench.transport();
      for (let i = 0; i < 5; i += 1) await bench.send(transport, upstream.port).sink.outcome;
      expect([upstream.requests.length, upstream.accepted]).toEqual([5, 1]);
    });

    test('many at once, each with its own reply', async () => {
      const upstream = bench.upstream({
        onRequest(socket, { body }) {
          socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body.toString()}`);
        },
      });
      const transport = bench.transport();
      for (let round = 0; round < 3; round += 1) {
        const sent = Array.from({ length: 40 }, (_, i) =>
          bench.send(transport, upstream.port, { body: [Buffer.from(`request ${round} ${i}`)] }));
        await Promise.all(sent.map(({ sink }) => sink.outcome));
        expect(sent.map(({ sink }) => sink.body)).toEqual(sent.map((_, i) => `request ${round} ${i}`));
      }
      expect(upstream.accepted).toBeLessThanOrEqual(40);
    });

    test('a status outside 100 to 599 is reported as 502 (U29)', async () => {
      const upstream = bench.replying('HTTP/1.1 999 Odd\r\ncontent-length: 0\r\n\r\n');
      const { sink } = bench.send(bench.transport(), upstream.port);
      await sink.outcome;
      expect(sink.status).toBe(502);
    });
  });

  describe(`${name}: faults`, () => {
    test('refused before anything was sent', async () => {
      const upstream = bench.replying(OK);
      const { port } = upstream;
      upstream.stop();
      expect(await faultOf(bench.send(bench.transport(), port))).toEqual({ kind: 'refused', sent: false });
    });

    test('a name without address, and one that may not be dialled', async () => {
      const transport = bench.transport({
        resolve: async (host) => (host === 'inside.test' ? ['10.1.2.3'] : Promise.reject(new Error('ENOTFOUND'))),
      });
      const to = (host: string) => bench.send(transport, 1, {
        target: { url: new URL(`http://${host}:1/`), addresses: 'public' },
      });
      expect(await faultOf(to('nowhere.test'))).toEqual({ kind: 'dns', sent: false });
      expect(await faultOf(to('inside.test'))).toEqual({ kind: 'blocked-address', sent: false });
    });

    test('reset and close before the head (U2)', async () => {
      for (const how of ['terminate', 'end'] as const) {
        const upstream = bench.upstream({ onRequest: (socket) => { socket[how](); } });
        expect(await faultOf(bench.send(bench.transport(), upstream.port))).toEqual({ kind: 'reset', sent: true });
      }
    });

    test('a reply cut short is never a clean end (U5 to U7)', async () => {
      const cut = [
        'HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello', chunked('hello'),
        'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nff\r\nhello',
        // Bun's fetch takes the last chunk's size for the end.
        ...(able.namesFraming ? [`${chunked('hello')}0\r\n`] : []),
      ];
      for (const reply of cut) {
        const sent = bench.send(bench.transport(), bench.replying(reply, (socket) => socket.end()).port);
        expect(await faultOf(sent)).toEqual({ kind: 'reset', sent: true });
        // What came in the same packet as the close may be lost to fetch.
        if (able.namesFraming) expect(sent.sink.body).toBe('hello');
      }
    });

    test('a reply that frames itself wrongly is refused', async () => {
      const wrong = [
        'HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
        'HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello',
        'HTTP/1.1 200 OK\r\ncontent-length: 5x\r\n\r\nhello',
        'HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\nhello',
        'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\nhello\r\n0\r\n\r\n',
        'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\nhello\r\n0\r\n\r\n',
        'HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n',
        '<html>no protocol at all</html>\r\n\r\n',
      ];
      for (const reply of wrong) {
        const { kind } = await faultOf(bench.send(
          bench.transport(), bench.replying(reply, (socket) => socket.end()).port,
        ));
        expect([reply, able.namesFraming || kind !== 'reset' ? kind : 'bad-framing']).toEqual([reply, 'bad-framing']);
      }
    });

    test('deadlines of each phase', async () => {
      const silent = bench.upstream({ onRequest() {} });
      const soon = { ...relaxed, connectMs: 20, responseHeadMs: 20 };
      const first = bench.send(bench.transport(), silent.port, { deadlines: soon });
      expect(await faultOf(first)).toEqual({ kind: 'head-timeout', sent: true });

      const stalls = bench.replying('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello');
      const second = bench.send(bench.transport(), stalls.port, { deadlines: { ...relaxed, silenceMs: 20 } });
      expect(await faultOf(second)).toEqual({ kind: 'silence-timeout', sent: true });
      expect(second.sink.body).toBe('hello');
      await until(() => silent.closed === 1 && stalls.closed === 1, 'both connections are closed');
    });

    test('an endless reply meets the total deadline (U13, U26)', async () => {
      const drips = bench.upstream({
        onRequest(socket) {
          socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n');
          const timer = setInterval(() => { if (socket.write('1\r\n.\r\n') < 0) clearInterval(timer); }, 2);
        },
      });
      const sent = bench.send(bench.transport(), drips.port, {
        deadlines: { ...relaxed, connectMs: 10, totalMs: 60, silenceMs: 1_000 },
      });
      expect(await faultOf(sent)).toEqual({ kind: 'total-timeout', sent: true });
      await until(() => drips.closed === 1, 'the connection is closed');
    });

    test('a request that cannot be written is refused without a connection', async () => {
      const upstream = bench.replying(OK);
      const bad: Partial<UpstreamRequest>[] = [
        { headers: [['x-a', 'v\r\nx-b: 1']] }, { headers: [['x-a', 'v\n']] }, { headers: [['x-a', 'a\0b']] },
        { headers: [['x-a\r\nx-b', 'v']] }, { headers: [['', 'v']] }, { headers: [['x a', 'v']] },
        { headers: [['x-a', 'ключ']] }, { headers: [['Content-Length', '3']] }, { headers: [['host', 'other']] },
        { headers: [['Transfer-Encoding', 'chunked']] }, { headers: [['connection', 'close']] },
        { path: '/v1 HTTP/1.1\r\nhost: x' }, { path: 'v1' }, { path: '/a#b' }, { path: '/a\\b' },
        { path: '/models/../admin' }, { path: '/models/%2e%2E/admin' }, { path: '/a/./b' }, { path: '/a/..' },
        { path: '/ä' }, { path: '' },
      ];
      for (const changes of bad) {
        const fault = await faultOf(bench.send(bench.transport(), upstream.port, changes));
        expect([changes, fault]).toEqual([changes, { kind: 'unsendable', sent: false }]);
      }
      expect(upstream.accepted).toBe(0);
    });

    test('a sink that throws ends the exchange and the connection', async () => {
      const upstream = bench.replying(`${chunked('hello')}`);
      for (const where of ['head', 'data'] as const) {
        const sink = new RecordingSink();
        if (where === 'head') sink.onHead = () => { throw new Error('defect'); };
        else sink.takes = () => { throw new Error('defect'); };
        bench.transport().send(requestTo(upstream.port), sink);
        expect(await sink.outcome).toMatchObject({ kind: 'fail', fault: { kind: 'closed', sent: true } });
      }
      await until(() => upstream.closed === 2, 'both connections are closed');
    });

    test('closing the transport ends what is in flight and refuses what follows', async () => {
      const upstream = bench.replying(chunked('hello'));
      const transport = bench.transport();
      const sent = bench.send(transport, upstream.port);
      await until(() => sent.sink.bytes === 5, 'the first bytes are there');
      transport.close();
      expect(await faultOf(sent)).toEqual({ kind: 'closed', sent: true });
      expect(await faultOf(bench.send(transport, upstream.port))).toEqual({ kind: 'closed', sent: false });
      await until(() => upstream.closed === 1, 'the connection is closed');
    });
  });

  describe(`${name}: abort and backpressure`, () => {
    test('abort closes the upstream connection and silences the sink, whenever it comes', async () => {
      const upstream = bench.replying(chunked('hello'));
      const transport = bench.transport();
      const atOnce = bench.send(transport, upstream.port);
      atOnce.exchange.abort();
      const later = bench.send(transport, upstream.port);
      await until(() => later.sink.bytes === 5, 'the first bytes are there');
      later.exchange.abort();
      later.exchange.abort();
      const inHead = new RecordingSink();
      const exchange = transport.send(requestTo(upstream.port), inHead);
      inHead.onHead = () => exchange.abort();
      await until(() => inHead.status !== undefined, 'the head is there');
      await until(() => upstream.closed === upstream.accepted && upstream.closed >= 2, 'all are closed');
      for (const socket of upstream.sockets) socket.write('5\r\nworld\r\n0\r\n\r\n');
      await settleLoop();
      expect([atOnce.sink.calls, later.sink.calls, inHead.calls]).toEqual([[], ['head', 'data'], ['head']]);
    });

    test('a sink that takes no more stops the upstream, and gets everything after resume (A7)', async () => {
      const total = 48 * 1024 * 1024;
      const piece = Buffer.alloc(256 * 1024, 'x');
      let offered = 0;
      const pump = (socket: UpstreamSocket): void => {
        while (offered < total) {
          const written = socket.write(piece.subarray(0, Math.min(piece.length, total - offered)));
          if (written <= 0) return;
          offered += written;
        }
      };
      const upstream = bench.upstream({
        onRequest(socket) {
          socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${total}\r\n\r\n`);
          pump(socket);
        },
        onDrain: pump,
      });
      const sent = bench.send(bench.transport(), upstream.port, { deadlines: { ...relaxed, silenceMs: 40 } });
      sent.sink.takes = () => false;
      await until(() => sent.sink.bytes > 0, 'something has come');
      // Stalled for longer than the silence deadline: while we keep it waiting, the upstream is not silent.
      let before = -1;
      for (let still = 0; still < 30;) {
        await Bun.sleep(3);
        still = offered === before ? still + 1 : 0;
        before = offered;
      }
      expect(sent.sink.calls).toEqual(['head', 'data']);
      expect(offered).toBeLessThan(24 * 1024 * 1024);
      sent.sink.takes = () => true;
      sent.exchange.resume();
      expect(await sent.sink.outcome).toEqual({ kind: 'end', framed: true });
      expect(sent.sink.bytes).toBe(total);
    });

    test('a body of 5 MB reaches an upstream that reads slowly', async () => {
      const pieces = [Buffer.alloc(1_000_003, 'a'), Buffer.alloc(7, 'b'), Buffer.alloc(4_000_000, 'c')];
      const upstream = bench.upstream({
        onBytes(socket) {
          socket.pause();
          setTimeout(() => socket.resume(), 1);
        },
        onRequest: (socket) => { socket.write(OK); },
      });
      const { sink } = bench.send(bench.transport(), upstream.port, { body: pieces });
      expect(await sink.outcome).toEqual({ kind: 'end', framed: true });
      expect(Bun.SHA256.hash(upstream.requests[0]!.body, 'hex'))
        .toBe(Bun.SHA256.hash(Buffer.concat(pieces), 'hex'));
    });
  });

  describe(`${name}: TLS (C10)`, () => {
    const good = makeCertificate('upstream.test');
    const expired = makeCertificate('upstream.test', { expired: true });
    const resolve = async (): Promise<string[]> => ['127.0.0.1'];
    const to = (port: number, host: string): Partial<UpstreamRequest> => ({
      target: { url: new URL(`https://${host}:${port}/`), addresses: 'any' },
    });

    test('a trusted certificate with the right name passes, and the connection is used again', async () => {
      const upstream = bench.upstream({ tls: good, onRequest: (socket) => { socket.write(OK); } });
      const transport = bench.transport({ resolve, tls: { ca: good.cert } });
      const target = to(upstream.port, 'upstream.test');
      for (let i = 0; i < 3; i += 1) {
        const { sink } = bench.send(transport, upstream.port, target);
        expect(await sink.outcome).toEqual({ kind: 'end', framed: true });
      }
      expect(upstream.accepted).toBe(1);
      expect(upstream.requests[0]!.head.toLowerCase()).toContain(`\r\nhost: upstream.test:${upstream.port}`);
    });

    test('self-signed, wrong name and expired are refused before a byte of the request', async () => {
      const cases = [
        { certificate: good, ca: undefined, host: 'upstream.test' },
        { certificate: good, ca: good.cert, host: 'other.test' },
        { certificate: good, ca: good.cert, host: '127.0.0.1' },
        { certificate: expired, ca: expired.cert, host: 'upstream.test' },
      ];
      for (const { certificate, ca, host } of cases) {
        const upstream = bench.upstream({ tls: certificate, onRequest: (socket) => { socket.write(OK); } });
        const transport = bench.transport({ resolve, ...(ca === undefined ? {} : { tls: { ca } }) });
        const fault = await faultOf(bench.send(transport, upstream.port, to(upstream.port, host)));
        expect([host, fault]).toEqual([host, { kind: 'tls', sent: false }]);
        expect(upstream.bytesReceived).toBe(0);
      }
    });

    test('the environment cannot turn verification off', async () => {
      const before = process.env.NODE_TLS_REJECT_UNAUTHORIZED;
      process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
      try {
        const upstream = bench.upstream({ tls: good, onRequest: (socket) => { socket.write(OK); } });
        const sent = bench.send(bench.transport({ resolve }), upstream.port, to(upstream.port, 'upstream.test'));
        expect(await faultOf(sent)).toEqual({ kind: 'tls', sent: false });
      } finally {
        if (before === undefined) delete process.env.NODE_TLS_REJECT_UNAUTHORIZED;
        else process.env.NODE_TLS_REJECT_UNAUTHORIZED = before;
      }
    });

    test('an upstream without TLS is not spoken to in the clear', async () => {
      const upstream = bench.upstream({ onBytes: (socket) => { socket.end('HTTP/1.1 200 OK\r\n\r\n'); } });
      const sent = bench.send(bench.transport({ resolve }), upstream.port, to(upstream.port, 'upstream.test'));
      const { kind } = await faultOf(sent);
      expect(['tls', 'reset']).toContain(kind);
      expect(sent.sink.calls).toEqual(['fail']);
    });

    test('a handshake that hangs meets a deadline', async () => {
      const upstream = bench.upstream({ onBytes() {} });
      const sent = bench.send(bench.transport({ resolve }), upstream.port, {
        ...to(upstream.port, 'upstream.test'), deadlines: { ...relaxed, connectMs: 20, responseHeadMs: 20 },
      });
      expect((await faultOf(sent)).kind).toBe(able.seesConnect ? 'connect-timeout' : 'head-timeout');
      await until(() => upstream.closed === 1, 'the connection is closed');
    });
  });
}
