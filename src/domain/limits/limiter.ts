// Requests per minute, tokens per minute, concurrency: by API key, account, group and client address.
// Invariant: a request takes from all of its limits or from none, and no limit is exceeded in any window of a
// minute.
//
// `decide` is pure; `take` asks it for every subject and then applies. Both run without a pause between, so
// that no other request comes between asking and taking. Subjects without limits are not looked at.

import type { Clock } from '../../core/clock.ts';
import type { Limits } from '../accounts/accounts.ts';
import { addressSubject } from './address-subject.ts';
import { addAt, countAt, newCount, slotAt, takeBack, untilAtMost } from './sliding-count.ts';
import type { SlidingCount } from './sliding-count.ts';
import { createSubjectTable } from './subject-table.ts';
import type { SubjectState, SubjectTable } from './subject-table.ts';

export type LimitScope = 'API key' | 'account' | 'group' | 'address';
export type LimitKind = 'requests' | 'tokens' | 'concurrency';

/** Whose limits a request takes from. The pipeline's authenticated exchange has this shape as it is. */
export interface LimitSubjects {
  readonly apiKey: { readonly id: string; readonly limits: Limits };
  readonly account: { readonly id: string; readonly limits: Limits };
  readonly group: { readonly name: string; readonly limits: Limits } | undefined;
  /** The client's address, normalised. */
  readonly address: string;
}

export interface LimitRefusal {
  readonly taken: false;
  readonly limit: LimitKind;
  readonly scope: LimitScope;
  readonly capacity: number;
  readonly retryAfterSeconds: number;
}

export type LimitDecision =
  /**
   * `release` gives concurrency back and corrects the tokens; a second call does nothing. The request stays
   * counted.
   */
  { readonly taken: true; release(actualTokens: number): void } | LimitRefusal;

export interface Limiter {
  /**
   * Takes one request, one place and the tokens from every limit of its subjects, or nothing. `tokensBound`
   * is the most that the request can use. A bound above a token limit takes all of that limit, so that a long
   * request can run when nothing else has; what it really used is counted when it ends.
   */
  take(subjects: LimitSubjects, tokensBound: number): LimitDecision;
  /**
   * Limits of each client address from now on. What was taken is given back where it was taken; places that were
   * taken while addresses had no limits are not known of.
   */
  limitAddresses(limits: Limits): void;
  /** Subjects remembered now, over all scopes. */
  readonly subjects: number;
}

export interface LimiterOptions {
  readonly clock: Pick<Clock, 'monotonicMs'>;
  /** Limits of each client address, whatever its key. */
  readonly addressLimits: Limits;
  /** Subjects remembered in one scope. */
  readonly subjectsMax?: number;
}

/** One subject of one request: what is asked of it, then what was taken. */
interface Claim {
  readonly scope: LimitScope;
  readonly id: string;
  readonly limits: Limits;
  readonly table: SubjectTable;
  /** Set when it has been taken from. */
  state: SubjectState | undefined;
  tokens: number;
}

/** How long to wait when waiting does not help by itself: a place becomes free when some request ends. */
const CONCURRENCY_RETRY_SECONDS = 1;
/** A limit of zero refuses everything until somebody raises it. */
const NEVER_RETRY_SECONDS = 60;

const untouched: LimitDecision = Object.freeze({ taken: true, release: () => {} });

export function createLimiter(options: LimiterOptions): Limiter {
  const { clock, subjectsMax } = options;
  const keys = createSubjectTable(subjectsMax);
  const accounts = createSubjectTable(subjectsMax);
  const groups = createSubjectTable(subjectsMax);
  const addresses = createSubjectTable(subjectsMax);
  let { addressLimits } = options;
  let limitsAddresses = isLimited(addressLimits);

  const claimsOf = ({ apiKey, account, group, address }: LimitSubjects): readonly Claim[] => {
    const claims: Claim[] = [];
    if (isLimited(apiKey.limits)) claims.push(claimOn(keys, 'API key', apiKey.id, apiKey.limits));
    if (isLimited(account.limits)) claims.push(claimOn(accounts, 'account', account.id, account.limits));
    if (group && isLimited(group.limits)) claims.push(claimOn(groups, 'group', group.name, group.limits));
    if (limitsAddresses) claims.push(claimOn(addresses, 'address', addressSubject(address), addressLimits));
    return claims;
  };

  return {
    take(subjects, tokensBound) {
      const { apiKey, account, group } = subjects;
      const free =
        !limitsAddresses &&
        !isLimited(apiKey.limits) &&
        !isLimited(account.limits) &&
        (group === undefined || !isLimited(group.limits));
      if (free) return untouched;
      const nowMs = clock.monotonicMs();
      const slot = slotAt(nowMs);
      const tokens = wholeTokens(tokensBound);
      const claims = claimsOf(subjects);
      let longest: LimitRefusal | undefined;
      for (const claim of claims) {
        const refusal = decide(claim.table.find(claim.id, slot), claim.scope, claim.limits, tokens, nowMs);
        if (
          refusal !== undefined &&
          (longest === undefined || refusal.retryAfterSeconds > longest.retryAfterSeconds)
        )
          longest = refusal;
      }
      if (longest !== undefined) return longest;
      for (const claim of claims) apply(claim, tokens, slot);
      return new Takings(claims, clock, slot);
    },
    limitAddresses(limits) {
      addressLimits = limits;
      limitsAddresses = isLimited(limits);
    },
    get subjects() {
      return keys.size + accounts.size + groups.size + addresses.size;
    },
  };
}

/** The refusal of one subject with the longest wait, or undefined if every limit of it has room. Pure. */
export function decide(
  state: SubjectState | undefined,
  scope: LimitScope,
  limits: Limits,
  tokens: number,
  nowMs: number,
): LimitRefusal | undefined {
  const { requestsPerMinute, tokensPerMinute, concurrency } = limits;
  let longest: LimitRefusal | undefined;
  if (concurrency !== undefined && (state?.inFlight ?? 0) >= concurrency) {
    const waitSeconds = concurrency <= 0 ? NEVER_RETRY_SECONDS : CONCURRENCY_RETRY_SECONDS;
    longest = refusalOf(scope, 'concurrency', concurrency, waitSeconds);
  }
  if (requestsPerMinute !== undefined) {
    const waitSeconds = waitOf(state?.requests, requestsPerMinute, 1, nowMs);
    if (waitSeconds > 0 && waitSeconds >= (longest?.retryAfterSeconds ?? 0))
      longest = refusalOf(scope, 'requests', requestsPerMinute, waitSeconds);
  }
  if (tokensPerMinute !== undefined) {
    const waitSeconds = waitOf(state?.tokens, tokensPerMinute, Math.min(tokens, tokensPerMinute), nowMs);
    if (waitSeconds > 0 && waitSeconds >= (longest?.retryAfterSeconds ?? 0))
      longest = refusalOf(scope, 'tokens', tokensPerMinute, waitSeconds);
  }
  return longest;
}

const refusalOf = (
  scope: LimitScope,
  limit: LimitKind,
  capacity: number,
  retryAfterSeconds: number,
): LimitRefusal => ({ taken: false, limit, scope, capacity, retryAfterSeconds });

/** Seconds until so much more fits; 0: it fits now. */
function waitOf(count: SlidingCount | undefined, capacity: number, wanted: number, nowMs: number): number {
  const used = count === undefined ? 0 : countAt(count, slotAt(nowMs));
  if (capacity > 0 && used + wanted <= capacity) return 0;
  if (capacity <= 0 || count === undefined) return NEVER_RETRY_SECONDS;
  return Math.max(1, Math.ceil(untilAtMost(count, nowMs, capacity - wanted) / 1_000));
}

const claimOn = (table: SubjectTable, scope: LimitScope, id: string, limits: Limits): Claim => ({
  scope,
  id,
  limits,
  table,
  state: undefined,
  tokens: 0,
});

/** Called only when no subject refused. */
function apply(claim: Claim, tokens: number, slot: number): void {
  const { requestsPerMinute, tokensPerMinute } = claim.limits;
  const state = claim.table.open(claim.id, slot);
  claim.state = state;
  state.lastUsed = slot;
  state.inFlight += 1;
  if (requestsPerMinute !== undefined) addAt((state.requests ??= newCount(slot)), slot, 1);
  if (tokensPerMinute === undefined) return;
  claim.tokens = Math.min(tokens, tokensPerMinute);
  addAt((state.tokens ??= newCount(slot)), slot, claim.tokens);
}

/** What one request has taken. */
class Takings {
  readonly taken = true;
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #slot: number;
  /** Undefined once it was given back. */
  #claims: readonly Claim[] | undefined;

  constructor(claims: readonly Claim[], clock: Pick<Clock, 'monotonicMs'>, slot: number) {
    this.#claims = claims;
    this.#clock = clock;
    this.#slot = slot;
  }

  release(actualTokens: number): void {
    const claims = this.#claims;
    if (claims === undefined) return;
    this.#claims = undefined;
    const nowSlot = slotAt(this.#clock.monotonicMs());
    const tokens = wholeTokens(actualTokens);
    for (const { state, limits, tokens: taken } of claims) {
      if (state === undefined) continue;
      state.inFlight -= 1;
      if (limits.tokensPerMinute === undefined || state.tokens === undefined) continue;
      if (tokens < taken) takeBack(state.tokens, this.#slot, nowSlot, taken - tokens);
      else addAt(state.tokens, nowSlot, tokens - taken);
    }
  }
}

function isLimited(limits: Limits): boolean {
  return (
    limits.requestsPerMinute !== undefined ||
    limits.tokensPerMinute !== undefined ||
    limits.concurrency !== undefined
  );
}

/** More than any request can use; sums of a minute of such counts are still exact. */
const TOKENS_MAX = 1_000_000_000_000;

/** Counts stay whole and finite whatever is reported: one NaN would poison a subject's sums for good. */
function wholeTokens(tokens: number): number {
  return tokens > 0 ? Math.min(Math.floor(tokens), TOKENS_MAX) : 0;
}
