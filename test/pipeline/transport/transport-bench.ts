// A transport with its upstreams, and the requests that tests send through it.

import type { TransportOptions } from '../../../src/pipeline/transport/http1-transport.ts';
import type {
  TransportDeadlines, TransportFaultKind, UpstreamExchange, UpstreamRequest, UpstreamTransport,
} from '../../../src/pipeline/transport/transport.ts';
import {
  type FakeUpstream, type FakeUpstreamOptions, RecordingSink, startUpstream, type UpstreamSocket,
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

/** Waits for a fault; an exchange that ends well is an error. */
export async function faultOf(sent: Sent): Promise<{ kind: TransportFaultKind; sent: boolean }> {
  const outcome = await sent.sink.outcome;
  if (outcome.kind !== 'fail') throw new Error(`ended with framed=${outcome.framed}: ${sent.sink.body}`);
  return { kind: outcome.fault.kind, sent: outcome.fault.sent };
}

/** What differs between implementations, and must be known rather than skipped. */
export interface Abilities {
  /** Names each framing fault; without it a reset is reported for some. */
  readonly namesFraming: boolean;
  /** Tells connecting from waiting for the head. */
  readonly seesConnect: boolean;
}

export const OK = 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 5\r\n\r\nhello';
export const chunked = (...parts: string[]): string =>
  `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n${parts.map((part) =>
    `${Buffer.byteLength(part).toString(16)}\r\n${part}\r\n`).join('')}`;
