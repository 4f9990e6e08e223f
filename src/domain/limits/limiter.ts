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
  { readonly taken: true; readonly release: (actualTokens: number) => void } | LimitRefusal;

export interface Limiter {
  /**
   * Takes one request, one place and the tokens from every limit of its subjects, or nothing. `tokensBound`
   * is the most that the request can use. A bound above a token limit takes all of that limit, so that a long
   * request can run when nothing else has; what it really used is counted when it ends.
   */
  take(subjects: LimitSubjects, tokensBound: number): LimitDecision;
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

interface Claim {
  readonly scope: LimitScope;
  readonly id: string;
  readonly limits: Limits;
  readonly table: SubjectTable;
}

/** How long to wait when waiting does not help by itself: a place becomes free when some request ends. */
const CONCURRENCY_RETRY_SECONDS = 1;
/** A limit of zero refuses everything until somebody raises it. */
const NEVER_RETRY_SECONDS = 60;

const untouched: LimitDecision = Object.freeze({ taken: true, release: () => {} });

export function createLimiter(options: LimiterOptions): Limiter {
  const { clock, addressLimits, subjectsMax } = options;
  const keys = createSubjectTable(subjectsMax);
  const accounts = createSubjectTable(subjectsMax);
  const groups = createSubjectTable(subjectsMax);
  const addresses = createSubjectTable(subjectsMax);
  const limitsAddresses = isLimited(addressLimits);

  const claimsOf = ({ apiKey, account, group, address }: LimitSubjects): readonly Claim[] => {
    const claims: Claim[] = [];
    if (isLimited(apiKey.limits))
      claims.push({ scope: 'API key', id: apiKey.id, limits: apiKey.limits, table: keys });
    if (isLimited(account.limits))
      claims.push({ scope: 'account', id: account.id, limits: account.limits, table: accounts });
    if (group && isLimited(group.limits))
      claims.push({ scope: 'group', id: group.name, limits: group.limits, table: groups });
    if (limitsAddresses)
      claims.push({ scope: 'address', id: addressSubject(address), limits: addressLimits, table: addresses });
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
      const returns = claims.map((claim) =>
        apply(claim.table.open(claim.id, slot), claim.limits, tokens, slot),
      );
      return { taken: true, release: releaseOnce(returns, clock) };
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
  const refuse = (limit: LimitKind, capacity: number, retryAfterSeconds: number): LimitRefusal => ({
    taken: false,
    limit,
    scope,
    capacity,
    retryAfterSeconds,
  });
  let longest: LimitRefusal | undefined;
  if (concurrency !== undefined && (state?.inFlight ?? 0) >= concurrency) {
    longest = refuse(
      'concurrency',
      concurrency,
      concurrency <= 0 ? NEVER_RETRY_SECONDS : CONCURRENCY_RETRY_SECONDS,
    );
  }
  const counted = [
    ['requests', requestsPerMinute, state?.requests, 1],
    ['tokens', tokensPerMinute, state?.tokens, Math.min(tokens, tokensPerMinute ?? 0)],
  ] as const;
  for (const [limit, capacity, count, wanted] of counted) {
    if (capacity === undefined) continue;
    const used = count === undefined ? 0 : countAt(count, slotAt(nowMs));
    if (capacity > 0 && used + wanted <= capacity) continue;
    const waitSeconds =
      capacity <= 0 || count === undefined
        ? NEVER_RETRY_SECONDS
        : Math.max(1, Math.ceil(untilAtMost(count, nowMs, capacity - wanted) / 1_000));
    if (longest === undefined || waitSeconds >= longest.retryAfterSeconds)
      longest = refuse(limit, capacity, waitSeconds);
  }
  return longest;
}

/** Takes, and returns how to give back. Called only when no subject refused. */
function apply(
  state: SubjectState,
  limits: Limits,
  tokens: number,
  slot: number,
): (actualTokens: number, atSlot: number) => void {
  state.lastUsed = slot;
  state.inFlight += 1;
  if (limits.requestsPerMinute !== undefined) addAt((state.requests ??= newCount(slot)), slot, 1);
  if (limits.tokensPerMinute === undefined) {
    return () => {
      state.inFlight -= 1;
    };
  }
  const taken = Math.min(tokens, limits.tokensPerMinute);
  const count = (state.tokens ??= newCount(slot));
  addAt(count, slot, taken);
  return (actualTokens, atSlot) => {
    state.inFlight -= 1;
    if (actualTokens < taken) takeBack(count, slot, atSlot, taken - actualTokens);
    else addAt(count, atSlot, actualTokens - taken);
  };
}

function releaseOnce(
  returns: readonly ((actualTokens: number, atSlot: number) => void)[],
  clock: Pick<Clock, 'monotonicMs'>,
): (actualTokens: number) => void {
  let released = false;
  return (actualTokens) => {
    if (released) return;
    released = true;
    const slot = slotAt(clock.monotonicMs());
    const tokens = wholeTokens(actualTokens);
    for (const giveBack of returns) giveBack(tokens, slot);
  };
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
