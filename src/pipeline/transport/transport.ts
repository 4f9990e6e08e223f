// The upstream leg's contract: one request out, one reply back, as bytes. What stands behind it is
// exchangeable. Invariant: every exchange ends in exactly one of `end`, `fail` or our own `abort`, and
// nothing is called after it.

import type { AddressRule } from '../../core/addresses.ts';
import type { Deadlines } from '../../core/bounds.ts';

/** Where an upstream is. Keep one object for each upstream: sockets are looked up by it. */
export interface UpstreamTarget {
  /**
   * Scheme, host and port to connect to: http or https, without user info. The path is the caller's business,
   * who has joined it into `UpstreamRequest.path` already.
   */
  readonly url: URL;
  /**
   * Which addresses the host may resolve to. Judged at every dial, after resolution; cloud metadata never
   * passes.
   */
  readonly addresses: AddressRule;
}

/** The phases that the transport watches, in milliseconds; other deadlines are for the steps around it. */
export type TransportDeadlines = Pick<Deadlines, 'connectMs' | 'responseHeadMs' | 'silenceMs' | 'totalMs'>;

export interface UpstreamRequest {
  readonly target: UpstreamTarget;
  readonly method: 'POST' | 'GET' | 'DELETE' | 'PUT' | 'PATCH' | 'OPTIONS';
  /**
   * Full path with query, beginning with `/`, in printable ASCII, already percent-encoded. Dot segments,
   * backslashes and `#` are refused: they mean different places to different servers.
   */
  readonly path: string;
  /**
   * Sent in this order. Values are printable ASCII. `host`, `content-length` and everything that speaks about
   * the connection (`connection`, `transfer-encoding`, `te`, `expect`, …) belong to the transport and are
   * refused here.
   * Hand in the same list where the headers are the same: it is checked once. It must not change after that.
   */
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** One more header, for what differs each time: the list before it stays the same one. */
  readonly also?: readonly [name: string, value: string] | undefined;
  /**
   * Pieces of the body, written one after the other without being joined; content-length is their sum. They
   * must not change until the exchange is over: a repeat on a fresh socket reads them again. Empty for no
   * body.
   */
  readonly body: readonly Uint8Array[];
  readonly deadlines: TransportDeadlines;
}

/** Header fields of a reply. Values are as received, decoded as Latin-1, without surrounding spaces. */
export interface UpstreamHeaders {
  /** `name` in lower case. A field that came several times has its values joined by a comma. */
  get(name: string): string | undefined;
  /** Every field as it came, names in lower case. */
  entries(): IterableIterator<readonly [name: string, value: string]>;
}

export type TransportFaultKind =
  /** The connection was refused, or the address cannot be reached. */
  | 'refused'
  /** The connection broke, or closed before the reply was complete. */
  | 'reset'
  /** The host name has no address. */
  | 'dns'
  /**
   * The certificate does not verify, has another name, or the handshake failed. Never retried without TLS.
   */
  | 'tls'
  | 'connect-timeout'
  | 'head-timeout'
  | 'silence-timeout'
  | 'total-timeout'
  /** The reply is not HTTP/1.1 as it must be; what has been delivered of it cannot be trusted. */
  | 'bad-framing'
  /** No address of the host may be connected to. Tell no caller which or why. */
  | 'blocked-address'
  /** The reply's head is larger than 64 KiB or has more than 200 fields. */
  | 'oversized-head'
  /**
   * The request itself cannot be written: path, header name or value. A defect, or a credential with a line
   * break.
   */
  | 'unsendable'
  /** We closed: the transport was shut down, or the sink threw. */
  | 'closed';

export interface TransportFault {
  readonly kind: TransportFaultKind;
  /**
   * Whether the upstream may have seen any byte of the request. With `false` a repeat elsewhere cannot be
   * charged twice; with `true` the caller decides.
   */
  readonly sent: boolean;
  /** For the log only: names addresses and system errors. Never sent to a client. */
  readonly detail: string;
}

/**
 * Takes one reply. Called on the JS thread, in the order head, data, end, never before `send` has returned.
 * `head` comes at most once, `data` only after it, and exactly one of `end` and `fail` comes last, unless
 * `abort` was called.
 */
export interface UpstreamSink {
  /**
   * `status` lies in 100 to 599: whatever else the upstream says is reported as 502. Redirects are not
   * followed, they arrive here. `bodyLength` is what content-length announced, zero where no body can follow,
   * `undefined` otherwise.
   */
  head(status: number, headers: UpstreamHeaders, bodyLength: number | undefined): void;
  /**
   * One call for each read from the socket that held content, never with an empty chunk; chunked framing is
   * removed. The chunk's memory belongs to the sink from then on: it is not reused. Returning false asks for
   * no further reads until `resume`; bytes that the socket had read already (less than a megabyte) are still
   * delivered.
   */
  data(chunk: Uint8Array): boolean;
  /**
   * The reply is over. `framed`: its own framing says that it is complete (length reached, last chunk seen).
   * Without it the upstream merely closed, which a cut reply does as well: trust the protocol's terminal
   * event alone.
   */
  end(framed: boolean): void;
  /** The reply will not be completed. What was delivered before it stands. */
  fail(fault: TransportFault): void;
}

export interface UpstreamExchange {
  /**
   * Takes back a `false` that `data` has returned. At any other time it does nothing, and is not remembered.
   */
  resume(): void;
  /**
   * Closes the upstream connection at once, so that the upstream stops working. Repeatable; no callback after
   * it.
   */
  abort(): void;
}

/** One of several ways to reach upstreams. Proxies named in the environment are ignored by all of them. */
export interface UpstreamTransport {
  /** Never throws and never calls the sink before it has returned. */
  send(request: UpstreamRequest, sink: UpstreamSink): UpstreamExchange;
  /** Closes idle sockets and fails what is in flight with `closed`. Later sends fail likewise. */
  close(): void;
}
