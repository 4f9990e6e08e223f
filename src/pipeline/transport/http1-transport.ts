// Our own HTTP/1.1 client on Bun.connect: four system calls a request where fetch makes fourteen, and each
// read of a stream seen as it comes. Invariant: a request is written twice only if the first socket was
// closed before its upstream can have seen it.

import { type Clock, systemClock } from '../../core/clock.ts';
import { createAddressBook, type Resolve } from './vet-address.ts';
import { type ConnectionPool, createConnectionPool } from './connection-pool.ts';
import { createDeadlineSweep } from './deadline-sweep.ts';
import { describeTarget, type TlsTrust } from './describe-target.ts';
import { Http1Exchange, type Upstream } from './http1-exchange.ts';
import { RequestHeadComposer } from './request-head.ts';
import type { UpstreamTarget, UpstreamTransport } from './transport.ts';

export interface TransportOptions {
  readonly clock?: Pick<Clock, 'monotonicMs'>;
  readonly resolve?: Resolve;
  readonly tls?: TlsTrust;
  /** Idle connections kept for each upstream. Default 256. */
  readonly idleMax?: number;
  /** How long they are kept. Default 55,000: less than the minute after which many servers close. */
  readonly idleMs?: number;
  /** Coarseness of deadlines. Default 200. */
  readonly sweepMs?: number;
  /**
   * Told of a sink that threw in its last callback, where nothing else can be told. Default: an uncaught
   * exception.
   */
  readonly onDefect?: (reason: unknown) => void;
}

export interface Http1Transport extends UpstreamTransport {
  /** Idle connections over all upstreams. */
  readonly idleCount: number;
}

const IDLE_MAX = 256;
const IDLE_MS = 55_000;

export function createHttp1Transport(options: TransportOptions = {}): Http1Transport {
  const clock = options.clock ?? systemClock;
  const book = createAddressBook({
    clock, ...(options.resolve === undefined ? {} : { resolve: options.resolve }),
  });
  const limits = { idleMax: options.idleMax ?? IDLE_MAX, idleMs: options.idleMs ?? IDLE_MS };
  const pools = new Map<string, ConnectionPool>();
  const byTarget = new WeakMap<UpstreamTarget, Upstream>();
  let closed = false;

  const sweep = createDeadlineSweep({
    clock,
    sweepIdle(nowMs) {
      let left = false;
      for (const pool of pools.values()) left = pool.sweepIdle(nowMs) || left;
      return left;
    },
    ...(options.sweepMs === undefined ? {} : { sweepMs: options.sweepMs }),
  });

  const surroundings = { clock, sweep, onDefect: options.onDefect ?? throwLater };

  function upstreamOf(target: UpstreamTarget): Upstream {
    const known = byTarget.get(target);
    if (known !== undefined) return known;
    const key = `${target.url.protocol}//${target.url.host}|${target.addresses}`;
    const pool = pools.get(key) ?? createConnectionPool(limits, () => clock.monotonicMs());
    pools.set(key, pool);
    const facts = describeTarget(target, book, options.tls);
    const composer = new RequestHeadComposer(facts.hostHeader);
    const upstream = { ...facts, pool, composer, abandonedDials: 0 };
    byTarget.set(target, upstream);
    return upstream;
  }

  return {
    send(request, sink) {
      const exchange = new Http1Exchange(upstreamOf(request.target), sink, surroundings);
      if (closed) exchange.refuse('closed', 'the transport is closed');
      else exchange.start(request);
      return exchange;
    },
    close() {
      closed = true;
      for (const pool of pools.values()) pool.close();
      sweep.shutDown();
    },
    get idleCount() {
      let count = 0;
      for (const pool of pools.values()) count += pool.idleCount;
      return count;
    },
  };
}

export function throwLater(reason: unknown): void {
  queueMicrotask(() => {
    throw reason;
  });
}
