// The table of replies that an upstream keeps for its caller: whose each is, and where.

import type { Migration } from '../migrate.ts';

export interface StoredReplyRow {
  /** The upstream's own id. */
  readonly id: string;
  readonly account_id: string;
  readonly upstream_id: string;
  /** The model's public name. */
  readonly model: string;
  readonly created_at: bigint;
}

export interface StoredReplyTables {
  readonly stored_reply: StoredReplyRow;
}

/** Appended to the end of the list in nouns.ts. */
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
