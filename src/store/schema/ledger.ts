// `ledger.db`: what the journal says, made readable. Written by the loader alone; movements, entries and usage rows
// never change. House balances and long sums are decimal text: they may exceed 64 bits, amounts of entries may not.

import type { Database } from 'bun:sqlite';
import { join } from 'node:path';
import { migrate, refuseBreaking, type Migration } from '../migrate.ts';
import { openSqlite } from '../sqlite.ts';

export interface LedgerStateRow {
  readonly id: bigint;
  /** Journal position up to which everything is loaded. */
  readonly segment: bigint;
  readonly journal_offset: bigint;
  readonly sequence: bigint;
  /** Batches loaded so far; every movement and usage row names its batch. */
  readonly batch: bigint;
  readonly head_position: bigint;
  readonly head_hash: string;
}

export interface LedgerAccountRow {
  readonly account_id: string;
  readonly currency: string;
  readonly overdraft_nano: bigint;
  readonly opened_at: bigint;
}

export interface BalanceRow {
  readonly address: string;
  readonly currency: string;
  readonly posted_nano: string;
}

export interface MovementRow {
  readonly position: bigint;
  readonly id: string;
  readonly kind: string;
  readonly at: bigint;
  readonly reason: string;
  readonly actor: string;
  readonly reference: string | null;
  readonly idempotency_key: string | null;
  readonly input_sha256: string | null;
  readonly batch: bigint;
  readonly prev_hash: string;
  readonly hash: string;
}

export interface EntryRow {
  readonly movement_position: bigint;
  readonly line: bigint;
  readonly address: string;
  readonly currency: string;
  readonly amount_nano: bigint;
}

/** Where the record of a request is; there is one for each. */
export interface UsageRow {
  readonly request_id: string;
  /** Order of loading, which is the order in which requests ended. */
  readonly position: bigint;
}

/** The whole records of successive positions, as the journal carried them, compressed together. */
export interface UsagePackRow {
  /** Of the first of them. */
  readonly position: bigint;
  readonly records: bigint;
  readonly batch: bigint;
  /** JSON: the position of the movement that carries each record's charge. */
  readonly movements: string;
  readonly texts: Uint8Array;
}

/** A pack that has such records, with the span of all its records, see `usage-facets.ts`. */
export interface UsageFacetRow {
  readonly facet: string;
  readonly last_id: string;
  readonly pack: bigint;
  readonly first_id: string;
  readonly first_at: bigint;
  readonly last_at: bigint;
}

/** Who has paid for a key's requests. */
export interface UsageKeyRow {
  readonly api_key_id: string;
  readonly account_id: string;
}

/** Holds that are in the journal and not yet closed there. */
export interface OpenHoldRow {
  readonly request_id: string;
  readonly detail: string;
  readonly extended_nano: string;
}

/** Charged so far, by key and account: `day` counts UTC days since 1970, `month` UTC months, `total` has period 0. */
export interface SpendRow {
  readonly scope: string;
  readonly scope_id: string;
  readonly window_name: string;
  readonly period: bigint;
  readonly charge_nano: string;
}

export interface LedgerTables {
  readonly ledger_state: LedgerStateRow;
  readonly ledger_account: LedgerAccountRow;
  readonly balance: BalanceRow;
  readonly movement: MovementRow;
  readonly entry: EntryRow;
  readonly usage: UsageRow;
  readonly usage_pack: UsagePackRow;
  readonly usage_facet: UsageFacetRow;
  readonly usage_key: UsageKeyRow;
  readonly open_hold: OpenHoldRow;
  readonly spend: SpendRow;
}

/** The hash before the first movement. */
export const genesisHash = '0'.repeat(64);

const immutable = (table: string): readonly string[] => ['UPDATE', 'DELETE'].map((verb) =>
  `CREATE TRIGGER ${table}_no_${verb.toLowerCase()} BEFORE ${verb} ON ${table}
   BEGIN SELECT RAISE(ABORT, '${table} is append-only: corrections are new movements'); END`);

export const ledgerMigrations: readonly Migration[] = [{
  name: '001-ledger-in-packs',
  statements: [
    `CREATE TABLE ledger_state (
      id INTEGER PRIMARY KEY CHECK (id = 1), segment INTEGER NOT NULL CHECK (segment >= 1),
      journal_offset INTEGER NOT NULL CHECK (journal_offset >= 0), sequence INTEGER NOT NULL CHECK (sequence >= 0),
      batch INTEGER NOT NULL, head_position INTEGER NOT NULL, head_hash TEXT NOT NULL CHECK (length(head_hash) = 64)
    ) STRICT`,
    `INSERT INTO ledger_state VALUES (1, 1, 0, 0, 0, 0, '${genesisHash}')`,
    `CREATE TABLE ledger_account (
      account_id TEXT PRIMARY KEY NOT NULL, currency TEXT NOT NULL CHECK (length(currency) BETWEEN 3 AND 12),
      overdraft_nano INTEGER NOT NULL CHECK (overdraft_nano >= 0), opened_at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID`,
    `CREATE TABLE balance (
      address TEXT NOT NULL, currency TEXT NOT NULL, posted_nano TEXT NOT NULL CHECK (posted_nano NOT GLOB '*[^-0-9]*'),
      PRIMARY KEY (address, currency)
    ) STRICT, WITHOUT ROWID`,
    `CREATE TABLE movement (
      position INTEGER PRIMARY KEY CHECK (position >= 1), id TEXT NOT NULL UNIQUE,
      kind TEXT NOT NULL CHECK (kind IN ('charges', 'upstream-costs', 'top-up', 'refund', 'adjustment')),
      at INTEGER NOT NULL, reason TEXT NOT NULL, actor TEXT NOT NULL, reference TEXT, idempotency_key TEXT,
      input_sha256 TEXT, batch INTEGER NOT NULL,
      prev_hash TEXT NOT NULL CHECK (length(prev_hash) = 64), hash TEXT NOT NULL CHECK (length(hash) = 64)
    ) STRICT`,
    'CREATE UNIQUE INDEX movement_by_key ON movement (idempotency_key) WHERE idempotency_key IS NOT NULL',
    `CREATE TABLE entry (
      movement_position INTEGER NOT NULL REFERENCES movement (position), line INTEGER NOT NULL CHECK (line >= 0),
      address TEXT NOT NULL CHECK (address GLOB 'account/?*' OR address GLOB 'house/?*'), currency TEXT NOT NULL,
      amount_nano INTEGER NOT NULL, PRIMARY KEY (movement_position, line)
    ) STRICT, WITHOUT ROWID`,
    'CREATE INDEX entry_by_address ON entry (address, movement_position)',
    // A row with columns and indexes of its own would cost every request more than all the rest of its loading: of a
    // record there is only its place. What it is found by stands once for all records of a pack.
    `CREATE TABLE usage (
      request_id TEXT PRIMARY KEY NOT NULL, position INTEGER NOT NULL CHECK (position >= 1)
    ) STRICT, WITHOUT ROWID`,
    `CREATE TABLE usage_pack (
      position INTEGER PRIMARY KEY CHECK (position >= 1), records INTEGER NOT NULL CHECK (records >= 1),
      batch INTEGER NOT NULL, movements TEXT NOT NULL, texts BLOB NOT NULL
    ) STRICT`,
    `CREATE TABLE usage_facet (
      facet TEXT NOT NULL, last_id TEXT NOT NULL, pack INTEGER NOT NULL, first_id TEXT NOT NULL,
      first_at INTEGER NOT NULL, last_at INTEGER NOT NULL, PRIMARY KEY (facet, last_id, pack)
    ) STRICT, WITHOUT ROWID`,
    `CREATE TABLE usage_key (
      api_key_id TEXT NOT NULL, account_id TEXT NOT NULL, PRIMARY KEY (api_key_id, account_id)
    ) STRICT, WITHOUT ROWID`,
    `CREATE TABLE open_hold (
      request_id TEXT PRIMARY KEY NOT NULL, detail TEXT NOT NULL, extended_nano TEXT NOT NULL
    ) STRICT, WITHOUT ROWID`,
    `CREATE TABLE spend (
      scope TEXT NOT NULL CHECK (scope IN ('key', 'account')), scope_id TEXT NOT NULL,
      window_name TEXT NOT NULL CHECK (window_name IN ('day', 'month', 'total')), period INTEGER NOT NULL,
      charge_nano TEXT NOT NULL CHECK (charge_nano NOT GLOB '*[^0-9]*'),
        PRIMARY KEY (scope, scope_id, window_name, period)
    ) STRICT, WITHOUT ROWID`,
    ...immutable('movement'), ...immutable('entry'), ...immutable('usage'),
    ...immutable('usage_pack'), ...immutable('usage_facet'),
  ],
}];

export const ledgerDatabasePath = (dataFolder: string): string => join(dataFolder, 'ledger.db');
export const journalFolder = (dataFolder: string): string => join(dataFolder, 'journal');

/** The loader's own connection: brings the schema up to date. */
export function openLedgerForLoading(dataFolder: string): Database {
  const database = openSqlite({ path: ledgerDatabasePath(dataFolder) });
  migrate(database, ledgerMigrations);
  return database;
}

/** Everybody else's: reads only. The file must exist. Throws NewerSchemaError. */
export function openLedgerForReading(dataFolder: string): Database {
  const database = openSqlite({ path: ledgerDatabasePath(dataFolder), readonly: true });
  try {
    refuseBreaking(database, ledgerMigrations);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}
