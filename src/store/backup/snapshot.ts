// Files of a data folder as they stood together at one moment, made while others write. The ledger comes first and
// `tollgate.db` last: of an account, a key or a price, the ledger never knows more than `tollgate.db` beside it. What
// the ledger had not loaded is taken from the journal, up to a place that is on the disk: nothing before it changes.

import {
  closeSync, existsSync, fstatSync, mkdirSync, openSync, readSync, rmSync, statfsSync, statSync, writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { segmentPath, type JournalPosition } from '../journal-files.ts';
import { scanJournal } from '../journal-reader.ts';
import { loadedPosition } from '../ledger-load.ts';
import { appliedMigrations } from '../migrate.ts';
import { nounsDatabasePath } from '../nouns.ts';
import { journalFolder, ledgerDatabasePath } from '../schema/ledger.ts';
import { openSqlite } from '../sqlite.ts';
import { databaseNames, type BackupManifest, type BackupMember } from './manifest.ts';

export interface SnapshotOrder {
  readonly dataFolder: string;
  /** Made for it, and removed with all that is in it when it is there already or when the snapshot fails. */
  readonly workFolder: string;
  /**
   * Everything up to here is on the disk, and its segments stay. Undefined: nobody writes, since the caller holds the
   * folder's lock, and the journal is taken up to its end.
   */
  readonly journalEnd: JournalPosition | undefined;
  /** The version that takes it. */
  readonly tollgate: string;
  /** ISO 8601, in UTC. */
  readonly takenAt: string;
  /** The archive will lie on the same disk. */
  readonly archiveBeside?: boolean;
  /** Bytes that are free where a path lies; for tests. */
  readonly freeBytes?: (path: string) => number;
}

/** The manifest without secrets; its members lie in the work folder under their names. */
export interface Snapshot {
  readonly workFolder: string;
  readonly manifest: BackupManifest;
}

/** A snapshot could not be taken. Nothing of the data folder was changed, and nothing is left of it. */
export class SnapshotError extends Error {
  constructor(readonly because: 'disk-full' | 'no-ledger' | 'failed', what: string) {
    super(what.startsWith('no backup was made: ') ? what : `no backup was made: ${what}`);
    this.name = 'SnapshotError';
  }
}

/** A backup must never be what fills the disk that money is written to. */
const RESERVE_BYTES = 64 * 1024 * 1024;
const CHUNK_BYTES = 1024 * 1024;

const bytesFree = (path: string): number => {
  const { bavail, bsize } = statfsSync(path);
  return bavail * bsize;
};

/** Reads and writes everything at once, seconds for a gigabyte: never on a thread that serves. Throws SnapshotError. */
export function takeSnapshot(order: SnapshotOrder): Snapshot {
  const { dataFolder, workFolder } = order;
  for (const path of [ledgerDatabasePath(dataFolder), nounsDatabasePath(dataFolder)]) {
    if (!existsSync(path)) throw new SnapshotError('no-ledger', `${path} does not exist`);
  }
  requireRoom(order);
  rmSync(workFolder, { recursive: true, force: true });
  try {
    mkdirSync(join(workFolder, 'journal'), { recursive: true, mode: 0o700 });
    return { workFolder, manifest: fill(order) };
  } catch (error) {
    rmSync(workFolder, { recursive: true, force: true });
    throw snapshotErrorOf(error);
  }
}

function requireRoom({ dataFolder, freeBytes = bytesFree, archiveBeside = false }: SnapshotOrder): void {
  const sizes = [ledgerDatabasePath(dataFolder), nounsDatabasePath(dataFolder)].flatMap((path) => [path, `${path}-wal`])
    .map((path) => statSync(path, { throwIfNoEntry: false })?.size ?? 0);
  const needed = sizes.reduce((sum, size) => sum + size, 0) * (archiveBeside ? 2 : 1) + RESERVE_BYTES;
  const free = freeBytes(dataFolder);
  if (free < needed) {
    throw new SnapshotError('disk-full', `${dataFolder} has ${mebibytes(free)} MiB free and ${mebibytes(needed)} are `
      + `needed (${archiveBeside ? 'two copies' : 'a copy'} of its files, and what must stay free); make room`);
  }
}

const mebibytes = (bytes: number): number => Math.ceil(bytes / 1024 / 1024);

function fill(order: SnapshotOrder): BackupManifest {
  const { dataFolder, workFolder } = order;
  const ledger = copyDatabase(ledgerDatabasePath(dataFolder), join(workFolder, 'ledger.db'));
  const segments = copyJournal(order, ledger.loaded);
  const nouns = copyDatabase(nounsDatabasePath(dataFolder), join(workFolder, 'tollgate.db'));
  return {
    tollgate: order.tollgate, takenAt: order.takenAt, withSecrets: false,
    migrations: { 'ledger.db': ledger.migrations, 'tollgate.db': nouns.migrations },
    members: [...databaseNames, ...segments].map((name) => memberAt(workFolder, name)),
  };
}

/** One read transaction: the writer goes on meanwhile, and none of what it writes is in the copy. */
function copyDatabase(from: string, to: string) {
  const database = openSqlite({ path: from, readonly: true });
  try {
    database.query('VACUUM INTO ?').run(to);
  } finally {
    database.close();
  }
  const copy = openSqlite({ path: to, readonly: true });
  try {
    const isLedger = copy.query("SELECT 1 FROM sqlite_schema WHERE name = 'ledger_state'").get() !== null;
    return { migrations: appliedMigrations(copy), loaded: isLedger ? loadedPosition(copy) : undefined };
  } finally {
    copy.close();
  }
}

/** The segments with what the copied ledger does not have. None, if it has everything. */
function copyJournal(order: SnapshotOrder, from: JournalPosition | undefined): readonly string[] {
  const { dataFolder, workFolder, journalEnd } = order;
  const folder = journalFolder(dataFolder);
  if (from === undefined || !existsSync(folder)) return [];
  const end = journalEnd ?? scanJournal(folder, from).end;
  if (end.sequence <= from.sequence) return [];
  const numbers = Array.from({ length: end.segment - from.segment + 1 }, (_, index) => from.segment + index);
  return numbers.map((number) => {
    const name = segmentPath('journal', number);
    const length = number === end.segment ? end.offset : undefined;
    copyFile(segmentPath(folder, number), join(workFolder, name), length);
    return name;
  });
}

function copyFile(from: string, to: string, length: number | undefined): void {
  const source = openSync(from, 'r');
  try {
    const target = openSync(to, 'wx', 0o600);
    try {
      const buffer = new Uint8Array(CHUNK_BYTES);
      let left = length ?? fstatSync(source).size;
      for (let at = 0; left > 0;) {
        const count = readSync(source, buffer, 0, Math.min(left, buffer.length), at);
        if (count === 0) throw new Error(`${from} ends before its last record`);
        for (let written = 0; written < count;) written += writeSync(target, buffer, written, count - written);
        at += count;
        left -= count;
      }
    } finally {
      closeSync(target);
    }
  } finally {
    closeSync(source);
  }
}

/** As the manifest names a file of that folder. */
export function memberAt(folder: string, name: string): BackupMember {
  const file = openSync(join(folder, name), 'r');
  try {
    const hash = new Bun.CryptoHasher('sha256');
    const buffer = new Uint8Array(CHUNK_BYTES);
    let size = 0;
    for (;;) {
      const count = readSync(file, buffer, 0, buffer.length, size);
      if (count === 0) return { name, size, sha256: hash.digest('hex') };
      hash.update(buffer.subarray(0, count));
      size += count;
    }
  } finally {
    closeSync(file);
  }
}

function snapshotErrorOf(error: unknown): unknown {
  if (error instanceof SnapshotError || !(error instanceof Error)) return error;
  const code = 'code' in error ? error.code : undefined;
  if (code === 'ENOSPC' || code === 'SQLITE_FULL' || code === 'EDQUOT') {
    return new SnapshotError('disk-full', `the disk is full (${error.message})`);
  }
  // Others speak for themselves, with the name that the command line knows them by.
  return error;
}
