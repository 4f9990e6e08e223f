// Rows of the upstreams that operators made. Each write commits together with its audit event; a change names the
// revision that it was decided on, and finds no row if there is a later one.

import type { Transaction } from 'kysely';
import { isId } from '../../core/ids.ts';
import type { EpochMs } from '../../core/clock.ts';
import type { CatalogFile, CatalogTables, UpstreamRow } from '../../store/schema/catalog.ts';
import type { AuditEntry } from '../audit/audit.ts';
import { appendAuditEvent } from '../audit/audit-store.ts';
import type { AdminUpstream } from './admin-catalog.ts';
import { CorruptRowError } from './price-rates.ts';

export interface UpstreamsStore {
  /** At opening. */
  all(): readonly AdminUpstream[];
  insert(upstream: AdminUpstream, entry: AuditEntry): Promise<void>;
  /** Writes what differs from the revision before; false if that is not the stored one any more. */
  update(upstream: AdminUpstream, entry: AuditEntry): Promise<boolean>;
  /** Writes an event that changes no row. */
  note(entry: AuditEntry): Promise<void>;
  /** Those of the names that no config declared before. */
  undeclared(names: readonly string[]): readonly string[];
  /** Keeps the names that the config declares, for good. */
  rememberDeclared(transaction: Transaction<CatalogTables>, names: readonly string[], now: EpochMs): Promise<void>;
  /** Whether a config ever declared an upstream of that name. */
  wasDeclared(name: string): Promise<boolean>;
}

export function createUpstreamsStore(file: CatalogFile): UpstreamsStore {
  return {
    all: () => file.rows<UpstreamRow>('SELECT * FROM upstream ORDER BY name').map(upstreamOf),
    insert: (upstream, entry) =>
      file.transaction(async (transaction) => {
        await transaction
          .insertInto('upstream')
          .values({
            id: upstream.id,
            name: upstream.name,
            created_at: BigInt(upstream.createdAt),
            ...changingColumns(upstream),
          })
          .execute();
        await appendAuditEvent(transaction, entry);
      }),
    update: (upstream, entry) =>
      file.transaction(async (transaction) => {
        const { numUpdatedRows } = await transaction
          .updateTable('upstream')
          .set(changingColumns(upstream))
          .where('id', '=', upstream.id)
          .where('revision', '=', BigInt(upstream.revision - 1))
          .executeTakeFirstOrThrow();
        if (numUpdatedRows !== 1n) return false;
        await appendAuditEvent(transaction, entry);
        return true;
      }),
    note: (entry) => file.transaction(async (transaction) => void (await appendAuditEvent(transaction, entry))),
    undeclared(names) {
      const rows = file.rows<{ readonly name: string }>('SELECT name FROM declared_upstream');
      const known = new Set(rows.map(({ name }) => name));
      return names.filter((name) => !known.has(name));
    },
    async rememberDeclared(transaction, names, now) {
      if (names.length === 0) return;
      await transaction
        .insertInto('declared_upstream')
        .values(names.map((name) => ({ name, first_declared_at: BigInt(now) })))
        .onConflict((conflict) => conflict.doNothing())
        .execute();
    },
    async wasDeclared(name) {
      const database = await file.kysely();
      const row = await database
        .selectFrom('declared_upstream')
        .select('name')
        .where('name', '=', name)
        .executeTakeFirst();
      return row !== undefined;
    },
  };
}

const changingColumns = (upstream: AdminUpstream) => ({
  provider: upstream.provider,
  base_url: upstream.baseUrl ?? null,
  addresses: upstream.addresses,
  credential: upstream.credential?.sealed ?? null,
  credential_hint: upstream.credential?.hint ?? null,
  weight: BigInt(upstream.weight),
  priority: BigInt(upstream.priority),
  on_client_leaving: upstream.onClientLeaving,
  enabled: upstream.enabled ? 1n : 0n,
  revision: BigInt(upstream.revision),
});

function upstreamOf(row: UpstreamRow): AdminUpstream {
  if (!isId('ups', row.id)) throw new CorruptRowError('upstream', row.name, 'id');
  const { credential, credential_hint: hint } = row;
  return {
    id: row.id,
    name: row.name,
    provider: row.provider,
    baseUrl: row.base_url ?? undefined,
    // The table itself allows no third word.
    addresses: row.addresses === 'any' ? 'any' : 'public',
    credential: credential === null ? undefined : { sealed: credential, hint: hint ?? '' },
    weight: Number(row.weight),
    priority: Number(row.priority),
    onClientLeaving: row.on_client_leaving === 'drain' ? 'drain' : 'cancel',
    enabled: row.enabled === 1n,
    createdAt: Number(row.created_at),
    revision: Number(row.revision),
  };
}
