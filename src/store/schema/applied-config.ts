// The config that was applied last, as facts: one row, so that the next start can say what changed since.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Migration } from '../migrate.ts';
import { openSqlite } from '../sqlite.ts';

export interface AppliedConfigTables {
  applied_config: AppliedConfigRow;
  billing_rule_form: BillingRuleFormRow;
}

export interface AppliedConfigRow {
  /** Always 1. */
  id: bigint;
  generation: bigint;
  applied_at: bigint;
  /** JSON object of noun and name to fields; see domain/applied-config. */
  facts: string;
}

/** What a billing rule was like from a time on: records name their rule, and must not be measured by another one. */
export interface BillingRuleFormRow {
  name: string;
  since: bigint;
  /** Hash of its version and options. */
  form: string;
}

/** Written out, because a start and `check` read it without a query builder. */
export const appliedConfigQuery = 'SELECT generation, applied_at, facts FROM applied_config WHERE id = 1';

/** Undefined: there is no file, table or row. */
export const readAppliedConfig = (dataFolder: string): Pick<AppliedConfigRow, 'facts'> | undefined =>
  readBeside<AppliedConfigRow>(dataFolder, appliedConfigQuery)[0];

/** Earliest first. */
export const readRuleForms = (dataFolder: string): readonly BillingRuleFormRow[] =>
  readBeside<BillingRuleFormRow>(dataFolder, 'SELECT name, since, form FROM billing_rule_form ORDER BY since');

/** Reads the file of a gateway that may be running, and waits for nobody. */
function readBeside<Row>(dataFolder: string, query: string): readonly Row[] {
  const path = join(dataFolder, 'tollgate.db');
  if (!existsSync(path)) return [];
  const database = openSqlite({ path, readonly: true });
  try {
    const table = database.query("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'applied_config'").get();
    return table === null ? [] : database.query<Row, []>(query).all();
  } finally {
    database.close();
  }
}

export const appliedConfigMigration: Migration = {
  name: '007-applied-config',
  additive: true,
  statements: [
    `CREATE TABLE applied_config (
      id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
      generation INTEGER NOT NULL CHECK (generation > 0),
      applied_at INTEGER NOT NULL,
      facts TEXT NOT NULL
    ) STRICT`,
    `CREATE TABLE billing_rule_form (
      name TEXT NOT NULL,
      since INTEGER NOT NULL,
      form TEXT NOT NULL,
      PRIMARY KEY (name, since)
    ) STRICT`,
  ],
};
