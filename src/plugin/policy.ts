// Compliance policy: judges facts at a gate. It never writes; what an allow demands comes back as obligations.

import type { EpochMs } from '../core/clock.ts';
import type { Operation } from './operations.ts';

/** Where policies are asked: before access to the service, registration, top-up, and use. */
export const gates = ['access', 'register', 'top-up', 'use'] as const;
export type Gate = (typeof gates)[number];

/** Numbered part of a terms document, for example `S3.1`. */
export type ClauseId = string;

/** ISO 3166-1 alpha-2 in capitals; `local` for loopback and private peers; `unknown` when no source could tell. */
export type Country = string;

/** A terms document in force that binds this account, and what is known of its acceptance. */
export interface TermsStanding {
  readonly document: string;
  readonly version: string;
  /** Lower-case hex of the text's SHA-256. */
  readonly sha256: string;
  /** `use`: going on using the service is acceptance; `explicit`: somebody must accept this version by name. */
  readonly acceptance: 'use' | 'explicit';
  readonly effectiveAt: EpochMs;
  /** When this account accepted this very version; undefined if it has not. */
  readonly acceptedAt: EpochMs | undefined;
}

/** Frozen facts. Members that a gate cannot know are undefined. */
export interface PolicyFacts {
  readonly gate: Gate;
  readonly at: EpochMs;
  /** The client's address after trusted proxies, normalised; IPv4-mapped IPv6 as IPv4. */
  readonly address: string;
  readonly country: Country;
  readonly account:
    { readonly id: string; readonly kind: 'person' | 'company'; readonly groups: readonly string[] } | undefined;
  readonly apiKeyId: string | undefined;
  readonly operation: Operation | undefined;
  /** The public model name. */
  readonly model: string | undefined;
  /** Only for policies that ask about the upstream: the one about to be tried. */
  readonly upstream: { readonly name: string; readonly provider: string; readonly model: string } | undefined;
  readonly terms: readonly TermsStanding[];
}

/** What an allow demands of the host before the request goes on. Obligations of several policies are united. */
export type Obligation = {
  readonly kind: 'record-acceptance';
  readonly document: string;
  readonly version: string;
  readonly sha256: string;
};

export type Decision =
  | { readonly verdict: 'allow'; readonly obligations: readonly Obligation[] }
  | {
      readonly verdict: 'deny';
      /** Decides the status: 451, 428 or 403. */
      readonly code: 'region_restricted' | 'terms_required' | 'policy_refused';
      /** The clause that refuses. */
      readonly clause: ClauseId;
      /** For the caller: what is refused and why. */
      readonly message: string;
      /** For the caller: what would help. */
      readonly remedy: string;
      /** A path on this gateway, such as `/terms/service`; the host makes it absolute. */
      readonly link: string | undefined;
    };

export const allow: Decision = { verdict: 'allow', obligations: [] };

export interface CompliancePolicy {
  /** Gates at which it is asked. At any other gate it has no say. */
  readonly gates: readonly Gate[];
  /** `request`: asked once, in admit. `upstream`: asked for each upstream inside route, on every attempt. */
  readonly asks: 'request' | 'upstream';
  /** Clauses that it makes true while it is loaded. */
  readonly clauses: readonly ClauseId[];
  /** What to do when it throws or misses its deadline: `deny` unless the entry says otherwise. */
  readonly onFailure: 'deny' | 'allow';
  /** Milliseconds within which an asynchronous answer must come. */
  readonly deadlineMs: number;
  /** Synchronous where it can be: a promise costs every request a turn of the loop. */
  judge(facts: PolicyFacts): Decision | Promise<Decision>;
}
