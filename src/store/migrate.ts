// Forward-only migrations, embedded. Each runs in one transaction with the line that records it, so that a crash
// leaves either all of it or nothing; a file written by a newer Tollgate is refused and left as it is.

import type { Database } from 'bun:sqlite';

export interface Migration {
  /** Stays as it is once released: `001-accounts`. */
  readonly name: string;
  /** SQL statements, in order. Only types that SQLite and Postgres share: text, bigint/integer, double precision. */
  readonly statements: readonly string[];
}

export class NewerSchemaError extends Error {
  constructor(path: string, found: readonly string[]) {
    super(`${path} was written by another Tollgate, newer or not released (unknown migrations: ${found.join(', ')}); start that version or restore a backup`);
  }
}

/** Brings the file up to the last migration. Quick when there is nothing to do: one read. */
export function migrate(database: Database, migrations: readonly Migration[]): readonly string[] {
  const applied = appliedNames(database);
  const known = new Set(migrations.map((migration) => migration.name));
  const unknown = applied.filter((name) => !known.has(name));
  if (unknown.length > 0) throw new NewerSchemaError(database.filename, unknown);
  const pending = migrations.slice(applied.length);
  for (const migration of pending) {
    database.transaction(() => {
      database.run('CREATE TABLE IF NOT EXISTS migration (position INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT');
      for (const statement of migration.statements) database.run(statement);
      database.query('INSERT INTO migration (name) VALUES (?)').run(migration.name);
    }).immediate();
  }
  return pending.map((migration) => migration.name);
}

function appliedNames(database: Database): readonly string[] {
  const table = database.query("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'migration'").get();
  if (table === null) return [];
  return database.query<{ name: string }, []>('SELECT name FROM migration ORDER BY position').all().map((row) => row.name);
}
