// Prices, upstreams and models. Price versions are immutable and dated, and no row is ever deleted: usage records name
// price versions by their identifier, upstreams and models by their name.

import type { Migration } from '../migrate.ts';
import type { SqlFile } from '../sql-file.ts';
import type { AuditTables } from './accounts.ts';

export interface CatalogTables {
  price_version: PriceVersionRow;
  upstream: UpstreamRow;
  declared_upstream: DeclaredUpstreamRow;
  model: ModelRow;
  model_offer: ModelOfferRow;
}

/** A file that has these tables and the audit; one that has more will do. */
export type CatalogFile = SqlFile<CatalogTables & AuditTables>;

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

/** Upstreams that operators made; those of the config are not stored. */
export interface UpstreamRow {
  id: string;
  name: string;
  provider: string;
  /** Null: the provider's own. */
  base_url: string | null;
  addresses: string;
  /** Sealed, see core/envelope.ts. */
  credential: string | null;
  credential_hint: string | null;
  weight: bigint;
  priority: bigint;
  on_client_leaving: string;
  enabled: bigint;
  created_at: bigint;
  /** Grows with each change: a change names the one that it was decided on. */
  revision: bigint;
}

/** Names that a config ever declared: they are not given to other upstreams. */
export interface DeclaredUpstreamRow {
  name: string;
  first_declared_at: bigint;
}

/** Models that operators made; those of the config are not stored. */
export interface ModelRow {
  name: string;
  /** JSON list of operations. */
  operations: string;
  context_tokens: bigint;
  output_tokens_max: bigint;
  rule: string;
  strategy: string;
  multiplier_ppm: bigint;
  /** JSON list of group names; null: all. */
  group_names: string | null;
  enabled: bigint;
  created_at: bigint;
  revision: bigint;
}

export interface ModelOfferRow {
  model: string;
  position: bigint;
  upstream: string;
  /** Null: the public name. */
  upstream_model: string | null;
  /** All three null: the provider's list price. */
  cost_currency: string | null;
  cost_rates: string | null;
  cost_per_call_nano: bigint | null;
}

const kept = (table: string, noun: string) =>
  `CREATE TRIGGER ${table}_kept BEFORE DELETE ON ${table} BEGIN SELECT RAISE(ABORT, '${noun} is never deleted'); END`;

/** Appended to the end of the list in nouns.ts. */
export const adminCatalogMigration: Migration = {
  name: '005-admin-catalog',
  statements: [
    `CREATE TABLE upstream (
      id TEXT NOT NULL PRIMARY KEY,
      name TEXT NOT NULL UNIQUE,
      provider TEXT NOT NULL,
      base_url TEXT,
      addresses TEXT NOT NULL CHECK (addresses IN ('public', 'any')),
      credential TEXT,
      credential_hint TEXT,
      weight INTEGER NOT NULL CHECK (weight BETWEEN 0 AND 1000000),
      priority INTEGER NOT NULL CHECK (priority BETWEEN 0 AND 1000000),
      on_client_leaving TEXT NOT NULL CHECK (on_client_leaving IN ('cancel', 'drain')),
      enabled INTEGER NOT NULL CHECK (enabled IN (0, 1)),
      created_at INTEGER NOT NULL,
      revision INTEGER NOT NULL,
      CHECK ((credential IS NULL) = (credential_hint IS NULL))
    ) STRICT`,
    kept('upstream', 'an upstream'),
    `CREATE TRIGGER upstream_identity BEFORE UPDATE OF id, name, created_at ON upstream
      BEGIN SELECT RAISE(ABORT, 'the identity of an upstream never changes'); END`,
    `CREATE TABLE declared_upstream (
      name TEXT NOT NULL PRIMARY KEY,
      first_declared_at INTEGER NOT NULL
    ) STRICT`,
    `CREATE TABLE model (
      name TEXT NOT NULL PRIMARY KEY,
      operations TEXT NOT NULL,
      context_tokens INTEGER NOT NULL CHECK (context_tokens > 0),
      output_tokens_max INTEGER NOT NULL CHECK (output_tokens_max >= 0),
      rule TEXT NOT NULL,
      strategy TEXT NOT NULL,
      multiplier_ppm INTEGER NOT NULL CHECK (multiplier_ppm >= 0),
      group_names TEXT,
      enabled INTEGER NOT NULL CHECK (enabled IN (0, 1)),
      created_at INTEGER NOT NULL,
      revision INTEGER NOT NULL
    ) STRICT`,
    kept('model', 'a model'),
    `CREATE TRIGGER model_identity BEFORE UPDATE OF name, created_at ON model
      BEGIN SELECT RAISE(ABORT, 'the identity of a model never changes'); END`,
    `CREATE TABLE model_offer (
      model TEXT NOT NULL REFERENCES model (name),
      position INTEGER NOT NULL,
      upstream TEXT NOT NULL,
      upstream_model TEXT,
      cost_currency TEXT,
      cost_rates TEXT,
      cost_per_call_nano INTEGER CHECK (cost_per_call_nano >= 0),
      PRIMARY KEY (model, position),
      UNIQUE (model, upstream),
      CHECK ((cost_currency IS NULL) = (cost_rates IS NULL) AND (cost_currency IS NULL) = (cost_per_call_nano IS NULL))
    ) STRICT`,
    // Two versions for one moment would leave it open which of them charged.
    `CREATE UNIQUE INDEX price_version_moment ON price_version (model, valid_from)
      WHERE source = 'admin' AND closed_at IS NULL`,
  ],
};

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
