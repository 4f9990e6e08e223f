// Puts a backup on the disk: under its name there is all of it, or nothing. It is never written over another one,
// unless the caller made that one itself.

import { closeSync, existsSync, fsync, openSync, renameSync, rmSync, write } from 'node:fs';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { diskFiles } from '../journal-files.ts';

export interface BackupFile {
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** Lower-case hex, of the whole file. */
  readonly sha256: string;
}

export class BackupFileExistsError extends Error {
  constructor(path: string) {
    super(`${path} exists already; name another file, a backup is never written over`);
    this.name = 'BackupFileExistsError';
  }
}

const writeAt = promisify(write);
const sync = promisify(fsync);

/** What the chunks throw and the disk refuses leaves nothing behind. A killed process leaves `NAME.partial-PID`. */
export async function writeBackupFile(
  path: string, chunks: AsyncIterable<Uint8Array>, options: { readonly replaces?: boolean } = {},
): Promise<BackupFile> {
  const refuseExisting = (): void => {
    if (options.replaces !== true && existsSync(path)) throw new BackupFileExistsError(path);
  };
  refuseExisting();
  const partial = `${path}.partial-${process.pid}`;
  // What is there is of a process that was killed, or a link that somebody put into a folder that all may write.
  rmSync(partial, { force: true });
  const file = openSync(partial, 'wx', 0o600);
  const hash = new Bun.CryptoHasher('sha256');
  let size = 0;
  try {
    try {
      for await (const chunk of chunks) {
        hash.update(chunk);
        for (let at = 0; at < chunk.length;) {
          at += (await writeAt(file, chunk, at, chunk.length - at, size + at)).bytesWritten;
        }
        size += chunk.length;
      }
      await sync(file);
    } finally {
      closeSync(file);
    }
    refuseExisting();
    renameSync(partial, path);
  } catch (error) {
    rmSync(partial, { force: true });
    throw error;
  }
  diskFiles.syncFolderNow(dirname(path));
  return { path, size, sha256: hash.digest('hex') };
}
