// Provider: knows one vendor. It says what to send and what a reply means; the host sends, retries, meters and books.

import type { MicroPerMillion } from '../core/money.ts';
import type { Dialect } from './codec.ts';
import type { Operation, ProtocolName } from './operations.ts';
import type { StreamFraming } from './protocol.ts';
import type { UsagePart, UsageReading } from './usage.ts';

/** What the host is about to send, without the body and without anything that identifies the caller. */
export interface UpstreamCall {
  readonly operation: Operation;
  readonly protocol: ProtocolName;
  /** The upstream's own name for the model. Percent-encode it wherever it enters a path. */
  readonly model: string;
  readonly stream: boolean;
  /**
   * How the client wants the events of a stream, where it speaks the same protocol. Absent: server-sent events. An
   * upstream may send events all the same: they are framed anew for the client.
   */
  readonly framing?: StreamFraming;
}

/** Where and how to send it. Paths are appended to the upstream's base URL; hosts cannot be changed here. */
export interface UpstreamAddressing {
  /** Begins with `/`; appended to the base URL's own path. */
  readonly path: string;
  /** Query without `?`; empty for none. */
  readonly query: string;
  /** Lower-case names. Credential headers belong here. The host adds content-type, host and framing. */
  readonly headers: readonly (readonly [name: string, value: string])[];
}

/** Why an attempt failed, which decides who is to blame and whether another upstream may be tried. */
export type FaultClass =
  /** The request itself is wrong: relay the upstream's answer, try no other upstream. */
  | 'request'
  /** The upstream's credential is dead or out of money: take the upstream out, try another. */
  | 'credential'
  /** The upstream limits us: back off for `retryAfterMs`, try another. */
  | 'rate-limit'
  /** The upstream is overloaded or broken: try another. */
  | 'unavailable'
  /** The upstream does not know this model: try another. */
  | 'model';

export interface UpstreamFailure {
  /** HTTP status from 100 to 599; others are clamped to 502 before this is asked. */
  readonly status: number;
  /** Lower-case names. */
  readonly headers: ReadonlyMap<string, string>;
  /** The head of the body, at most 64 KiB, decoded leniently. */
  readonly body: string;
}

/** How a vendor's streams differ from the letter of the protocol. */
export interface StreamQuirks {
  /**
   * `on-request`: usage comes only when asked for (`stream_options.include_usage`), so the host asks.
   * `always`: comes unasked, and asking is refused. `never`: the host estimates.
   */
  readonly usage: 'on-request' | 'always' | 'never';
  /** Asked for usage, every event that has none says `"usage":null`; not asked, none does. Default: false. */
  readonly nullUsage?: boolean;
  /** `done`: the protocol's own terminal event. `finish-reason`: a finish reason, then a clean end, will do. */
  readonly end: 'done' | 'finish-reason';
}

/** A model that the vendor is known to serve, with its list price, offered when an operator adds an upstream. */
export interface ProviderModel {
  readonly model: string;
  readonly operations: readonly Operation[];
  /** Tokens of input and output together. */
  readonly contextTokens: number;
  readonly outputTokensMax: number;
  /** What the vendor charges us: micro-units per million, by part. */
  readonly listPrice?: {
    readonly currency: string;
    readonly rates: Readonly<Partial<Record<UsagePart, MicroPerMillion>>>;
  };
}

export interface Provider {
  /** Protocols by operation, best first. An operation that is not listed is not served. */
  readonly speaks: Readonly<Partial<Record<Operation, readonly ProtocolName[]>>>;
  /** Base URL used when an upstream names none; absent if every upstream must. */
  readonly defaultBaseUrl?: string;
  /** Whether an upstream of this provider needs a credential. */
  readonly needsCredential: boolean;
  readonly quirks: StreamQuirks;
  /**
   * What happens upstream when we hang up: `stops` = generation and billing stop; `bills` = the vendor bills the
   * whole completion, so the operator may choose to drain it.
   */
  readonly onCancel: 'stops' | 'bills';
  /** Parts that `usage` may report for the operation: a model must price each of them. */
  parts(operation: Operation): readonly UsagePart[];
  /**
   * Path, query and headers for a call. Pure; asked once per upstream, credential, model, operation, stream flag
   * and framing, and the answer is kept. Throwing fails the attempt as `unavailable`.
   */
  address(call: UpstreamCall, credential: string | undefined): UpstreamAddressing;
  /**
   * How that model differs from the letter of a protocol, as far as requests must be written otherwise; what is left
   * out is as the protocol has it. Pure; asked once per upstream, model and protocol. Absent: it does not differ.
   */
  dialect?(model: string, protocol: ProtocolName): Partial<Dialect>;
  /**
   * Where the vendor counts the input tokens of a request in that protocol, for nothing. Absent or undefined: the host
   * counts them itself.
   */
  countTokens?(call: UpstreamCall, credential: string | undefined): UpstreamAddressing | undefined;
  /**
   * Path of a reply that the vendor keeps, percent-encoded, for `openai-responses`: `/responses/ID`. Absent: it keeps
   * none. Headers are those of `address`.
   */
  storedReplyPath?(id: string): string;
  /**
   * Reads the vendor's usage block (parsed JSON of unknown shape) into disjoint parts. The protocol is the one that the
   * upstream was asked in: some vendors count otherwise in each. Tolerant: what cannot be read
   * is zero and flagged, never thrown. The host clamps the result to what is physically possible. `undefined` means
   * that this is not a usage block at all.
   */
  usage(raw: unknown, operation: Operation, protocol: ProtocolName): UsageReading | undefined;
  /** Classifies a reply whose status is not 2xx, or whose 2xx body is an error. Pure. */
  classify(failure: UpstreamFailure): FaultClass;
  /**
   * The vendor's own words for the caller, out of an error body that is not in the form of the protocol: the host
   * writes them in that form, with the upstream's status. Asked for failures of class `request` only, and only where
   * the provider has it; without it, or where it returns undefined or nothing but blanks, the body goes on as it is.
   * Pure. At most 2,000 characters are passed on.
   */
  explain?(failure: UpstreamFailure): string | undefined;
  /** Models with list prices; may be empty. */
  readonly models: readonly ProviderModel[];
}
