// Terms documents as values: a Markdown file with front matter and numbered clauses. A published version never changes.

import type { EpochMs } from '../../core/clock.ts';
import type { AccountId, ApiKeyId, Id, UserId } from '../../core/ids.ts';
import type { ClauseId, TermsStanding } from '../../plugin/policy.ts';

/** `enforced`: a control acts; `served`: an endpoint gives it; `recorded`: evidence is kept; `declared`: words only. */
export type ClauseKind = 'enforced' | 'served' | 'recorded' | 'declared';

export interface Clause {
  readonly id: ClauseId;
  readonly title: string;
  readonly kind: ClauseKind;
  readonly text: string;
  readonly limitsLiability: boolean;
  readonly material: boolean;
}

export interface TermsVersion {
  readonly id: Id<'tdv'>;
  readonly document: string;
  readonly version: string;
  readonly title: string;
  readonly locale: string;
  readonly effectiveAt: EpochMs;
  readonly governingLaw: string | undefined;
  readonly acceptance: 'use' | 'explicit';
  readonly text: string;
  readonly sha256: string;
  readonly clauses: readonly Clause[];
}

export interface Acceptance {
  readonly id: Id<'tac'>;
  readonly accountId: AccountId;
  readonly userId: UserId | undefined;
  readonly apiKeyId: ApiKeyId | undefined;
  readonly document: string;
  readonly version: string;
  readonly sha256: string;
  readonly at: EpochMs;
  readonly address: string;
  readonly country: string;
  readonly userAgent: string | undefined;
  readonly locale: string | undefined;
  readonly method: 'use' | 'explicit';
}

/** A clause and the running controls that make it true. */
export interface ClauseBinding {
  readonly document: string;
  readonly version: string;
  readonly clause: Clause;
  /** `policy:region`, `endpoint:GET /terms`, `control:price-versions` … Empty for a promise that nothing keeps. */
  readonly controls: readonly string[];
}

/** What admit asks: in memory, never awaits. */
export interface TermsDirectory {
  /** The version in force of each document, with this account's standing. */
  standing(accountId: AccountId, at: EpochMs): readonly TermsStanding[];
}
