// The growing types of one request. Each step takes the type that the step before it returned, so that a step out of
// place does not compile. What happens once a request stands here; what happens once an attempt stands in attempt.ts.

import type { EpochMs } from '../core/clock.ts';
import type { RequestId } from '../core/ids.ts';
import type { Account, ApiKey, Group } from '../domain/accounts/accounts.ts';
import type { Model, Offer } from '../domain/catalog/catalog.ts';
import type { Hold, PinnedTerms } from '../domain/ledger/records.ts';
import type { Protocol, RequestFacts, RequestLine } from '../plugin/protocol.ts';
import type { UsageParts } from '../plugin/usage.ts';
import type { RequestBody } from './request-body.ts';

/** Head of a request: nothing of its body was read yet. */
export interface Received {
  readonly requestId: RequestId;
  readonly protocol: Protocol;
  readonly line: RequestLine;
  readonly request: Request;
  readonly admittedAt: EpochMs;
  readonly startedMs: number;
  /** The socket peer's address, normalised. */
  readonly peer: string;
  /** The client's address after trusted proxies. */
  readonly address: string;
  /** Gateways that this request has passed through before us. */
  readonly hops: number;
  /** The key as the client sent it, from whichever place; undefined if it sent none. */
  readonly credential: string | undefined;
}

export interface Authenticated extends Received {
  readonly apiKey: ApiKey;
  readonly account: Account;
  readonly group: Group | undefined;
}

/** The body is here, bounded and scanned. */
export interface Read extends Authenticated {
  readonly body: RequestBody;
  readonly facts: RequestFacts;
}

/** Every policy of the gate `use` allowed it; the model exists, may be used, and has a price. */
export interface Admitted extends Read {
  readonly country: string;
  readonly model: Model;
  readonly terms: PinnedTerms;
}

/** What a request has taken from its limits. */
export interface TakenLimits {
  readonly taken: true;
  /** Called once, at the end, with the tokens that were really used. */
  release(tokens: number): void;
}

/** Limits were taken and money is held. From here on the request must be closed, exactly once. */
export interface Reserved extends Admitted {
  readonly hold: Hold;
  /** The usage that the hold can pay for. */
  readonly bound: UsageParts;
  readonly limits: TakenLimits;
}

/** Upstreams that may serve, best first. */
export interface Routed extends Reserved {
  readonly plan: readonly Offer[];
}
