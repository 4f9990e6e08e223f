// One exchange over our own HTTP/1.1 client: finds or dials a connection, hands the request over, watches
// deadlines. Invariant: the sink hears `end` or `fail` exactly once, after `send` has returned, and nothing
// after `abort`.

import type { Clock } from '../../core/clock.ts';
import { type Carried, Connection, type Dialler } from './connection.ts';
import type { ConnectionPool } from './connection-pool.ts';
import type { DeadlineSweep, InFlight } from './deadline-sweep.ts';
import type { TargetFacts } from './describe-target.ts';
import type { ReplyHead } from './reply-head.ts';
import { bodyBytesOf, type RequestHead, type RequestHeadComposer } from './request-head.ts';
import type {
  TransportDeadlines, TransportFaultKind, UpstreamExchange, UpstreamRequest, UpstreamSink,
} from './transport.ts';
import type { Vetting } from './vet-address.ts';

/** What the transport keeps for each target. */
export interface Upstream extends TargetFacts {
  readonly pool: ConnectionPool;
  readonly composer: RequestHeadComposer;
  /**
   * Dials given up on whose sockets the system still holds. They cannot be cancelled, so an upstream that
   * swallows connections is refused at once when there are too many.
   */
  abandonedDials: number;
}

export interface Surroundings {
  readonly clock: Pick<Clock, 'monotonicMs'>;
  readonly sweep: DeadlineSweep;
  readonly onDefect: (reason: unknown) => void;
}

const ABANDONED_DIALS_MAX = 256;
/**
 * An orderly close within one round trip of our writing was on its way before the upstream could see the
 * request. The floor covers our own delay in hearing of it.
 */
const ROUND_TRIP_FLOOR_MS = 5;
const ROUND_TRIP_CEILING_MS = 250;

type Phase = 'dial' | 'head' | 'body' | 'over';

const NO_BODY: readonly Uint8Array[] = [];

export class Http1Exchange implements UpstreamExchange, InFlight, Carried, Dialler {
  slot = -1;
  readonly #upstream: Upstream;
  readonly #sink: UpstreamSink;
  readonly #around: Surroundings;
  #phase: Phase = 'dial';
  #deadlines: TransportDeadlines | undefined;
  #head: RequestHead | undefined;
  /** Kept until a reply begins: from then on nothing is repeated, and the body may be large. */
  #body = NO_BODY;
  #bodyBytes = 0;
  #connection: Connection | undefined;
  /** Vetted addresses that have not been dialled yet. */
  #addresses: readonly string[] = [];
  #dialStartedMs = 0;
  #sentMs = 0;
  #heardMs = 0;
  #sent = false;
  #paused = false;
  #reused = false;
  #repeated = false;

  constructor(upstream: Upstream, sink: UpstreamSink, around: Surroundings) {
    this.#upstream = upstream;
    this.#sink = sink;
    this.#around = around;
  }

  start(request: UpstreamRequest): void {
    const { problem, pool } = this.#upstream;
    if (problem !== undefined) return this.refuse('blocked-address', problem);
    this.#deadlines = request.deadlines;
    this.#body = request.body;
    this.#bodyBytes = bodyBytesOf(request.body);
    const head = this.#upstream.composer.compose(request, this.#bodyBytes);
    if (head.kind === 'unsendable') return this.refuse('unsendable', head.detail);
    this.#head = head;
    this.#dialStartedMs = this.#around.clock.monotonicMs();
    this.#around.sweep.add(this);
    const idle = pool.take(this.#dialStartedMs);
    if (idle === undefined) return this.#resolve();
    this.#reused = true;
    if (!this.#carryOn(idle, this.#dialStartedMs)) this.#resolve();
  }

  /** Fails without having tried, once the caller has its handle. */
  refuse(kind: TransportFaultKind, detail: string): void {
    queueMicrotask(() => this.failed(kind, detail));
  }

  shutDown(): void {
    this.#dropConnection();
    this.failed('closed', 'the transport was closed');
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#heardMs = this.#around.clock.monotonicMs();
    this.#connection?.resume();
  }

  abort(): void {
    if (this.#phase === 'over') return;
    this.#dropConnection();
    this.#finish();
  }

  expire(nowMs: number): void {
    if (this.#deadlines === undefined) return;
    const { connectMs, responseHeadMs, silenceMs, totalMs } = this.#deadlines;
    switch (this.#phase) {
      case 'dial':
        if (nowMs - this.#dialStartedMs > connectMs) this.#expired('connect-timeout', connectMs);
        return;
      case 'head':
        if (nowMs - this.#sentMs > Math.min(responseHeadMs, totalMs)) {
          if (totalMs < responseHeadMs) this.#expired('total-timeout', totalMs);
          else this.#expired('head-timeout', responseHeadMs);
        }
        return;
      case 'body':
        if (nowMs - this.#sentMs > totalMs) return this.#expired('total-timeout', totalMs);
        // Bytes came since the last sweep: when exactly does not matter to deadlines as coarse as it.
        if (this.#connection?.heard === true) {
          this.#connection.heard = false;
          this.#heardMs = nowMs;
        }
        // While we keep the upstream waiting, its silence is ours.
        if (!this.#paused && nowMs - this.#heardMs > silenceMs) this.#expired('silence-timeout', silenceMs);
        return;
      case 'over':
        return;
    }
  }

  #expired(kind: TransportFaultKind, limitMs: number): void {
    this.#dropConnection();
    this.failed(kind, `no progress within ${limitMs} ms`);
  }

  // --- dialling ---

  #resolve(): void {
    this.#phase = 'dial';
    this.#dialStartedMs = this.#around.clock.monotonicMs();
    if (this.#upstream.abandonedDials >= ABANDONED_DIALS_MAX) {
      return this.refuse('connect-timeout', `${ABANDONED_DIALS_MAX} earlier dials still hang`);
    }
    const vetting = this.#upstream.vet();
    if (vetting instanceof Promise) void vetting.then((answer) => this.#vetted(answer));
    else this.#vetted(vetting);
  }

  #vetted(vetting: Vetting): void {
    if (this.#phase !== 'dial') return;
    if (vetting.kind !== 'dial') return this.refuse(vetting.kind, vetting.detail);
    this.#addresses = vetting.addresses;
    this.#dialNext();
  }

  #dialNext(): void {
    const [address, ...rest] = this.#addresses;
    if (address === undefined) return;
    this.#addresses = rest;
    const { pool, port, tls } = this.#upstream;
    this.#connection = new Connection(pool, { address, port, tls }, this);
    this.#connection.dial();
  }

  dialled(connection: Connection): void {
    if (this.#phase !== 'dial' || connection !== this.#connection) return connection.discard();
    this.#reused = false;
    if (this.#carryOn(connection, this.#around.clock.monotonicMs())) return;
    this.failed('reset', 'closed as soon as it was connected');
  }

  dialFailed(connection: Connection, kind: 'refused' | 'tls', detail: string): void {
    if (this.#phase !== 'dial' || connection !== this.#connection) return;
    // Another address of the same answer may do; a certificate that does not verify ends the matter.
    if (kind === 'refused' && this.#addresses.length > 0) return this.#dialNext();
    this.#connection = undefined;
    this.failed(kind, detail);
  }

  #carryOn(connection: Connection, nowMs: number): boolean {
    this.#connection = connection;
    this.#phase = 'head';
    this.#sentMs = this.#heardMs = nowMs;
    this.#sent = connection.carry(this, this.#head!, this.#body, this.#bodyBytes);
    return this.#sent;
  }

  // --- from the connection ---

  replyHead(head: ReplyHead): void {
    this.#phase = 'body';
    this.#body = NO_BODY;
    const { framing, length } = head;
    const bodyLength = framing === 'length' || framing === 'none' ? length : undefined;
    try {
      this.#sink.head(head.status, head, bodyLength);
    } catch (reason) {
      this.#sinkThrew(reason);
    }
  }

  replyData(chunk: Uint8Array): boolean {
    if (this.#phase === 'over') return true;
    try {
      this.#paused = !this.#sink.data(chunk);
    } catch (reason) {
      this.#sinkThrew(reason);
    }
    return !this.#paused;
  }

  finished(framed: boolean): void {
    if (this.#phase === 'over') return;
    this.#finish();
    try {
      this.#sink.end(framed);
    } catch (reason) {
      this.#around.onDefect(reason);
    }
  }

  failed(kind: TransportFaultKind, detail: string): void {
    if (this.#phase === 'over') return;
    this.#finish();
    try {
      this.#sink.fail({ kind, sent: this.#sent, detail });
    } catch (reason) {
      this.#around.onDefect(reason);
    }
  }

  lostUnanswered(connection: Connection, orderly: boolean, detail: string): void {
    const windowMs = Math.min(Math.max(connection.roundTripMs, ROUND_TRIP_FLOOR_MS), ROUND_TRIP_CEILING_MS);
    const unseen = orderly && this.#around.clock.monotonicMs() - this.#sentMs < windowMs;
    if (!this.#reused || this.#repeated || !unseen) {
      return this.failed('reset', `closed unanswered: ${detail}`);
    }
    this.#repeated = true;
    this.#sent = false;
    this.#resolve();
  }

  /** The exchange must end all the same: a request that never ends keeps its hold open. */
  #sinkThrew(reason: unknown): void {
    this.#dropConnection();
    this.failed('closed', `sink threw: ${String(reason)}`);
  }

  #finish(): void {
    this.#phase = 'over';
    this.#connection = undefined;
    this.#around.sweep.delete(this);
  }

  #dropConnection(): void {
    const connection = this.#connection;
    if (connection === undefined) return;
    if (this.#phase === 'dial') this.#abandon(connection);
    connection.discard();
  }

  #abandon(connection: Connection): void {
    const upstream = this.#upstream;
    if (connection.isOpen) return;
    upstream.abandonedDials += 1;
    connection.onDialEnd = () => { upstream.abandonedDials -= 1; };
  }
}
