// Published versions and acceptances in the store. A version is written once, whole, with its clauses; an
// acceptance once for each account, version and method. Nothing here updates or deletes, and the tables would
// refuse it.

import type { Selectable, Transaction } from 'kysely';
import type { EpochMs } from '../../core/clock.ts';
import { isId, type AccountId } from '../../core/ids.ts';
import type {
  TermsAcceptanceTable,
  TermsClauseTable,
  TermsTables,
  TermsVersionTable,
} from '../../store/schema/terms.ts';
import type { SqlFile } from '../../store/sql-file.ts';
import type { Acceptance, Clause, ClauseKind, TermsVersion } from './terms.ts';

/** What the directory keeps of an acceptance. */
export type AcceptedVersion = Pick<Acceptance, 'accountId' | 'document' | 'version' | 'method' | 'at'>;

export interface AcceptanceQuery {
  /** At most so many rows, newest first. */
  readonly limit: number;
  readonly before?: Acceptance['id'] | undefined;
  readonly accountId?: AccountId | undefined;
  readonly document?: string | undefined;
  readonly version?: string | undefined;
}

/** What one transaction does. */
export type TermsWork = (transaction: Transaction<TermsTables>) => Promise<void>;

export interface TermsStore {
  /** All published versions, oldest effective first; of one moment, in the order of publishing. At opening. */
  versions(): readonly PublishedVersion[];
  /** In a transaction, so that all of them are written or none. */
  publish(transaction: Transaction<TermsTables>, versions: readonly PublishedVersion[]): Promise<void>;
  transaction(work: TermsWork): Promise<void>;
  /** False if the same account had accepted that version in that way before: then nothing was written. */
  insertAcceptance(acceptance: Acceptance): Promise<boolean>;
  acceptance(
    accountId: AccountId,
    version: Pick<TermsVersion, 'document' | 'version'>,
    method: Acceptance['method'],
  ): Promise<Acceptance | undefined>;
  acceptances(query: AcceptanceQuery): Promise<readonly Acceptance[]>;
  /** Every acceptance of these documents, for the directory. At opening. */
  accepted(documents: readonly string[]): Iterable<AcceptedVersion>;
}

export interface PublishedVersion extends TermsVersion {
  readonly publishedAt: EpochMs;
}

export function createTermsStore(file: SqlFile<TermsTables>): TermsStore {
  return {
    versions: () => readVersions(file),
    async publish(transaction, versions) {
      for (const version of versions) await insertVersion(transaction, version);
    },
    transaction: (work) => file.transaction(work),
    async insertAcceptance(acceptance) {
      const database = await file.kysely();
      const result = await database
        .insertInto('terms_acceptance')
        .values(rowOf(acceptance))
        .executeTakeFirstOrThrow();
      return result.numInsertedOrUpdatedRows === 1n;
    },
    async acceptance(accountId, { document, version }, method) {
      const database = await file.kysely();
      const row = await database
        .selectFrom('terms_acceptance')
        .selectAll()
        .where('account_id', '=', accountId)
        .where('document', '=', document)
        .where('version', '=', version)
        .where('method', '=', method)
        .executeTakeFirst();
      return row === undefined ? undefined : acceptanceOf(row);
    },
    async acceptances(query) {
      const database = await file.kysely();
      let select = database
        .selectFrom('terms_acceptance')
        .selectAll()
        .orderBy('id', 'desc')
        .limit(query.limit);
      if (query.before !== undefined) select = select.where('id', '<', query.before);
      if (query.accountId !== undefined) select = select.where('account_id', '=', query.accountId);
      if (query.document !== undefined) select = select.where('document', '=', query.document);
      if (query.version !== undefined) select = select.where('version', '=', query.version);
      return (await select.execute()).map(acceptanceOf);
    },
    *accepted(documents) {
      if (documents.length === 0) return;
      const anyOf = documents.map(() => '?').join(', ');
      const query = `SELECT account_id, document, version, method, at FROM terms_acceptance WHERE document IN (${anyOf})`;
      for (const row of file.eachRow<Selectable<TermsAcceptanceTable>>(query, ...documents)) {
        yield {
          accountId: idOf('acc', row.account_id),
          document: row.document,
          version: row.version,
          method: methodOf(row.method),
          at: Number(row.at),
        };
      }
    },
  };
}

async function insertVersion(
  transaction: Transaction<TermsTables>,
  document: PublishedVersion,
): Promise<void> {
  const { id } = document;
  await transaction
    .insertInto('terms_version')
    .values({
      id,
      document: document.document,
      version: document.version,
      title: document.title,
      locale: document.locale,
      effective_at: document.effectiveAt,
      governing_law: document.governingLaw ?? null,
      acceptance: document.acceptance,
      text: document.text,
      sha256: document.sha256,
      published_at: document.publishedAt,
    })
    .execute();
  await transaction
    .insertInto('terms_clause')
    .values(
      document.clauses.map((clause, position) => ({
        version_id: id,
        position,
        id: clause.id,
        title: clause.title,
        kind: clause.kind,
        text: clause.text,
        limits_liability: clause.limitsLiability ? 1 : 0,
        material: clause.material ? 1 : 0,
      })),
    )
    .execute();
}

function readVersions(file: SqlFile<TermsTables>): readonly PublishedVersion[] {
  const clauses = new Map<string, Clause[]>();
  for (const row of file.rows<Selectable<TermsClauseTable>>(
    'SELECT * FROM terms_clause ORDER BY version_id, position',
  )) {
    const list = clauses.get(row.version_id) ?? [];
    if (list.push(clauseOf(row)) === 1) clauses.set(row.version_id, list);
  }
  return file
    .rows<Selectable<TermsVersionTable>>('SELECT * FROM terms_version ORDER BY effective_at, id')
    .map((row) => versionOf(row, clauses.get(row.id) ?? []));
}

function versionOf(row: Selectable<TermsVersionTable>, clauses: readonly Clause[]): PublishedVersion {
  return Object.freeze({
    id: idOf('tdv', row.id),
    document: row.document,
    version: row.version,
    title: row.title,
    locale: row.locale,
    effectiveAt: Number(row.effective_at),
    governingLaw: row.governing_law ?? undefined,
    acceptance: methodOf(row.acceptance),
    text: row.text,
    sha256: row.sha256,
    clauses,
    publishedAt: Number(row.published_at),
  });
}

function clauseOf(row: Selectable<TermsClauseTable>): Clause {
  return Object.freeze({
    id: row.id,
    title: row.title,
    kind: kindOf(row.kind),
    text: row.text,
    limitsLiability: row.limits_liability === 1n,
    material: row.material === 1n,
  });
}

function acceptanceOf(row: Selectable<TermsAcceptanceTable>): Acceptance {
  return {
    id: idOf('tac', row.id),
    accountId: idOf('acc', row.account_id),
    userId: row.user_id === null ? undefined : idOf('usr', row.user_id),
    apiKeyId: row.api_key_id === null ? undefined : idOf('key', row.api_key_id),
    document: row.document,
    version: row.version,
    sha256: row.sha256,
    at: Number(row.at),
    address: row.address,
    country: row.country,
    userAgent: row.user_agent ?? undefined,
    locale: row.locale ?? undefined,
    method: methodOf(row.method),
  };
}

function rowOf(
  acceptance: Acceptance,
): Selectable<Omit<TermsAcceptanceTable, 'at'>> & { readonly at: number } {
  return {
    id: acceptance.id,
    account_id: acceptance.accountId,
    user_id: acceptance.userId ?? null,
    api_key_id: acceptance.apiKeyId ?? null,
    document: acceptance.document,
    version: acceptance.version,
    sha256: acceptance.sha256,
    at: acceptance.at,
    address: acceptance.address,
    country: acceptance.country,
    user_agent: acceptance.userAgent ?? null,
    locale: acceptance.locale ?? null,
    method: acceptance.method,
  };
}

/** The tables check these words too; a row that holds others was not written by us. */
function methodOf(word: string): 'use' | 'explicit' {
  if (word === 'use' || word === 'explicit') return word;
  throw new Error(`the store holds a kind of acceptance that nobody knows: ${word}`);
}

function kindOf(word: string): ClauseKind {
  if (word === 'enforced' || word === 'served' || word === 'recorded' || word === 'declared') return word;
  throw new Error(`the store holds a kind of clause that nobody knows: ${word}`);
}

function idOf<P extends 'acc' | 'usr' | 'key' | 'tdv' | 'tac'>(prefix: P, text: string) {
  if (isId(prefix, text)) return text;
  throw new Error(`the store holds an identifier that is none: ${text}`);
}
