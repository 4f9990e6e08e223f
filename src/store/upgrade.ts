// What a start does before it changes a data folder that another version wrote. Both files are looked at before either
// is changed, and before a migration that an older Tollgate could not go on with, a backup is put beside them.

import { Database } from 'bun:sqlite';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { snapshotFolder } from './backup/snapshot-folder.ts';
import { appliedMigrations, NewerSchemaError, planMigrations, type Migration } from './migrate.ts';
import { nounsDatabasePath, nounsMigrations } from './nouns.ts';
import { ledgerDatabasePath, ledgerMigrations } from './schema/ledger.ts';

export interface FilePlan {
  /** Name of the file in the data folder. */
  readonly file: string;
  /** Migrations that are to run on it, in order. */
  readonly pending: readonly Migration[];
  /** The file is yet to be made. */
  readonly fresh: boolean;
}

export interface KnownMigrations {
  readonly ledger: readonly Migration[];
  readonly nouns: readonly Migration[];
}

/** For tests. */
export interface UpgradeSurroundings {
  /** Instead of what the files' own modules list. */
  readonly migrations?: KnownMigrations;
  readonly freeBytes?: (path: string) => number;
}

const known: KnownMigrations = { ledger: ledgerMigrations, nouns: nounsMigrations };

/** Reads both files. Throws NewerSchemaError or MisorderedSchemaError. */
export function planUpgrade(dataFolder: string, migrations: KnownMigrations = known): readonly FilePlan[] {
  return [
    planFile(dataFolder, 'ledger.db', ledgerDatabasePath(dataFolder), migrations.ledger),
    planFile(dataFolder, 'tollgate.db', nounsDatabasePath(dataFolder), migrations.nouns),
  ];
}

function planFile(folder: string, file: string, path: string, migrations: readonly Migration[]): FilePlan {
  const fresh = { file, pending: migrations, fresh: true };
  if (!existsSync(path)) return fresh;
  const database = new Database(path, { readonly: true });
  try {
    const applied = appliedMigrations(database);
    const { pending, breaking } = planMigrations(path, applied, migrations);
    if (breaking.length > 0) throw new NewerSchemaError(path, breaking, copyBefore(folder, breaking));
    return { file, pending, fresh: applied.length === 0 };
  } catch (error) {
    if (isHalfMade(error)) return fresh;
    throw error;
  } finally {
    database.close();
  }
}

/**
 * Making the file was cut off before it kept its changes ahead of itself: no migration ran on it yet. Whoever opens it
 * for writing undoes what was begun; a reader cannot.
 */
const isHalfMade = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === 'SQLITE_READONLY_ROLLBACK';

const copyPath = (folder: string, migration: string): string => join(folder, `before-${migration}.tar`);

function copyBefore(folder: string, breaking: readonly string[]): string | undefined {
  const names = new Set(readdirSync(folder));
  return breaking.map((name) => copyPath(folder, name)).find((path) => names.has(path.slice(folder.length + 1)));
}

/** The first migration that needs a backup before it; undefined: none does. */
export const firstBreaking = (plans: readonly FilePlan[]): Migration | undefined =>
  plans.flatMap(({ fresh, pending }) => (fresh ? [] : pending)).find(({ additive }) => additive !== true);

/**
 * Call it with the folder's lock held, before the files are opened. `version` is our own, `now` in milliseconds since
 * the epoch, `say` gives the operator a line. Throws NewerSchemaError, MisorderedSchemaError, or SnapshotError when the
 * backup finds no room; nothing was changed then.
 */
export async function prepareUpgrade(
  dataFolder: string, version: string, now: number, say: (message: string) => void,
  surroundings: UpgradeSurroundings = {},
): Promise<void> {
  rmSync(snapshotFolder(dataFolder), { recursive: true, force: true });
  const plans = planUpgrade(dataFolder, surroundings.migrations);
  const breaking = firstBreaking(plans);
  // A file that is being made beside one that is there: a start was cut off between the two.
  if (breaking === undefined || plans.some(({ fresh }) => fresh)) return;
  const path = copyPath(dataFolder, breaking.name);
  say(`before the migration ${breaking.name}, which an older Tollgate cannot go on with, a backup is made at ${path}`);
  const { backUpFolder } = await import('./backup/back-up-folder.ts');
  // A copy under that name was made before the same migration, which then did not come to run: ours is newer.
  const { freeBytes } = surroundings;
  await backUpFolder({
    dataFolder, path, version, now, secrets: true, compress: false, replaces: true,
    ...(freeBytes === undefined ? {} : { freeBytes }),
  });
}
