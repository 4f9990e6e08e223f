// The same contract on Bun's fetch: a switch for upstreams that our own client cannot speak to. It costs
// twice as much, knows less of the framing, and runs at most 256 requests at once unless the process was
// started otherwise.

import { type Clock, systemClock } from '../../core/clock.ts';
import { createDeadlineSweep, type DeadlineSweep, type InFlight } from './deadline-sweep.ts';
import { describeTarget, type TargetFacts, tlsOptions } from './describe-target.ts';
import { type TransportOptions, throwLater } from './http1-transport.ts';
import { bodyBytesOf, requestProblem } from './request-head.ts';
import type {
  TransportFaultKind, UpstreamExchange, UpstreamHeaders, UpstreamRequest, UpstreamSink, UpstreamTarget,
  UpstreamTransport,
} from './transport.ts';
import { createAddressBook } from './vet-address.ts';

/** A target with a pool of its own: two names on one address must never share a verified connection. */
interface FetchUpstream extends TargetFacts {
  readonly scheme: string;
  readonly session: Bun.FetchSession;
}

interface Surroundings {
  readonly clock: Pick<Clock, 'monotonicMs'>;
  readonly sweep: DeadlineSweep;
  readonly onDefect: (reason: unknown) => void;
}

const IDLE_SECONDS = 55;

export function createFetchTransport(options: TransportOptions = {}): UpstreamTransport {
  const clock = options.clock ?? systemClock;
  const book = createAddressBook({
    clock, ...(options.resolve === undefined ? {} : { resolve: options.resolve }),
  });
  const byTarget = new WeakMap<UpstreamTarget, FetchUpstream>();
  const sessions = new Map<string, Bun.FetchSession>();
  const sweep = createDeadlineSweep({
    clock, sweepIdle: () => false, ...(options.sweepMs === undefined ? {} : { sweepMs: options.sweepMs }),
  });
  const around: Surroundings = { clock, sweep, onDefect: options.onDefect ?? throwLater };
  const keepAlive = {
    idleTimeout: options.idleMs === undefined ? IDLE_SECONDS : Math.ceil(options.idleMs / 1_000),
    ...(options.idleMax === undefined ? {} : { maxIdleSockets: options.idleMax }),
  };
  let closed = false;

  function upstreamOf(target: UpstreamTarget): FetchUpstream {
    const known = byTarget.get(target);
    if (known !== undefined) return known;
    const key = `${target.url.protocol}//${target.url.host}|${target.addresses}`;
    const session = sessions.get(key) ?? new Bun.FetchSession({ keepAlive });
    sessions.set(key, session);
    const upstream = { ...describeTarget(target, book, options.tls), scheme: target.url.protocol, session };
    byTarget.set(target, upstream);
    return upstream;
  }

  return {
    send(request, sink) {
      const exchange = new FetchExchange(upstreamOf(request.target), request, sink, around);
      if (closed) exchange.refuse('closed', 'the transport is closed');
      else exchange.start();
      return exchange;
    },
    close() {
      closed = true;
      sweep.shutDown();
      for (const session of sessions.values()) session.close();
    },
  };
}

class FetchExchange implements UpstreamExchange, InFlight {
  slot = -1;
  readonly #upstream: FetchUpstream;
  readonly #request: UpstreamRequest;
  readonly #sink: UpstreamSink;
  readonly #around: Surroundings;
  readonly #controller = new AbortController();
  #phase: 'head' | 'body' | 'over' = 'head';
  #sent = false;
  #startedMs = 0;
  #heardMs = 0;
  #resumed: (() => void) | undefined;

  constructor(upstream: FetchUpstream, request: UpstreamRequest, sink: UpstreamSink, around: Surroundings) {
    this.#upstream = upstream;
    this.#request = request;
    this.#sink = sink;
    this.#around = around;
  }

  start(): void {
    const { problem } = this.#upstream;
    if (problem !== undefined) return this.refuse('blocked-address', problem);
    const unsendable = requestProblem(this.#request);
    if (unsendable !== undefined) return this.refuse('unsendable', unsendable);
    this.#startedMs = this.#heardMs = this.#around.clock.monotonicMs();
    this.#around.sweep.add(this);
    // Nothing in there may call the sink before `send` has returned.
    queueMicrotask(() => void this.#run());
  }

  refuse(kind: TransportFaultKind, detail: string): void {
    queueMicrotask(() => this.#failed(kind, detail));
  }

  shutDown(): void {
    this.#failed('closed', 'the transport was closed');
  }

  resume(): void {
    if (this.#resumed === undefined) return;
    this.#heardMs = this.#around.clock.monotonicMs();
    const resumed = this.#resumed;
    this.#resumed = undefined;
    resumed();
  }

  abort(): void {
    this.#finish();
  }

  /** fetch does not tell when it has connected: both deadlines together bound the way to the head. */
  expire(nowMs: number): void {
    const { connectMs, responseHeadMs, silenceMs, totalMs } = this.#request.deadlines;
    const sinceStartMs = nowMs - this.#startedMs;
    if (sinceStartMs > connectMs + totalMs) this.#failed('total-timeout', `not over within ${totalMs} ms`);
    else if (this.#phase === 'head' && sinceStartMs > connectMs + responseHeadMs) {
      this.#failed('head-timeout', `no head within ${responseHeadMs} ms`);
    } else if (this.#phase === 'body' && this.#resumed === undefined && nowMs - this.#heardMs > silenceMs) {
      this.#failed('silence-timeout', `nothing within ${silenceMs} ms`);
    }
  }

  async #run(): Promise<void> {
    try {
      const vetting = await this.#upstream.vet();
      if (vetting.kind !== 'dial') return this.#failed(vetting.kind, vetting.detail);
      const response = await this.#fetchFirst(vetting.addresses);
      if (this.#phase !== 'over') await this.#relay(response);
    } catch (reason) {
      const { kind, sent } = readFault(reason);
      this.#sent &&= sent;
      this.#failed(kind, String(reason));
    }
  }

  /** Dials one address after the other, while none has seen the request. */
  async #fetchFirst(addresses: readonly string[]): Promise<Response> {
    const { request, init } = this.#prepare();
    for (const [index, address] of addresses.entries()) {
      if (this.#phase === 'over') break;
      this.#sent = true;
      const host = address.includes(':') ? `[${address}]` : address;
      try {
        const origin = `${this.#upstream.scheme}//${host}:${this.#upstream.port}`;
        return await this.#upstream.session.fetch(origin + request.path, init);
      } catch (reason) {
        if (index === addresses.length - 1 || readFault(reason).kind !== 'refused') throw reason;
      }
    }
    throw new Error('given up before it was sent');
  }

  #prepare(): { readonly request: UpstreamRequest; readonly init: BunFetchRequestInit } {
    const request = this.#request;
    const { tls, hostHeader } = this.#upstream;
    const headers: [string, string][] = [['host', hostHeader]];
    for (const [name, value] of request.headers) headers.push([name, value]);
    if (request.also !== undefined) headers.push([...request.also]);
    const hasBody = bodyBytesOf(request.body) > 0 || request.method === 'POST';
    return {
      request,
      init: {
        method: request.method, headers, redirect: 'manual', proxy: false, decompress: false,
        signal: this.#controller.signal,
        ...(hasBody ? { body: Buffer.concat(request.body) } : {}),
        ...(tls === undefined ? {} : { tls: tlsOptions(tls) }),
      },
    };
  }

  async #relay(response: Response): Promise<void> {
    const framing = readFraming(response);
    if (framing === undefined) {
      return this.#failed('bad-framing', 'both content-length and transfer-encoding');
    }
    this.#phase = 'body';
    this.#heardMs = this.#around.clock.monotonicMs();
    const status = response.status >= 100 && response.status <= 599 ? response.status : 502;
    const headers = fetchedHeaders(response.headers);
    if (!this.#told(() => this.#sink.head(status, headers, framing.bodyLength))) return;
    if (response.body !== null) {
      for await (const chunk of response.body) {
        if (this.#isOver()) return;
        this.#heardMs = this.#around.clock.monotonicMs();
        if (chunk.length === 0) continue;
        let goOn = true;
        if (!this.#told(() => { goOn = this.#sink.data(chunk); })) return;
        if (!goOn) await new Promise<void>((resume) => { this.#resumed = resume; });
      }
    }
    if (this.#isOver()) return;
    this.#finish();
    this.#told(() => this.#sink.end(framing.framed));
  }

  // A method, because the compiler cannot know that a callback may have ended the exchange.
  #isOver(): boolean {
    return this.#phase === 'over';
  }

  /** Calls the sink; false if the exchange is over after that. */
  #told(call: () => void): boolean {
    try {
      call();
    } catch (reason) {
      if (this.#isOver()) this.#around.onDefect(reason);
      else this.#failed('closed', `sink threw: ${String(reason)}`);
    }
    return !this.#isOver();
  }

  #failed(kind: TransportFaultKind, detail: string): void {
    if (this.#isOver()) return;
    this.#finish();
    this.#told(() => this.#sink.fail({ kind, sent: this.#sent, detail }));
  }

  #finish(): void {
    if (this.#isOver()) return;
    this.#phase = 'over';
    this.#around.sweep.delete(this);
    this.#controller.abort();
    this.resume();
  }
}

/** `undefined` if the reply frames its body twice. */
function readFraming(response: Response): { framed: boolean; bodyLength: number | undefined } | undefined {
  const length = response.headers.get('content-length');
  const chunked = response.headers.has('transfer-encoding');
  if (response.status === 204 || response.status === 304) return { framed: true, bodyLength: 0 };
  if (length !== null && chunked) return undefined;
  return { framed: length !== null || chunked, bodyLength: length === null ? undefined : Number(length) };
}

function fetchedHeaders(headers: Headers): UpstreamHeaders {
  return { get: (name) => headers.get(name) ?? undefined, entries: () => headers.entries() };
}

const FAULTS: Readonly<Record<string, TransportFaultKind>> = {
  ECONNREFUSED: 'refused', EHOSTUNREACH: 'refused', ENETUNREACH: 'refused', EADDRNOTAVAIL: 'refused',
  ENOTFOUND: 'dns', ERR_TLS_CERT_ALTNAME_INVALID: 'tls', EPROTO: 'tls',
  Malformed_HTTP_Response: 'bad-framing', InvalidHTTPResponse: 'bad-framing',
  InvalidContentLength: 'bad-framing',
  UnrequestedUpgrade: 'bad-framing', ResponseHeadersTooLarge: 'oversized-head',
};

function readFault(reason: unknown): { readonly kind: TransportFaultKind; readonly sent: boolean } {
  const code = reason instanceof Error && 'code' in reason ? String(reason.code) : '';
  const kind = FAULTS[code] ?? (/CERT|SSL|TLS/.test(code) ? 'tls' : 'reset');
  return { kind, sent: kind !== 'refused' && kind !== 'dns' && kind !== 'tls' };
}
