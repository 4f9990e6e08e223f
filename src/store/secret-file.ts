// Files of the data folder that hold one secret each. They are read without following what somebody may have put in
// their place, and written so that a crash leaves the whole file or none.

import {
  closeSync, constants, fstatSync, fsyncSync, openSync, readSync, renameSync, rmSync, statSync, writeSync,
} from 'node:fs';
import { dirname } from 'node:path';

/** What stands there cannot be trusted to be our secret. The message is for the person at the terminal. */
export class SecretFileError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'SecretFileError';
  }
}

/** Keys are some dozens of bytes; what is larger is something else. */
const BYTES_MAX = 1_024;
const OTHERS_WRITE = 0o022;
const PRIVATE_FILE = 0o600;
/** A pipe in the file's place must not hold up the start, and a link must not lead elsewhere. Absent on Windows. */
const CAREFULLY = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);

/** The file's text without the space around it; undefined if there is no file. Throws SecretFileError. */
export function readSecretFile(file: string): string | undefined {
  const handle = opened(file);
  if (handle === undefined) return undefined;
  try {
    const { mode, uid, size } = refusingOddities(file, handle);
    if ((mode & OTHERS_WRITE) !== 0 && process.platform !== 'win32')
      throw new SecretFileError(
        `${file} can be written by other users, so it may be theirs; look at it, then chmod 600 it, or remove it`,
      );
    if (!isOurs(file, uid))
      throw new SecretFileError(`${file} belongs to another user; make it your own, or remove it`);
    if (size > BYTES_MAX) throw new SecretFileError(`${file} is larger than any key; put the key back, or remove it`);
    const bytes = Buffer.alloc(BYTES_MAX);
    return bytes.toString('utf8', 0, readSync(handle, bytes, 0, BYTES_MAX, 0)).trim();
  } finally {
    closeSync(handle);
  }
}

function opened(file: string): number | undefined {
  try {
    return openSync(file, CAREFULLY);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ENOENT') return undefined;
    if (code === 'ELOOP' || code === 'EMLINK') throw new SecretFileError(`${file} is a link; put the file itself there`);
    throw new SecretFileError(`${file} cannot be read (${String(code)}); see to whom it belongs, and to its mode`);
  }
}

function refusingOddities(file: string, handle: number) {
  const found = fstatSync(handle);
  if (!found.isFile()) throw new SecretFileError(`${file} is no plain file; remove it`);
  return found;
}

/** Our user's, the system's, or that of whoever owns the folder and could put there what they like anyway. */
function isOurs(file: string, owner: number): boolean {
  const user = process.getuid?.();
  return user === undefined || owner === user || owner === 0 || owner === statSync(dirname(file)).uid;
}

/**
 * Puts the secret on the disk, for its owner alone. Whoever calls holds the lock of the data folder, so nobody else
 * makes one at the same time.
 */
export function writeSecretFile(file: string, secret: string): void {
  const draft = `${file}.new`;
  // Left by a crash, or put there by somebody: never written into, whatever it is.
  rmSync(draft, { force: true, recursive: true });
  const handle = openSync(draft, 'wx', PRIVATE_FILE);
  try {
    writeSync(handle, `${secret}\n`);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
  renameSync(draft, file);
  const folder = openSync(dirname(file), 'r');
  fsyncSync(folder);
  closeSync(folder);
}
