// What every transport must do, asked of raw-TCP upstreams: replies and faults. Run by the tests of each
// implementation, with `pressure-suite.ts`.

import { afterEach, describe, expect, test } from 'bun:test';
import type { TransportOptions } from '../../../src/pipeline/transport/http1-transport.ts';
import type { UpstreamRequest, UpstreamTransport } from '../../../src/pipeline/transport/transport.ts';
import { RecordingSink, until } from './fake-upstream.ts';
import { type Abilities, chunked, createBench, faultOf, OK, relaxed, requestTo } from './transport-bench.ts';

export function describeTransport(
  name: string, create: (options: TransportOptions) => UpstreamTransport, able: Abilities,
): void {
  const bench = createBench(create);
  afterEach(() => bench.stop());

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

    test('a shared list of headers, and one more for each request alone', async () => {
      const upstream = bench.replying(OK);
      const transport = bench.transport();
      const headers = [['x-shared', 'yes']] as const;
      const large = [Buffer.alloc(100_000, 'b')];
      const asked = [{ also: ['x-own', 'first'] }, {}, { also: ['x-own', 'third'], body: large }] as const;
      for (const changes of asked) await bench.send(transport, upstream.port, { headers, ...changes }).sink.outcome;
      const linesOf = (head: string) =>
        head.toLowerCase().split('\r\n').filter((line) => /^x-(?:own|shared):/.test(line));
      const shared = 'x-shared: yes';
      expect(upstream.requests.map(({ head }) => linesOf(head).toSorted())).toEqual([
        ['x-own: first', shared], [shared], ['x-own: third', shared],
      ]);
      expect(upstream.requests.map(({ body }) => body.length).at(-1)).toBe(100_000);
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
        { also: ['x-a', 'v\r\nx-b: 1'] }, { also: ['x-a\r\nx-b', 'v'] }, { also: ['content-length', '3'] },
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
}
