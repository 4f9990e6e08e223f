// One connection to an upstream, used for one exchange at a time. Invariant: with TLS no byte of a request is
// written before the certificate has been verified; a connection that is out of step with its upstream is
// never used again.

import { type TargetFacts, tlsOptions } from './describe-target.ts';
import type { ReplyHead } from './reply-head.ts';
import { type ReplyEvents, ReplyReader } from './reply-reader.ts';
import { headBytesMax, type RequestHead, writeHead } from './request-head.ts';
import type { TransportFaultKind } from './transport.ts';

export interface DialTarget {
  /** A vetted address literal. */
  readonly address: string;
  readonly port: number;
  readonly tls: TargetFacts['tls'];
}

/** Told how the dial ends: exactly one of both, once. */
export interface Dialler {
  dialled(connection: Connection): void;
  dialFailed(connection: Connection, kind: 'refused' | 'tls', detail: string): void;
}

/** The exchange that a connection carries. */
export interface Carried {
  replyHead(head: ReplyHead): void;
  /** False to pause reading. */
  replyData(chunk: Uint8Array): boolean;
  finished(framed: boolean): void;
  failed(kind: TransportFaultKind, detail: string): void;
  /** Lost before the first byte of a reply came. `orderly`: the upstream had closed it, not broken it off. */
  lostUnanswered(connection: Connection, orderly: boolean, detail: string): void;
}

export interface Home {
  /** The exchange is over and the connection may carry another. */
  giveBack(connection: Connection): void;
  /** The connection is gone. */
  forget(connection: Connection): void;
  /** The monotonic clock. */
  nowMs(): number;
}

/** Heads and small bodies leave in one write out of this memory; what the socket does not take is copied. */
const SCRATCH = Buffer.allocUnsafeSlow(64 * 1024);

/** Of all connections with nothing to write, which is most of the time; never added to. */
const NOTHING: Uint8Array[] = [];

const CLOSED_WHILE_WRITING = 'closed while the request was written';

export class Connection implements ReplyEvents {
  readonly #home: Home;
  readonly #target: DialTarget;
  readonly #reader = new ReplyReader(this);
  #dialler: Dialler | undefined;
  #socket: Bun.Socket<Connection> | undefined;
  #carried: Carried | undefined;
  #closed = false;
  #answered = false;
  #paused = false;
  #keepMs = Number.POSITIVE_INFINITY;
  /** Pieces that the socket has not taken yet, from `#outIndex` on. */
  #out = NOTHING;
  #outIndex = 0;
  #dialledMs = 0;
  /** How long the TCP connection took: at least one round trip to the upstream. */
  roundTripMs = 0;
  /** When its last reply ended: an idle one idles since then. */
  idleSinceMs = 0;
  /** A byte has come, of whatever kind, since this was last set to false: cheaper than a time for each. */
  heard = false;
  /** Called once when a dial that was given up is over at last. */
  onDialEnd: (() => void) | undefined;

  constructor(home: Home, target: DialTarget, dialler: Dialler) {
    this.#home = home;
    this.#target = target;
    this.#dialler = dialler;
  }

  get keepMs(): number {
    return this.#keepMs;
  }

  /** Whether the system has finished dialling: until then nothing can be cancelled. */
  get isOpen(): boolean {
    return this.#socket !== undefined;
  }

  get usable(): boolean {
    return !this.#closed && this.#socket !== undefined && this.#socket.readyState === 1;
  }

  dial(): void {
    const { address, port, tls } = this.#target;
    const options = tls === undefined ? {} : { tls: tlsOptions(tls) };
    this.#dialledMs = this.#home.nowMs();
    try {
      Bun.connect<Connection>({ hostname: address, port, data: this, socket: socketHandlers, ...options })
        .catch((reason: unknown) => this.lost(String(reason)));
    } catch (reason) {
      queueMicrotask(() => this.lost(String(reason)));
    }
  }

  /**
   * Writes a request and reads its reply. False if the socket was found closed before it took a byte of it.
   */
  carry(carried: Carried, head: RequestHead, body: readonly Uint8Array[], bodyBytes: number): boolean {
    this.#carried = carried;
    this.#answered = false;
    this.#reader.begin();
    if (this.#writeRequest(head, body, bodyBytes)) return true;
    this.#carried = undefined;
    this.discard();
    return false;
  }

  /** Reads again after `replyData` returned false. */
  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#socket?.resume();
  }

  /**
   * Gives up the exchange, if any, and closes at once, without a goodbye: the upstream is to stop working.
   */
  discard(): void {
    this.#detach();
    this.#dialler = undefined;
    if (this.#closed) return;
    this.#closed = true;
    this.#home.forget(this);
    this.#socket?.terminate();
  }

  /** Closes an idle connection politely. */
  retire(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#home.forget(this);
    this.#socket?.end();
  }

  // --- from the socket ---

  opened(socket: Bun.Socket<Connection>): void {
    this.#socket = socket;
    this.roundTripMs = this.#home.nowMs() - this.#dialledMs;
    this.#dialEnded();
    if (this.#closed) return void socket.terminate();
    socket.setNoDelay(true);
    if (this.#target.tls === undefined) this.#ready();
  }

  handshaken(socket: Bun.Socket<Connection>, verified: boolean, problem: Error | null): void {
    if (this.#closed) return;
    if (verified && problem === null && socket.authorized) return this.#ready();
    const dialler = this.#dialler;
    this.discard();
    dialler?.dialFailed(this, 'tls', problem === null ? 'handshake failed' : String(problem));
  }

  received(bytes: Buffer): void {
    const carried = this.#carried;
    // Bytes that nobody asked for: the upstream is out of step, and they must not be read as the next reply.
    if (carried === undefined) return this.discard();
    this.#answered = true;
    this.heard = true;
    this.#reader.read(bytes);
  }

  drained(): void {
    if (this.#carried !== undefined && !this.#pump()) this.lost(CLOSED_WHILE_WRITING);
  }

  /** The socket is gone. `undefined`: the upstream closed it in good order. */
  lost(detail: string | undefined): void {
    this.#dialEnded();
    if (this.#closed) return;
    this.#closed = true;
    this.#home.forget(this);
    const text = detail ?? 'closed by the upstream';
    const dialler = this.#dialler;
    this.#dialler = undefined;
    if (dialler !== undefined) {
      return dialler.dialFailed(this, this.#socket === undefined ? 'refused' : 'tls', text);
    }
    const carried = this.#carried;
    if (carried !== undefined && !this.#answered) {
      this.#detach();
      return carried.lostUnanswered(this, detail === undefined || detail.includes('EPIPE'), text);
    }
    this.#reader.closed(detail === undefined, text);
  }

  // --- from the reply reader ---

  replyHead(head: ReplyHead): void {
    this.#keepMs = head.keepMs;
    this.#carried?.replyHead(head);
  }

  replyData(chunk: Uint8Array): void {
    const carried = this.#carried;
    if (carried === undefined || carried.replyData(chunk)) return;
    if (this.#carried !== carried || this.#paused) return;
    this.#paused = true;
    this.#socket?.pause();
  }

  replyEnd(framed: boolean, surplus: boolean): void {
    const carried = this.#carried;
    const wholeRequestWritten = this.#outIndex === this.#out.length;
    this.resume();
    if (framed && !surplus && wholeRequestWritten && this.#keepMs > 0 && !this.#closed) {
      this.#detach();
      this.idleSinceMs = this.#home.nowMs();
      this.#home.giveBack(this);
    } else {
      this.discard();
    }
    carried?.finished(framed);
  }

  replyBad(kind: 'bad-framing' | 'oversized-head' | 'reset', detail: string): void {
    const carried = this.#carried;
    this.discard();
    carried?.failed(kind, detail);
  }

  #ready(): void {
    const dialler = this.#dialler;
    this.#dialler = undefined;
    dialler?.dialled(this);
  }

  #dialEnded(): void {
    this.onDialEnd?.();
    this.onDialEnd = undefined;
  }

  #detach(): void {
    this.#carried = undefined;
    this.#reader.stop();
    this.#out = NOTHING;
    this.#outIndex = 0;
  }

  #writeRequest(head: RequestHead, body: readonly Uint8Array[], bodyBytes: number): boolean {
    if (headBytesMax(head) + bodyBytes > SCRATCH.length) return this.#writeLarge(head, body, bodyBytes);
    let total = writeHead(SCRATCH, head, bodyBytes);
    for (const piece of body) {
      SCRATCH.set(piece, total);
      total += piece.byteLength;
    }
    const written = this.#socket!.write(SCRATCH, 0, total);
    if (written < 0) return false;
    if (written < total) this.#out = [Buffer.from(SCRATCH.subarray(written, total))];
    return true;
  }

  #writeLarge(head: RequestHead, body: readonly Uint8Array[], bodyBytes: number): boolean {
    const room = Buffer.allocUnsafeSlow(headBytesMax(head));
    const first = room.subarray(0, writeHead(room, head, bodyBytes));
    this.#out = [first, ...body];
    this.#outIndex = 0;
    if (this.#pump()) return true;
    // Closed on the way: once a byte was taken, the end is told like any other close, after `send` has
    // returned.
    if (this.#outIndex === 0 && this.#out[0] === first) return false;
    queueMicrotask(() => this.lost(CLOSED_WHILE_WRITING));
    return true;
  }

  /** Writes on until the socket is full. False if it is closed. */
  #pump(): boolean {
    while (this.#outIndex < this.#out.length) {
      const piece = this.#out[this.#outIndex]!;
      const written = piece.byteLength === 0 ? 0 : this.#socket!.write(piece);
      if (written < 0) return false;
      if (written < piece.byteLength) {
        if (written > 0) this.#out[this.#outIndex] = piece.subarray(written);
        return true;
      }
      this.#outIndex += 1;
    }
    // The socket has all of it; the connection would keep a large body until its reply ends.
    this.#out = NOTHING;
    this.#outIndex = 0;
    return true;
  }
}

/** One set of handlers for all sockets. */
const socketHandlers: Bun.SocketHandler<Connection> = {
  open: (socket) => socket.data.opened(socket),
  handshake: (socket, verified, problem) => socket.data.handshaken(socket, verified, problem),
  data: (socket, bytes) => socket.data.received(bytes),
  drain: (socket) => socket.data.drained(),
  close: (socket, reason) => socket.data.lost(reason === undefined ? undefined : String(reason)),
  // A TLS session that breaks: the socket closes after it, but the reason is known only here.
  error: (socket, reason) => socket.data.lost(String(reason)),
  connectError: (socket, reason) => socket.data.lost(String(reason)),
};
