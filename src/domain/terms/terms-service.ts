// The terms domain as others see it: publishes the configured documents at start, answers from memory who
// stands where, and writes an acceptance down before anybody is told of it. A published version that changed
// is refused at start.

import type { Clock, EpochMs } from '../../core/clock.ts';
import type { AccountId, ApiKeyId, IdSource, UserId } from '../../core/ids.ts';
import type { TermsDocumentConfig } from '../../plugin/gateway.ts';
import type { Obligation, TermsStanding } from '../../plugin/policy.ts';
import { parseDocument, showErrors, type ParsedDocument } from './parse-document.ts';
import { createTermsMemory, type TermsMemory } from './terms-directory.ts';
import type { AcceptanceQuery, PublishedVersion, TermsStore, TermsWork } from './terms-store.ts';
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

/** Other documents, parsed and compared with what was published. Nothing is different until it is published. */
export interface PreparedTerms {
  readonly missing: readonly PublishedVersion[];
  /** In the transaction of the whole change. */
  readonly write: TermsWork;
  publish(): void;
}

export interface ReloadableTerms extends Terms {
  /** One caller at a time. Throws TermsDocumentsError: then nothing is different. */
  prepare(files: readonly TermsDocumentConfig[]): PreparedTerms;
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
): Promise<ReloadableTerms> {
  const { store } = services;
  const first = boundBy(files, store.versions(), services);
  if (first.missing.length > 0) await store.transaction((transaction) => store.publish(transaction, first.missing));
  const memory = createTermsMemory(first.versions, first.names);
  for (const accepted of store.accepted(first.names)) memory.note(accepted);
  return createTerms(services, bindingOf(memory, first), files);
}

/** What a list of files makes of the versions that were published before. Throws TermsDocumentsError. */
function boundBy(
  files: readonly TermsDocumentConfig[],
  before: readonly PublishedVersion[],
  { clock, newId }: TermsServices,
) {
  const documents = parseDocuments(files);
  const missing = unpublished(documents, before).map(
    (document): PublishedVersion => Object.freeze({ ...document, id: newId('tdv'), publishedAt: clock.now() }),
  );
  const versions =
    missing.length === 0
      ? before
      : [...before, ...missing].toSorted(
          (one, other) => one.effectiveAt - other.effectiveAt || (one.id < other.id ? -1 : 1),
        );
  return { missing, versions, names: [...new Set(documents.map((document) => document.document))] };
}

/** The documents that bind, as everything below reads them: replaced whole. */
interface Binding {
  readonly memory: TermsMemory;
  readonly names: readonly string[];
  readonly versions: readonly PublishedVersion[];
  readonly byName: ReadonlyMap<string, PublishedVersion>;
}

const bindingOf = (
  memory: TermsMemory,
  { versions, names }: Pick<Binding, 'versions' | 'names'>,
): Binding => ({
  memory,
  names,
  versions,
  byName: new Map(versions.map((version) => [keyOf(version.document, version.version), version])),
});

const sameFiles = (left: readonly TermsDocumentConfig[], right: readonly TermsDocumentConfig[]): boolean =>
  left.length === right.length && left.every(({ text }, index) => text === right[index]?.text);

const keyOf = (document: string, version: string): string => `${document} ${version}`;

function createTerms(
  services: TermsServices,
  first: Binding,
  firstFiles: readonly TermsDocumentConfig[],
): ReloadableTerms {
  const { store, clock, newId } = services;
  let bound = first;
  let boundFiles = firstFiles;
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
      bound.memory.note(acceptance);
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
    const named = bound.byName.get(keyOf(document, version));
    const open = [bound.memory.current(document, at)?.id, bound.memory.announced(document, at)?.id];
    return named !== undefined && open.includes(named.id) ? named : undefined;
  };

  return {
    get versions() {
      return bound.versions;
    },
    version: (document, version) => bound.byName.get(keyOf(document, version)),
    current: (document, at) => bound.memory.current(document, at),
    announced: (document, at) => bound.memory.announced(document, at),
    inForce: (at) => bound.memory.inForce(at),
    standing: (accountId, at) => bound.memory.standing(accountId, at),
    acceptances: store.acceptances,
    async recordAcceptance(obligation, who, from) {
      const version = bound.byName.get(keyOf(obligation.document, obligation.version));
      if (version === undefined || version.sha256 !== obligation.sha256) {
        throw new Error(
          `a policy demands a record of ${obligation.document} ${obligation.version}, which was never published so`,
        );
      }
      if (hasAccepted(bound.memory.standing(who.accountId, clock.now()), obligation)) return;
      await writeOnce(version, 'use', who, from);
    },
    async accept(text, who, from) {
      const at = clock.now();
      const current = bound.memory.current(text.document, at) ?? bound.memory.announced(text.document, at);
      if (current === undefined) return { accepted: false, because: 'no-such-document' };
      const named = acceptable(text, at);
      if (named === undefined) return { accepted: false, because: 'not-current', current };
      if (named.sha256 !== text.sha256) return { accepted: false, because: 'other-text', current: named };
      return { accepted: true, ...(await writeOnce(named, 'explicit', who, from)) };
    },
    prepare(files) {
      if (sameFiles(files, boundFiles)) return { missing: [], write: async () => {}, publish: () => {} };
      const next = boundBy(files, bound.versions, services);
      const memory = bound.memory.rebound(next.versions, next.names);
      const added = next.names.filter((name) => !bound.names.includes(name));
      // Documents that bound somebody before bind again: what was accepted then counts. Read here, because publishing
      // may not fail; what is accepted from now on is noted in both.
      for (const accepted of store.accepted(added)) memory.note(accepted);
      return {
        missing: next.missing,
        write: (transaction) => store.publish(transaction, next.missing),
        publish() {
          bound = bindingOf(memory, next);
          boundFiles = files;
        },
      };
    },
  };
}

function hasAccepted(standing: readonly TermsStanding[], { document, version }: NamedText): boolean {
  return standing.some(
    (one) => one.document === document && one.version === version && one.acceptedAt !== undefined,
  );
}
