// What restored files must be besides what `verify` proves of the ledger: made by our migrations and by nothing else,
// whole, and with an account for all money.

import { Database } from 'bun:sqlite';
import { appliedMigrations, migrate, type Migration } from '../migrate.ts';
import { nounsDatabasePath, nounsMigrations } from '../nouns.ts';
import { ledgerDatabasePath, ledgerMigrations } from '../schema/ledger.ts';
import { openSqlite } from '../sqlite.ts';

/**
 * Tables, indexes and triggers of both files against what the migrations that ran on them make. A trigger that somebody
 * put in would act at the first write, so this comes before anything is written. Returns what is wrong, a line each.
 */
export const checkSchemas = (folder: string): readonly string[] => [
  ...checkFile(ledgerDatabasePath(folder), ledgerMigrations),
  ...checkFile(nounsDatabasePath(folder), nounsMigrations),
];

function checkFile(path: string, migrations: readonly Migration[]): readonly string[] {
  try {
    return checkSchema(path, migrations);
  } catch (error) {
    return [`${path} cannot be read (${error instanceof Error ? error.message : String(error)})`];
  }
}

function checkSchema(path: string, migrations: readonly Migration[]): readonly string[] {
  const database = openSqlite({ path, readonly: true });
  const model = new Database(':memory:', { strict: true });
  try {
    const applied = new Set(appliedMigrations(database).map(({ name }) => name));
    migrate(model, migrations.filter(({ name }) => applied.delete(name)));
    const found = schemaOf(database);
    const expected = schemaOf(model);
    const wrong: string[] = [];
    // Migrations of a newer Tollgate that left us able to go on have added tables, indexes and columns: never triggers.
    const grown = applied.size > 0;
    for (const [name, sql] of expected) {
      const there = found.get(name);
      const kept = there === sql || (grown && there !== undefined && name.startsWith('table '));
      if (!kept) wrong.push(`${path}: ${name} is not what the migrations made`);
    }
    for (const name of found.keys()) {
      const added = grown && (name.startsWith('table ') || name.startsWith('index '));
      if (!expected.has(name) && !added) wrong.push(`${path}: ${name} was made by no migration`);
    }
    return wrong;
  } finally {
    model.close();
    database.close();
  }
}

/** SQL by kind and name. The table of the migrations themselves has two forms. */
function schemaOf(database: Database): ReadonlyMap<string, string | null> {
  const rows = database.query<{ type: string; name: string; sql: string | null }, []>(
    "SELECT type, name, sql FROM sqlite_schema WHERE tbl_name != 'migration'").all();
  return new Map(rows.map(({ type, name, sql }) => [`${type} ${name}`, sql]));
}

export interface NounsCheck {
  readonly faults: readonly string[];
  /** Upstreams whose stored credential only the master key opens. */
  readonly sealedCredentials: number;
}

/** `tollgate.db` by itself and beside the ledger. Both must have been migrated. */
export function checkNouns(folder: string): NounsCheck {
  const database = openSqlite({ path: nounsDatabasePath(folder), readonly: true });
  try {
    const faults = database.query<{ integrity_check: string }, []>('PRAGMA integrity_check(20)').all()
      .flatMap(({ integrity_check: line }) => (line === 'ok' ? [] : [`tollgate.db: ${line}`]));
    const broken = database.query<{ table: string }, []>('PRAGMA foreign_key_check').all();
    for (const table of new Set(broken.map((row) => row.table))) {
      faults.push(`tollgate.db: rows of ${table} name what is not there`);
    }
    const accounts = new Set(database.query<{ id: string }, []>('SELECT id FROM account').all().map(({ id }) => id));
    for (const id of accountsWithMoney(folder)) {
      if (!accounts.has(id)) faults.push(`the ledger has money of ${id}, and tollgate.db has no such account`);
    }
    const sealed = database.query<{ count: bigint }, []>(
      'SELECT count(*) AS count FROM upstream WHERE credential IS NOT NULL').get();
    return { faults, sealedCredentials: Number(sealed?.count ?? 0n) };
  } finally {
    database.close();
  }
}

function accountsWithMoney(folder: string): readonly string[] {
  const ledger = openSqlite({ path: ledgerDatabasePath(folder), readonly: true });
  try {
    const rows = ledger.query<{ address: string }, []>(
      "SELECT DISTINCT address FROM balance WHERE address GLOB 'account/*'").all();
    return rows.map(({ address }) => address.slice('account/'.length));
  } finally {
    ledger.close();
  }
}
