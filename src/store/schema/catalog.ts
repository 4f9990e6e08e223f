// Price versions: immutable and dated. A version that was ever in force stays for good: usage records name it.

import type { Migration } from '../migrate.ts';

export interface CatalogTables {
  price_version: PriceVersionRow;
}

export interface PriceVersionRow {
  id: string;
  model: string;
  currency: string;
  /** JSON object of part to decimal string, micro-units per million. */
  rates: string;
  per_call_nano: bigint;
  valid_from: bigint;
  source: string;
  /** Set once, when a config no longer declares it, or an operator withdrew it before it came into force. */
  closed_at: bigint | null;
}

export const catalogMigration: Migration = {
  name: '002-catalog',
  statements: [
    `CREATE TABLE price_version (
      id TEXT NOT NULL PRIMARY KEY,
      model TEXT NOT NULL,
      currency TEXT NOT NULL CHECK (length(currency) = 3),
      rates TEXT NOT NULL,
      per_call_nano INTEGER NOT NULL CHECK (per_call_nano >= 0),
      valid_from INTEGER NOT NULL,
      source TEXT NOT NULL CHECK (source IN ('config', 'admin')),
      closed_at INTEGER
    ) STRICT`,
    'CREATE INDEX price_version_by_model ON price_version (model, valid_from)',
    `CREATE TRIGGER price_version_immutable BEFORE UPDATE OF id, model, currency, rates, per_call_nano, valid_from, source ON price_version
      BEGIN SELECT RAISE(ABORT, 'a price version never changes'); END`,
    `CREATE TRIGGER price_version_kept BEFORE DELETE ON price_version
      BEGIN SELECT RAISE(ABORT, 'a price version is never deleted'); END`,
  ],
};
