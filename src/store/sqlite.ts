// SQLite files by bun:sqlite. Integers come back as bigint, so that no amount is ever rounded; one connection writes,
// and a commit is on the disk when it returns (WAL, synchronous FULL). The loader's worker needs no more than this.

import { Database } from 'bun:sqlite';

export interface SqliteOptions {
  readonly path: string;
  /** Opens an existing file for reading only. */
  readonly readonly?: boolean;
}

/** Milliseconds that a statement waits for another connection's lock. Writers of one file are one by design. */
const BUSY_TIMEOUT_MS = 5_000;

export function openSqlite(options: SqliteOptions): Database {
  const database = options.readonly
    ? new Database(options.path, { readonly: true, strict: true, safeIntegers: true })
    : new Database(options.path, { create: true, readwrite: true, strict: true, safeIntegers: true });
  database.run(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`);
  if (!options.readonly) {
    database.run('PRAGMA journal_mode = WAL');
    database.run('PRAGMA synchronous = FULL');
  }
  database.run('PRAGMA foreign_keys = ON');
  database.run('PRAGMA trusted_schema = OFF');
  return database;
}
