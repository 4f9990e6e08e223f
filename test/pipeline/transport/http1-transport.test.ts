// Our own client: the shared suite, and what only it can be asked (connections, repeats, injected time).

import { afterEach, describe, expect, test } from 'bun:test';
import { createHttp1Transport, type Http1Transport } from '../../../src/pipeline/transport/http1-transport.ts';
import type { UpstreamTarget } from '../../../src/pipeline/transport/transport.ts';
import { RecordingSink, until, type UpstreamSocket } from './fake-upstream.ts';
import { describeUnderPressure } from './pressure-suite.ts';
import { createBench, relaxed, requestTo } from './transport-bench.ts';
import { describeTransport } from './transport-suite.ts';

const able = { namesFraming: true, seesConnect: true };
describeTransport('http1', createHttp1Transport, able);
describeUnderPressure('http1', createHttp1Transport, able);

const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello';
const bench = createBench(createHttp1Transport);
afterEach(() => bench.stop());

const openTransports: Http1Transport[] = [];
afterEach(() => { for (const transport of openTransports.splice(0)) transport.close(); });
function http1(options: Parameters<typeof createHttp1Transport>[0] = {}): Http1Transport {
  const transport = createHttp1Transport({ sweepMs: 5, ...options });
  openTransports.push(transport);
  return transport;
}

describe('connections', () => {
  test('bytes after a reply end the connection, in the same packet or later (U30)', async () => {
    const same = bench.replying(`${OK}surplus`);
    const transport = http1();
    for (let i = 0; i < 3; i += 1) {
      const { sink } = bench.send(transport, same.port);
      expect(await sink.outcome).toEqual({ kind: 'end', framed: true });
      expect(sink.body).toBe('hello');
    }
    expect(same.accepted).toBe(3);

    const later = bench.replying(OK);
    await bench.send(transport, later.port).sink.outcome;
    expect(transport.idleCount).toBe(1);
    later.sockets[0]!.write(OK);
    await until(() => transport.idleCount === 0 && later.closed === 1, 'the connection is given up');
    await bench.send(transport, later.port).sink.outcome;
    expect(later.accepted).toBe(2);
  });

  test('a connection that the upstream will close is not used again', async () => {
    for (const line of ['connection: close', 'keep-alive: timeout=1', 'Connection: x, CLOSE']) {
      const upstream = bench.replying(`HTTP/1.1 200 OK\r\n${line}\r\ncontent-length: 5\r\n\r\nhello`);
      const transport = http1();
      for (let i = 0; i < 2; i += 1) await bench.send(transport, upstream.port).sink.outcome;
      expect([line, upstream.accepted, transport.idleCount]).toEqual([line, 2, 0]);
    }
  });

  test('one that the upstream closed just before our request is replaced, once and unseen', async () => {
    const upstream = bench.replying(OK);
    // Time stands still, so that a slow machine cannot make the close look late.
    const transport = http1({ clock: { monotonicMs: () => 0 } });
    await bench.send(transport, upstream.port).sink.outcome;
    // Closed in the same turn: our side cannot have heard of it when the next request is written.
    upstream.sockets[0]!.end();
    const { sink } = bench.send(transport, upstream.port);
    expect(await sink.outcome).toEqual({ kind: 'end', framed: true });
    expect([upstream.accepted, upstream.requests.length]).toEqual([2, 2]);
  });

  test('one that was closed after the upstream had time to see the request is not repeated', async () => {
    let answers = true;
    let nowMs = 0;
    const upstream = bench.upstream({
      onRequest(socket) {
        if (answers) return void socket.write(OK);
        nowMs += 1_000;
        socket.end();
      },
    });
    const transport = http1({ clock: { monotonicMs: () => nowMs } });
    await bench.send(transport, upstream.port).sink.outcome;
    answers = false;
    const { sink } = bench.send(transport, upstream.port);
    expect(await sink.outcome).toMatchObject({ kind: 'fail', fault: { kind: 'reset', sent: true } });
    expect(upstream.requests.length).toBe(2);
  });

  test('one that breaks off is not repeated: the upstream has seen the request', async () => {
    const upstream = bench.upstream({
      onRequest(socket) {
        if (upstream.requests.length === 1) socket.write(OK);
        else socket.terminate();
      },
    });
    const transport = http1();
    await bench.send(transport, upstream.port).sink.outcome;
    const { sink } = bench.send(transport, upstream.port);
    expect(await sink.outcome).toMatchObject({ kind: 'fail', fault: { kind: 'reset', sent: true } });
    expect(upstream.requests.length).toBe(2);
  });

  test('a reply before the request was read ends the exchange, and the connection with it', async () => {
    let early: UpstreamSocket | undefined;
    const upstream = bench.upstream({
      onBytes(socket) {
        if (early !== undefined) return;
        early = socket;
        socket.pause();
        socket.write('HTTP/1.1 413 Too large\r\ncontent-length: 2\r\n\r\nno');
      },
    });
    const transport = http1();
    const { sink } = bench.send(transport, upstream.port, { body: [Buffer.alloc(32 * 1024 * 1024)] });
    expect(await sink.outcome).toEqual({ kind: 'end', framed: true });
    expect([sink.status, sink.body, transport.idleCount]).toEqual([413, 'no', 0]);
  });

  test('idle ones are bounded in number and in time', async () => {
    let nowMs = 0;
    const upstream = bench.replying(OK);
    const transport = http1({ clock: { monotonicMs: () => nowMs }, idleMax: 3, idleMs: 1_000 });
    const sent = Array.from({ length: 8 }, () => bench.send(transport, upstream.port));
    await Promise.all(sent.map(({ sink }) => sink.outcome));
    expect(transport.idleCount).toBe(3);
    await until(() => upstream.closed === upstream.accepted - 3, 'the others are closed');
    nowMs = 1_001;
    await until(() => transport.idleCount === 0 && upstream.closed === upstream.accepted, 'all are closed');
  });

  test('one dialled under a wider address rule is not lent to a narrower one', async () => {
    const upstream = bench.replying(OK);
    const transport = http1({ resolve: async () => ['127.0.0.1'] });
    const url = new URL(`http://inside.test:${upstream.port}/`);
    const target = (addresses: UpstreamTarget['addresses']) => ({ target: { url, addresses } });
    expect(await bench.send(transport, upstream.port, target('any')).sink.outcome).toMatchObject({ kind: 'end' });
    expect(await bench.send(transport, upstream.port, target('public')).sink.outcome)
      .toMatchObject({ kind: 'fail', fault: { kind: 'blocked-address' } });
  });

  test('when one vetted address refuses, the next is dialled', async () => {
    const upstream = bench.replying(OK);
    const transport = http1({ resolve: async () => ['127.0.0.2', '127.0.0.1'] });
    const { sink } = bench.send(transport, upstream.port, {
      target: { url: new URL(`http://twice.test:${upstream.port}/`), addresses: 'any' },
    });
    expect(await sink.outcome).toEqual({ kind: 'end', framed: true });
    expect(upstream.requests[0]!.head).toContain(`host: twice.test:${upstream.port}`);
  });

  test('IPv6 upstreams are reached, and named in brackets', async () => {
    const upstream = bench.upstream({ hostname: '::1', onRequest: (socket) => { socket.write(OK); } });
    const { sink } = bench.send(http1(), upstream.port, {
      target: { url: new URL(`http://[::1]:${upstream.port}/`), addresses: 'any' },
    });
    expect(await sink.outcome).toEqual({ kind: 'end', framed: true });
    expect(upstream.requests[0]!.head).toContain(`host: [::1]:${upstream.port}`);
  });

  test('a reply in single bytes (U12), a thousand times on one connection', async () => {
    const upstream = bench.upstream({
      async onRequest(socket) {
        for (const byte of 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n') {
          socket.write(byte);
          socket.flush();
          await new Promise<void>((resume) => { setImmediate(resume); });
        }
      },
    });
    const transport = http1();
    for (let i = 0; i < 20; i += 1) {
      const { sink } = bench.send(transport, upstream.port);
      expect(await sink.outcome).toEqual({ kind: 'end', framed: true });
      expect(sink.body).toBe('abc');
    }
    expect(upstream.accepted).toBe(1);
  });

  test('chunks keep their content after the call', async () => {
    const piece = 'x'.repeat(100_000);
    const upstream = bench.upstream({
      onRequest(socket) {
        socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${piece.length + 3}\r\n\r\n`);
        socket.write(piece);
        setImmediate(() => { socket.write('end'); });
      },
    });
    const { sink } = bench.send(http1(), upstream.port);
    await sink.outcome;
    expect(sink.body).toBe(`${piece}end`);
  });
});

describe('deadlines by an injected clock', () => {
  const clocked = (): { transport: Http1Transport; pass: (ms: number) => Promise<void> } => {
    let nowMs = 0;
    return {
      transport: http1({ clock: { monotonicMs: () => nowMs } }),
      // In small steps: a jump would be taken for a stall of this process, as the next test shows.
      async pass(ms) {
        for (let passed = 0; passed < ms; passed += 20) {
          nowMs += 20;
          await Bun.sleep(0);
        }
      },
    };
  };

  test('the head may take its time, and no more', async () => {
    const upstream = bench.upstream({ onRequest() {} });
    const { transport, pass } = clocked();
    const { sink } = bench.send(transport, upstream.port, { deadlines: { ...relaxed, responseHeadMs: 2_000 } });
    await until(() => upstream.requests.length === 1, 'the request is there');
    await pass(1_900);
    expect(sink.calls).toEqual([]);
    await pass(1_000);
    expect(await sink.outcome).toMatchObject({ kind: 'fail', fault: { kind: 'head-timeout' } });
  });

  test('a resolver that never answers meets the connect deadline', async () => {
    const transport = http1({ resolve: () => new Promise(() => {}) });
    const { sink } = bench.send(transport, 1, {
      target: { url: new URL('http://slow.test/'), addresses: 'any' }, deadlines: { ...relaxed, connectMs: 20 },
    });
    expect(await sink.outcome).toMatchObject({ kind: 'fail', fault: { kind: 'connect-timeout', sent: false } });
  });

  test('after a stall of our own, a reply that was waiting is heard before the deadline is asked', async () => {
    let nowMs = 0;
    let answer = (): void => {};
    const upstream = bench.upstream({ onRequest: (socket) => { answer = () => { socket.write(OK); }; } });
    const transport = http1({ clock: { monotonicMs: () => nowMs } });
    const { sink } = bench.send(transport, upstream.port, { deadlines: { ...relaxed, responseHeadMs: 500 } });
    await until(() => upstream.requests.length === 1, 'the request is there');
    answer();
    nowMs += 60_000;
    expect(await sink.outcome).toEqual({ kind: 'end', framed: true });
  });
});

describe('a sink may send again from its last callback', () => {
  test('on the very connection that has become free', async () => {
    const upstream = bench.replying(OK);
    const transport = http1();
    const second = new RecordingSink();
    const first = new RecordingSink();
    const end = first.end.bind(first);
    first.end = (framed) => {
      transport.send(requestTo(upstream.port), second);
      end(framed);
    };
    transport.send(requestTo(upstream.port), first);
    expect(await second.outcome).toEqual({ kind: 'end', framed: true });
    expect(upstream.accepted).toBe(1);
  });
});
