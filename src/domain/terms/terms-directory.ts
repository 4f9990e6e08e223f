// Which versions are in force and what each account has accepted of them, in memory: admit asks on every
// request. An account's standing is made once and kept until it accepts something or another version comes
// into force.

import type { EpochMs } from '../../core/clock.ts';
import type { AccountId } from '../../core/ids.ts';
import type { TermsStanding } from '../../plugin/policy.ts';
import type { Acceptance, TermsDirectory, TermsVersion } from './terms.ts';

export interface TermsMemory extends TermsDirectory {
  /** The version of that document in force at that time. */
  current(document: string, at: EpochMs): TermsVersion | undefined;
  /** All that are in force, in the order in which the documents were configured. */
  inForce(at: EpochMs): readonly TermsVersion[];
  /** The next version of that document, published and not yet in force. */
  announced(document: string, at: EpochMs): TermsVersion | undefined;
  /** The same acceptances under other versions or documents; what is noted in the one is noted in the other. */
  rebound(versions: readonly TermsVersion[], documents: readonly string[]): TermsMemory;
  /** A second time for the same acceptance changes nothing. */
  note(accepted: Pick<Acceptance, 'accountId' | 'document' | 'version' | 'method' | 'at'>): void;
}

/** A stretch of time in which no version comes into force. */
interface Period {
  readonly from: EpochMs;
  readonly until: EpochMs;
  readonly inForce: readonly TermsVersion[];
  /** The standing of an account that has accepted nothing. */
  readonly nothingAccepted: readonly TermsStanding[];
}

interface AccountEntry {
  readonly accepted: {
    readonly document: string;
    readonly version: string;
    readonly method: Acceptance['method'];
    readonly at: EpochMs;
  }[];
  standing: readonly TermsStanding[] | undefined;
  /** The period for which `standing` was made. */
  period: Period | undefined;
}

/**
 * `versions`: oldest effective first, of all documents ever published. `documents`: those that bind now;
 * others stay readable and bind nobody.
 */
export const createTermsMemory = (
  versions: readonly TermsVersion[],
  documents: readonly string[],
): TermsMemory => memoryOver(new Map(), versions, documents);

function memoryOver(
  accounts: Map<AccountId, AccountEntry>,
  versions: readonly TermsVersion[],
  documents: readonly string[],
): TermsMemory {
  const byDocument = new Map(
    documents.map((document) => [document, versions.filter((version) => version.document === document)]),
  );
  const turns = [...byDocument.values()]
    .flat()
    .map((version) => version.effectiveAt)
    .toSorted((a, b) => a - b);
  let period: Period | undefined;

  const current = (document: string, at: EpochMs): TermsVersion | undefined =>
    byDocument.get(document)?.findLast((version) => version.effectiveAt <= at);

  const periodAt = (at: EpochMs): Period => {
    if (period !== undefined && at >= period.from && at < period.until) return period;
    const inForce = documents
      .map((document) => current(document, at))
      .filter((version) => version !== undefined);
    period = {
      from: turns.findLast((turn) => turn <= at) ?? Number.NEGATIVE_INFINITY,
      until: turns.find((turn) => turn > at) ?? Number.POSITIVE_INFINITY,
      inForce,
      nothingAccepted: Object.freeze(inForce.map((version) => standingOf(version, undefined))),
    };
    return period;
  };

  return {
    current,
    inForce: (at) => periodAt(at).inForce,
    announced: (document, at) => byDocument.get(document)?.find((version) => version.effectiveAt > at),
    standing(accountId, at) {
      const now = periodAt(at);
      const entry = accounts.get(accountId);
      if (entry === undefined) return now.nothingAccepted;
      if (entry.standing === undefined || entry.period !== now) {
        entry.period = now;
        entry.standing = Object.freeze(now.inForce.map((version) => standingOf(version, entry)));
      }
      return entry.standing;
    },
    rebound: (otherVersions, otherDocuments) => memoryOver(accounts, otherVersions, otherDocuments),
    note({ accountId, document, version, method, at }) {
      let entry = accounts.get(accountId);
      if (entry === undefined)
        accounts.set(accountId, (entry = { accepted: [], standing: undefined, period: undefined }));
      const isKnown = entry.accepted.some(
        (one) => one.document === document && one.version === version && one.method === method,
      );
      if (isKnown) return;
      entry.accepted.push({ document, version, method, at });
      entry.standing = undefined;
    },
  };
}

function standingOf(version: TermsVersion, entry: AccountEntry | undefined): TermsStanding {
  const { document, sha256, acceptance, effectiveAt } = version;
  // What wants a click was not accepted by mere use; a click is good for what is accepted by use.
  const accepted = entry?.accepted.find(
    (one) =>
      one.document === document &&
      one.version === version.version &&
      (acceptance === 'use' || one.method === 'explicit'),
  );
  return Object.freeze({
    document,
    version: version.version,
    sha256,
    acceptance,
    effectiveAt,
    acceptedAt: accepted?.at,
  });
}
