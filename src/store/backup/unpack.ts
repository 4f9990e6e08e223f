// Unpacks an archive into a folder of its own. What is there afterwards is on the disk, whole and as the manifest says,
// or the folder is gone.

import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { diskFiles } from '../journal-files.ts';
import { planMigrations, type Migration } from '../migrate.ts';
import { nounsMigrations } from '../nouns.ts';
import { ledgerMigrations } from '../schema/ledger.ts';
import { BackupArchiveError, databaseNames, type BackupManifest, type DatabaseName } from './manifest.ts';
import { readArchive } from './read-archive.ts';

const knownMigrations: Readonly<Record<DatabaseName, readonly Migration[]>> = {
  'ledger.db': ledgerMigrations, 'tollgate.db': nounsMigrations,
};

/** Replaying the journal and a migration need some room beside the files themselves. */
const RESERVE_BYTES = 64 * 1024 * 1024;

const bytesFree = (path: string): number => {
  const { bavail, bsize } = statfsSync(path);
  return bavail * bsize;
};

/** `folder` must not exist, its parent must. Throws BackupArchiveError, or what the disk says. */
export async function unpackArchive(
  source: AsyncIterable<Uint8Array>, folder: string, freeBytes = bytesFree,
): Promise<BackupManifest> {
  let file: number | undefined;
  try {
    const manifest = await readArchive(source, {
      manifest(found) {
        requireKnown(found);
        requireRoom(found, dirname(folder), freeBytes);
        mkdirSync(join(folder, 'journal'), { recursive: true, mode: 0o700 });
      },
      begin({ name }) {
        file = openSync(join(folder, name), 'wx', 0o600);
      },
      bytes(_, bytes) {
        for (let at = 0; at < bytes.length;) at += writeSync(file ?? -1, bytes, at, bytes.length - at);
      },
      complete() {
        if (file === undefined) return;
        fsyncSync(file);
        closeSync(file);
        file = undefined;
      },
    });
    for (const path of [join(folder, 'journal'), folder]) diskFiles.syncFolderNow(path);
    return manifest;
  } catch (error) {
    if (file !== undefined) closeSync(file);
    if (existsSync(folder)) rmSync(folder, { recursive: true, force: true });
    throw error;
  }
}

/** Before anything is written: files that this executable could not work with are not even unpacked. */
function requireKnown(manifest: BackupManifest): void {
  for (const name of databaseNames) {
    const { breaking } = planMigrations(name, manifest.migrations[name], knownMigrations[name]);
    if (breaking.length === 0) continue;
    throw new BackupArchiveError(`its ${name} was written by a newer Tollgate, ${manifest.tollgate}, in a way that this `
      + `one cannot work with (unknown migrations: ${breaking.join(', ')}); restore it with that version`);
  }
}

function requireRoom({ members }: BackupManifest, folder: string, freeBytes: (path: string) => number): void {
  const needed = members.reduce((sum, { size }) => sum + size, RESERVE_BYTES);
  const free = freeBytes(folder);
  if (free >= needed) return;
  const mebibytes = (bytes: number): number => Math.ceil(bytes / 1024 / 1024);
  throw new BackupArchiveError(
    `${folder} has ${mebibytes(free)} MiB free and ${mebibytes(needed)} are needed; make room`);
}
