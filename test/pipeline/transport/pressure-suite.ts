// What every transport must do under abort, backpressure, large bodies and TLS. Run by the tests of each one.

import { afterEach, describe, expect, test } from 'bun:test';
import type { TransportOptions } from '../../../src/pipeline/transport/http1-transport.ts';
import type { UpstreamRequest, UpstreamTransport } from '../../../src/pipeline/transport/transport.ts';
import { makeCertificate } from './certificates.ts';
import { RecordingSink, settleLoop, until, type UpstreamSocket } from './fake-upstream.ts';
import { type Abilities, chunked, createBench, faultOf, OK, relaxed, requestTo } from './transport-bench.ts';

export function describeUnderPressure(
  name: string, create: (options: TransportOptions) => UpstreamTransport, able: Abilities,
): void {
  const bench = createBench(create);
  afterEach(() => bench.stop());

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
      let nowMs = 0;
      const transport = bench.transport({ clock: { monotonicMs: () => nowMs } });
      const sent = bench.send(transport, upstream.port, { deadlines: { ...relaxed, silenceMs: 100 } });
      sent.sink.takes = () => false;
      await until(() => sent.sink.bytes > 0, 'something has come');
      // Stalled for longer than the silence deadline: while we keep it waiting, the upstream is not silent.
      let before = -1;
      for (let still = 0; still < 50;) {
        await Bun.sleep(3);
        nowMs += 5;
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
