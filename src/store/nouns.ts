// `tollgate.db`: every noun but money. One connection of the main thread writes it. New migrations go to the end of the
// list: what was released keeps its place.

import { join } from 'node:path';
import { migrate, type Migration } from './migrate.ts';
import { accountsMigrations, type AccountsTables } from './schema/accounts.ts';
import { appliedConfigMigration, type AppliedConfigTables } from './schema/applied-config.ts';
import { adminCatalogMigration, catalogMigration, type CatalogTables } from './schema/catalog.ts';
import { operatorsMigration, type OperatorTables } from './schema/operators.ts';
import {
  storedRepliesByUpstreamMigration,
  storedRepliesMigration,
  type StoredReplyTables,
} from './schema/stored-replies.ts';
import { termsMigrations, type TermsTables } from './schema/terms.ts';
import { sqlFileOn, type SqlFile } from './sql-file.ts';
import { openSqlite } from './sqlite.ts';

export type NounTables = AccountsTables & CatalogTables & TermsTables & OperatorTables & AppliedConfigTables &
  StoredReplyTables;

export const nounsMigrations: readonly Migration[] = [
  ...accountsMigrations,
  catalogMigration,
  ...termsMigrations,
  adminCatalogMigration,
  operatorsMigration,
  appliedConfigMigration,
  storedRepliesMigration,
  storedRepliesByUpstreamMigration,
];

export const nounsDatabasePath = (dataFolder: string): string => join(dataFolder, 'tollgate.db');

/** Opens and migrates. Throws NewerSchemaError. */
export function openNouns(dataFolder: string): SqlFile<NounTables> {
  const database = openSqlite({ path: nounsDatabasePath(dataFolder) });
  migrate(database, nounsMigrations);
  return sqlFileOn<NounTables>(database);
}
