// Forward-only migrations, embedded, known by their names. Each runs in one transaction with the line that records it,
// so that a crash leaves either all of it or nothing. The line also says whether an executable that does not know the
// migration may go on with the file: such a one finds it there and goes on, or refuses and leaves the file as it is.

import type { Database } from 'bun:sqlite';
import { dirname } from 'node:path';

export interface Migration {
  /** Stays as it is once released: `001-accounts`. */
  readonly name: string;
  /** SQL statements, in order. Only types that SQLite and Postgres share: text, bigint/integer, double precision. */
  readonly statements: readonly string[];
  /**
   * True: it adds tables, indexes, or columns that have a default or may be null, and nothing else, so that an older
   * executable, which names its columns, reads and writes the file as before. Left out: an older executable refuses
   * the file, and a backup is made before the migration runs. What adds triggers or constraints is not additive.
   */
  readonly additive?: true;
}

/** One that ran on the file. */
export interface AppliedMigration {
  readonly name: string;
  readonly additive: boolean;
}

export class NewerSchemaError extends Error {
  /** `found`: migrations that are not known here and not additive. `copy`: the backup that was made before them. */
  constructor(path: string, found: readonly string[], copy?: string) {
    super(`${path} was written by another Tollgate, newer or not released, in a way that this one cannot go on with `
      + `(unknown migrations: ${found.join(', ')}). Start that Tollgate, or go back to the state before it: `
      + `\`tollgate restore ${copy ?? 'BACKUP'} --data ${dirname(path)} --replace\``);
    this.name = 'NewerSchemaError';
  }
}

export class MisorderedSchemaError extends Error {
  constructor(path: string, missing: string, later: string) {
    super(`${path} lacks the migration ${missing}, although the later ${later} ran on it: no released Tollgate leaves a `
      + 'file so. Nothing was changed; restore a backup');
    this.name = 'MisorderedSchemaError';
  }
}

export interface MigrationPlan {
  /** To be run, in order. */
  readonly pending: readonly Migration[];
  /** Ran on the file, are not known here, and are not additive. */
  readonly breaking: readonly string[];
}

/** Pure: what is to be done about a file on which these migrations ran. Throws MisorderedSchemaError. */
export function planMigrations(
  path: string, applied: readonly AppliedMigration[], migrations: readonly Migration[],
): MigrationPlan {
  const done = new Set(applied.map(({ name }) => name));
  const known = new Set(migrations.map(({ name }) => name));
  const pending = migrations.filter(({ name }) => !done.has(name));
  const later = migrations.findLast(({ name }) => done.has(name));
  const [first] = pending;
  // A migration was written for what the ones before it left: it is never run after its successors.
  if (first !== undefined && later !== undefined && migrations.indexOf(first) < migrations.indexOf(later)) {
    throw new MisorderedSchemaError(path, first.name, later.name);
  }
  const breaking = applied.filter(({ name, additive }) => !additive && !known.has(name));
  return { pending, breaking: breaking.map(({ name }) => name) };
}

/** Throws NewerSchemaError for a file that this executable cannot work with. For connections that only read. */
export function refuseBreaking(database: Database, migrations: readonly Migration[]): void {
  const { breaking } = planMigrations(database.filename, appliedMigrations(database), migrations);
  if (breaking.length > 0) throw new NewerSchemaError(database.filename, breaking);
}

/** Brings the file up to the last migration. Quick when there is nothing to do: one read. */
export function migrate(database: Database, migrations: readonly Migration[]): readonly string[] {
  const { pending, breaking } = planMigrations(database.filename, appliedMigrations(database), migrations);
  if (breaking.length > 0) throw new NewerSchemaError(database.filename, breaking);
  for (const migration of pending) {
    database.transaction(() => {
      prepareTable(database);
      for (const statement of migration.statements) database.run(statement);
      database.query('INSERT INTO migration (name, additive) VALUES (?, ?)')
        .run(migration.name, migration.additive === true ? 1 : 0);
    }).immediate();
  }
  return pending.map((migration) => migration.name);
}

/** The migrations that ran on the file, in their order. */
export function appliedMigrations(database: Database): readonly AppliedMigration[] {
  const table = database.query("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'migration'").get();
  if (table === null) return [];
  // Files of before the column was have no migration that is unknown to anybody.
  return database.query<{ name: string; additive?: bigint | number }, []>('SELECT * FROM migration ORDER BY position')
    .all().map(({ name, additive }) => ({ name, additive: Number(additive ?? 0) === 1 }));
}

function prepareTable(database: Database): void {
  database.run(`CREATE TABLE IF NOT EXISTS migration (
    position INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, additive INTEGER NOT NULL DEFAULT 0) STRICT`);
  const column = database.query("SELECT 1 FROM pragma_table_info('migration') WHERE name = 'additive'").get();
  if (column === null) database.run('ALTER TABLE migration ADD COLUMN additive INTEGER NOT NULL DEFAULT 0');
}
