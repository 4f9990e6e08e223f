// The table of operator keys: hashes and hints, never a key.

import type { Migration } from '../migrate.ts';

export interface OperatorTables {
  readonly operator_key: OperatorKeyRow;
}

export interface OperatorKeyRow {
  readonly id: string;
  readonly name: string;
  readonly sha256: string;
  readonly hint: string;
  /** Joined by a blank. */
  readonly scopes: string;
  readonly created_at: bigint;
  readonly expires_at: bigint | null;
  readonly revoked_at: bigint | null;
}

/** Appended to the end of the list in nouns.ts. */
export const operatorsMigration: Migration = {
  name: '006-operator-keys',
  // Its triggers stand on its own table, which an older executable does not know: there no key of it opens anything.
  additive: true,
  statements: [
    `CREATE TABLE operator_key (
      id TEXT NOT NULL PRIMARY KEY,
      name TEXT NOT NULL,
      sha256 TEXT NOT NULL UNIQUE CHECK (length(sha256) = 64),
      hint TEXT NOT NULL,
      scopes TEXT NOT NULL CHECK (scopes <> ''),
      created_at INTEGER NOT NULL,
      expires_at INTEGER,
      revoked_at INTEGER
    ) STRICT`,
    `CREATE TRIGGER operator_key_kept BEFORE DELETE ON operator_key
      BEGIN SELECT RAISE(ABORT, 'an operator key is never deleted'); END`,
    // What a key may do and whether it was revoked is decided once.
    `CREATE TRIGGER operator_key_stays BEFORE UPDATE ON operator_key
      WHEN OLD.revoked_at IS NOT NULL OR NEW.id <> OLD.id OR NEW.sha256 <> OLD.sha256 OR NEW.scopes <> OLD.scopes
      BEGIN SELECT RAISE(ABORT, 'an operator key never changes but for being revoked'); END`,
  ],
};
