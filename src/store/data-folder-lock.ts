// One process a data folder. The lock is a byte range of an empty SQLite file: the kernel frees it when the process
// dies, however it dies, so there is never a stale one to clean up. The owner's id stands beside it for people only.

import { Database } from 'bun:sqlite';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface DataFolderLock {
  release(): void;
}

export class DataFolderInUseError extends Error {
  constructor(folder: string, owner: string) {
    super(`the data folder ${folder} is in use by process ${owner}; stop it, or name another folder`);
    this.name = 'DataFolderInUseError';
  }
}

/** Creates the folder if needed. Throws DataFolderInUseError while another process, or this one, holds it. */
export function lockDataFolder(folder: string): DataFolderLock {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const database = new Database(join(folder, 'lock'), { create: true, readwrite: true });
  try {
    database.run('PRAGMA busy_timeout = 0');
    // Never committed and never written: the file stays empty, so that no crash can spoil it.
    database.run('BEGIN EXCLUSIVE');
  } catch (error) {
    database.close();
    if (isBusy(error)) throw new DataFolderInUseError(folder, ownerOf(folder));
    throw error;
  }
  writeFileSync(ownerPath(folder), `${process.pid}\n`, { mode: 0o600 });
  return { release: () => database.close() };
}

const LOOK_AGAIN_MS = 10;

/** As `lockDataFolder`, but whoever has the folder may let go of it within this time. */
export async function lockDataFolderWithin(folder: string, withinMs: number): Promise<DataFolderLock> {
  const untilMs = performance.now() + withinMs;
  for (;;) {
    try {
      return lockDataFolder(folder);
    } catch (error) {
      if (!(error instanceof DataFolderInUseError) || performance.now() > untilMs) throw error;
    }
    await Bun.sleep(LOOK_AGAIN_MS);
  }
}

const ownerPath = (folder: string): string => join(folder, 'lock.owner');

function ownerOf(folder: string): string {
  try {
    const text = readFileSync(ownerPath(folder), 'utf8').trim();
    return /^\d{1,10}$/.test(text) ? text : '(unknown)';
  } catch {
    return '(unknown)';
  }
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'SQLITE_BUSY' || error.code === 'SQLITE_LOCKED');
}
