// The terms domain as others see it: publishes the configured documents at start, answers from memory who
// stands where, and writes an acceptance down before anybody is told of it. A published version that changed
// is refused at start.

import type { Clock, EpochMs } from '../../core/clock.ts';
import type { AccountId, ApiKeyId, IdSource, UserId } from '../../core/ids.ts';
import type { TermsDocumentConfig } from '../../plugin/gateway.ts';
import type { Obligation, TermsStanding } from '../../plugin/policy.ts';
import { parseDocument, showErrors, type ParsedDocument } from './parse-document.ts';
import { createTermsMemory, type TermsMemory } from './terms-directory.ts';
import type { AcceptanceQuery, PublishedVersion, TermsStore } from './terms-store.ts';
import type { Acceptance, TermsDirectory, TermsVersion } from './terms.ts';

export interface Acceptor {
  readonly accountId: AccountId;
  readonly userId: UserId | undefined;
  readonly apiKeyId: ApiKeyId | undefined;
}

/** Where an acceptance came from, for the evidence. */
export interface Origin {
  readonly address: string;
  readonly country: string;
  readonly userAgent: string | undefined;
  readonly locale: string | undefined;
}

export interface NamedText {
  readonly document: string;
  readonly version: string;
  readonly sha256: string;
}

export type AcceptOutcome =
  | {
      readonly accepted: true;
      readonly acceptance: Acceptance;
      /** It had been accepted before: that record stands. */ readonly repeated: boolean;
    }
  | { readonly accepted: false; readonly because: 'no-such-document' }
  /**
   * Neither in force nor announced, or another text than the published one. `current` is what could be
   * accepted.
   */
  | {
      readonly accepted: false;
      readonly because: 'not-current' | 'other-text';
      readonly current: TermsVersion;
    };

export interface Terms extends TermsDirectory {
  /** All versions in force, in the order of the config. */
  inForce(at: EpochMs): readonly TermsVersion[];
  current(document: string, at: EpochMs): TermsVersion | undefined;
  announced(document: string, at: EpochMs): TermsVersion | undefined;
  /**
   * Every version ever published, oldest effective first, those of documents that bind nobody any more
   * included.
   */
  readonly versions: readonly PublishedVersion[];
  version(document: string, version: string): PublishedVersion | undefined;
  /**
   * Keeps what an allow demanded. Resolves when the evidence is durable; again for the same version it writes
   * nothing.
   */
  recordAcceptance(obligation: Obligation, who: Acceptor, from: Origin): Promise<void>;
  /** Somebody accepts this text by name: the version in force, or the announced one. */
  accept(text: NamedText, who: Acceptor, from: Origin): Promise<AcceptOutcome>;
  acceptances(query: AcceptanceQuery): Promise<readonly Acceptance[]>;
}

export interface TermsServices {
  readonly store: TermsStore;
  readonly clock: Clock;
  readonly newId: IdSource;
}

/** Every error of every document, one a line, so that an operator sees them all at once. */
export class TermsDocumentsError extends Error {
  readonly lines: readonly string[];

  constructor(lines: readonly string[]) {
    super(lines.join('\n'));
    this.name = 'TermsDocumentsError';
    this.lines = lines;
  }
}

/** Parses all files. Throws TermsDocumentsError with the errors of all of them. */
export function parseDocuments(files: readonly TermsDocumentConfig[]): readonly ParsedDocument[] {
  const lines: string[] = [];
  const documents: ParsedDocument[] = [];
  for (const { file, text } of files) {
    const result = parseDocument(text);
    if (!result.parsed) {
      lines.push(...showErrors(file, result.errors));
      continue;
    }
    const { document } = result;
    const twin = documents.find(
      (other) => other.document === document.document && other.version === document.version,
    );
    if (twin === undefined) documents.push(document);
    else if (twin.sha256 !== document.sha256) {
      lines.push(
        `${file}:1 ${document.document} ${document.version} is configured twice with different texts; keep one`,
      );
    }
  }
  if (lines.length > 0) throw new TermsDocumentsError(lines);
  return documents;
}

/** What must be published, or an error for each version that was published with another text. */
function unpublished(
  documents: readonly ParsedDocument[],
  published: readonly PublishedVersion[],
): readonly ParsedDocument[] {
  const lines: string[] = [];
  const missing = documents.filter((document) => {
    const before = published.find(
      (one) => one.document === document.document && one.version === document.version,
    );
    if (before !== undefined && before.sha256 !== document.sha256) {
      lines.push(
        `terms document ${document.document}, version ${document.version}: the text differs from the one published on ` +
          `${new Date(before.publishedAt).toISOString()} (sha256 ${before.sha256}). A published version never changes: ` +
          'restore its text, or publish the new one under a new version and effective date',
      );
    }
    return before === undefined;
  });
  if (lines.length > 0) throw new TermsDocumentsError(lines);
  return missing;
}

/** Evidence keeps what identifies a client program, not everything that it cares to send. */
const HEADER_KEPT = 500;
const kept = (text: string | undefined): string | undefined => text?.slice(0, HEADER_KEPT);

export async function openTerms(
  files: readonly TermsDocumentConfig[],
  services: TermsServices,
): Promise<Terms> {
  const { store, clock, newId } = services;
  const documents = parseDocuments(files);
  const before = store.versions();
  const missing = unpublished(documents, before);
  if (missing.length > 0) await store.publish(missing, clock.now(), newId);
  const versions = missing.length > 0 ? store.versions() : before;
  const names = [...new Set(documents.map((document) => document.document))];
  const memory = createTermsMemory(versions, names);
  for (const accepted of store.accepted(names)) memory.note(accepted);
  return createTerms(services, memory, versions);
}

const keyOf = (document: string, version: string): string => `${document} ${version}`;

function createTerms(
  { store, clock, newId }: TermsServices,
  memory: TermsMemory,
  versions: readonly PublishedVersion[],
): Terms {
  const byName = new Map(versions.map((version) => [keyOf(version.document, version.version), version]));
  /** Acceptances that are being written: requests that come at once share one record. */
  const writing = new Map<string, Promise<{ readonly acceptance: Acceptance; readonly repeated: boolean }>>();

  const write = async (version: TermsVersion, method: Acceptance['method'], who: Acceptor, from: Origin) => {
    const acceptance: Acceptance = {
      id: newId('tac'),
      ...who,
      document: version.document,
      version: version.version,
      sha256: version.sha256,
      at: clock.now(),
      address: from.address,
      country: from.country,
      userAgent: kept(from.userAgent),
      locale: kept(from.locale),
      method,
    };
    if (await store.insertAcceptance(acceptance)) {
      memory.note(acceptance);
      return { acceptance, repeated: false };
    }
    const before = await store.acceptance(who.accountId, version, method);
    if (before === undefined)
      throw new Error(`the acceptance of ${version.document} ${version.version} was not written`);
    return { acceptance: before, repeated: true };
  };

  const writeOnce = async (
    version: TermsVersion,
    method: Acceptance['method'],
    who: Acceptor,
    from: Origin,
  ) => {
    const key = `${who.accountId} ${method} ${keyOf(version.document, version.version)}`;
    const running = writing.get(key);
    if (running !== undefined) return { acceptance: (await running).acceptance, repeated: true };
    const started = write(version, method, who, from).finally(() => writing.delete(key));
    writing.set(key, started);
    return await started;
  };

  const acceptable = ({ document, version }: NamedText, at: EpochMs): PublishedVersion | undefined => {
    const named = byName.get(keyOf(document, version));
    const open = [memory.current(document, at)?.id, memory.announced(document, at)?.id];
    return named !== undefined && open.includes(named.id) ? named : undefined;
  };

  return {
    versions,
    version: (document, version) => byName.get(keyOf(document, version)),
    current: memory.current,
    announced: memory.announced,
    inForce: memory.inForce,
    standing: memory.standing,
    acceptances: store.acceptances,
    async recordAcceptance(obligation, who, from) {
      const version = byName.get(keyOf(obligation.document, obligation.version));
      if (version === undefined || version.sha256 !== obligation.sha256) {
        throw new Error(
          `a policy demands a record of ${obligation.document} ${obligation.version}, which was never published so`,
        );
      }
      if (hasAccepted(memory.standing(who.accountId, clock.now()), obligation)) return;
      await writeOnce(version, 'use', who, from);
    },
    async accept(text, who, from) {
      const at = clock.now();
      const current = memory.current(text.document, at) ?? memory.announced(text.document, at);
      if (current === undefined) return { accepted: false, because: 'no-such-document' };
      const named = acceptable(text, at);
      if (named === undefined) return { accepted: false, because: 'not-current', current };
      if (named.sha256 !== text.sha256) return { accepted: false, because: 'other-text', current: named };
      return { accepted: true, ...(await writeOnce(named, 'explicit', who, from)) };
    },
  };
}

function hasAccepted(standing: readonly TermsStanding[], { document, version }: NamedText): boolean {
  return standing.some(
    (one) => one.document === document && one.version === version && one.acceptedAt !== undefined,
  );
}
