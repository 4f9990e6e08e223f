// The table of replies that an upstream keeps for its caller: whose each is, and where.

import type { Generated } from 'kysely';
import type { Migration } from '../migrate.ts';

export interface StoredReplyRow {
  /** The upstream's own id: another upstream may give the same. */
  readonly id: string;
  /** Empty where the upstream gave one id to two accounts: then it is nobody's. */
  readonly account_id: string;
  readonly upstream_id: string;
  /** The model's public name. */
  readonly model: string;
  readonly created_at: bigint;
}

export interface StoredReplyTables {
  /** `place` goes up with each row that is new. */
  readonly stored_reply: StoredReplyRow & { readonly place: Generated<bigint> };
}

export const storedRepliesMigration: Migration = {
  name: '008-stored-replies',
  additive: true,
  statements: [
    `CREATE TABLE stored_reply (
      id TEXT NOT NULL PRIMARY KEY,
      account_id TEXT NOT NULL,
      upstream_id TEXT NOT NULL,
      model TEXT NOT NULL,
      created_at INTEGER NOT NULL
    ) STRICT`,
    'CREATE INDEX stored_reply_age ON stored_reply (created_at)',
  ],
};

/** Additive in effect: an executable that knows the columns of before inserts, reads and deletes as it did. */
export const storedRepliesByUpstreamMigration: Migration = {
  name: '009-stored-replies-by-upstream',
  additive: true,
  statements: [
    'ALTER TABLE stored_reply RENAME TO stored_reply_by_id',
    `CREATE TABLE stored_reply (
      place INTEGER PRIMARY KEY,
      id TEXT NOT NULL,
      account_id TEXT NOT NULL,
      upstream_id TEXT NOT NULL,
      model TEXT NOT NULL,
      created_at INTEGER NOT NULL,
      UNIQUE (id, upstream_id)
    ) STRICT`,
    `INSERT INTO stored_reply (id, account_id, upstream_id, model, created_at)
      SELECT id, account_id, upstream_id, model, created_at FROM stored_reply_by_id ORDER BY created_at`,
    'DROP TABLE stored_reply_by_id',
    'CREATE INDEX stored_reply_age ON stored_reply (created_at)',
  ],
};
