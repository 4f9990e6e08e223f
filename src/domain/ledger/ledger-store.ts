// Movements and the trial balance, read from `ledger.db`. Read-only: movements are made by the ledger alone.

import { sql, type Kysely } from 'kysely';
import type { MovementId } from '../../core/ids.ts';
import type { EntryRow, LedgerTables } from '../../store/schema/ledger.ts';
import type { MovementFilter, MovementReader, TrialBalanceRow } from './movement-reader.ts';
import { isLedgerAddress, readEntry, readMovement } from './record-json.ts';
import type { LedgerAddress, Movement } from './records.ts';

/** SQLite's sum gives up beyond 64 bits, so halves are added apart. */
const HALF = 4_294_967_296n;

/**
 * `settled` is the ledger's: what was acknowledged before the call is in the answer. While the loader is down (it says
 * so in the log) reads go on with what it had loaded.
 */
export function createMovementReader(database: Kysely<LedgerTables>, settled: () => Promise<void>): MovementReader {
  return {
    async list(filter, limit, before) {
      await settled().catch(() => undefined);
      return listMovements(database, filter, limit, before);
    },
    async trialBalance() {
      await settled().catch(() => undefined);
      return trialBalance(database);
    },
  };
}

async function listMovements(
  database: Kysely<LedgerTables>, filter: MovementFilter, limit: number, before: MovementId | undefined,
): Promise<readonly Movement[]> {
  const { address, kind, since, until } = filter;
  let query = database.selectFrom('movement').selectAll().orderBy('id', 'desc').limit(limit);
  if (before !== undefined) query = query.where('id', '<', before);
  if (kind !== undefined) query = query.where('kind', '=', kind);
  if (since !== undefined) query = query.where('at', '>=', BigInt(since));
  if (until !== undefined) query = query.where('at', '<', BigInt(until));
  if (address !== undefined) {
    const atAddress = database.selectFrom('entry').select('movement_position').where('address', '=', address);
    query = query.where('position', 'in', atAddress);
  }
  const rows = await query.execute();
  if (rows.length === 0) return [];
  const entries = await database.selectFrom('entry').selectAll()
    .where('movement_position', 'in', rows.map((row) => row.position))
    .orderBy('movement_position').orderBy('line').execute();
  const byMovement = Map.groupBy(entries, (entry: EntryRow) => entry.movement_position);
  return rows.map((row) => readMovement(row, (byMovement.get(row.position) ?? []).map(readEntry)));
}

async function trialBalance(database: Kysely<LedgerTables>): Promise<readonly TrialBalanceRow[]> {
  const rows = await sql<{ address: string; currency: string; high: bigint; low: bigint; entries: bigint }>`
    SELECT CASE WHEN address GLOB 'account/*' THEN 'account/*' ELSE address END AS address, currency,
      sum(amount_nano / ${HALF}) AS high, sum(amount_nano % ${HALF}) AS low, count(*) AS entries
    FROM entry GROUP BY 1, 2 ORDER BY 1, 2`.execute(database);
  return rows.rows.map((row) => ({
    address: trialAddress(row.address), currency: row.currency, amountNano: row.high * HALF + row.low,
    entries: Number(row.entries),
  }));
}

function trialAddress(text: string): LedgerAddress | 'account/*' {
  if (text === 'account/*' || isLedgerAddress(text)) return text;
  throw new Error(`an entry has the address ${text}`);
}
