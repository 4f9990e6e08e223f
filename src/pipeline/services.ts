// Everything that the steps may use, handed in by the composition root. Nothing here knows of HTTP servers.

import type { Chance, Clock } from '../core/clock.ts';
import type { Deadlines } from '../core/bounds.ts';
import type { ErrorCode } from '../core/errors.ts';
import type { IdSource } from '../core/ids.ts';
import type { Log } from '../core/log.ts';
import type { AccountDirectory } from '../domain/accounts/accounts.ts';
import type { Catalog } from '../domain/catalog/catalog.ts';
import type { Closing, Ledger } from '../domain/ledger/ledger.ts';
import type { StoredReplies } from '../domain/stored-replies/stored-replies.ts';
import type { UpstreamHealth } from '../domain/upstreams/health.ts';
import type { RetryBudget } from '../domain/upstreams/retry-budget.ts';
import type { Decision, Gate, Obligation, PolicyFacts } from '../plugin/policy.ts';
import type { Protocol } from '../plugin/protocol.ts';
import type { TokenCounter } from './count-tokens.ts';
import type { Authenticated, TakenLimits } from './exchange.ts';
import type { SlowBodies } from './slow-bodies.ts';
import type { UpstreamTransport } from './transport/transport.ts';

/** The compliance engine as the pipeline sees it. */
export interface Compliance {
  /** False when nobody would be asked: then no facts need be gathered. */
  asks(gate: Gate, about: 'request' | 'upstream'): boolean;
  judge(about: 'request' | 'upstream', facts: PolicyFacts): Decision | Promise<Decision>;
  /** Facts that only the terms domain knows, and the evidence that an obligation asks for. */
  standing(accountId: Authenticated['account']['id'], at: number): PolicyFacts['terms'];
  fulfil(obligation: Obligation, authenticated: Authenticated, country: string): Promise<void>;
  countryOf(address: string, peer: string, headers: Headers): string;
}

export type LimitOutcome =
  | TakenLimits
  | {
      readonly taken: false;
      readonly limit: 'requests' | 'tokens' | 'concurrency';
      readonly scope: string;
      readonly capacity: number;
      readonly retryAfterSeconds: number;
    };

/** Told of every request once it is over: counters, traces, the log of requests. It neither waits nor throws. */
export interface RequestWatch {
  /** A request that was let in: its record is on its way to the journal. */
  settled(closing: Closing, durationMs: number, request: Request): void;
  /** A request that was refused before anything was held for it. */
  refused(refused: {
    readonly requestId: string;
    readonly protocol: Protocol;
    readonly code: ErrorCode;
    readonly request: Request;
  }): void;
}

export interface PipelineServices {
  readonly clock: Clock;
  readonly chance: Chance;
  readonly newId: IdSource;
  readonly log: Log;
  readonly deadlines: Deadlines;
  readonly accounts: AccountDirectory;
  readonly catalog: Catalog;
  readonly ledger: Ledger;
  readonly compliance: Compliance;
  readonly health: UpstreamHealth;
  readonly retryBudget: RetryBudget;
  readonly transport: UpstreamTransport;
  readonly slowBodies: SlowBodies;
  readonly watch: RequestWatch;
  /** Replies that upstreams keep, and whose they are. */
  readonly storedReplies: StoredReplies;
  /** Asked for each try: the header that carries the request's trace on. Undefined: traces end here. */
  readonly traceparentFor: ((request: Request) => readonly [name: string, value: string]) | undefined;
  /** For a request whose bound by bytes does not fit. */
  readonly tokens: TokenCounter;
  clientAddress(peer: string, headers: Headers): string;
  /** Whether the address lies in one of the CIDR ranges; the ranges were checked when they were saved. */
  addressIn(ranges: readonly string[], address: string): boolean;
  /** Takes from every limit of key, account, group and address, or from none. */
  takeLimits(authenticated: Authenticated, tokens: number): LimitOutcome;
  /** Absolute form of a path on this gateway, by the configured public address. */
  absolute(path: string): string;
  /** Output tokens that a stream holds at first, and at each extension. */
  readonly streamHoldTokens: number;
}
