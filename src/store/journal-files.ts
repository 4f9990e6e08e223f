// The few file operations that the journal stands on, behind one interface: tests put a layer here that fails like a
// full or dying disk. Segments are named by number; a position is a byte offset after a whole record.

import {
  closeSync, constants, existsSync, fdatasync, fdatasyncSync, fsync, fsyncSync, ftruncateSync, mkdirSync, openSync,
  readdirSync, readSync, fstatSync, unlinkSync, write, writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

/** A place between two records. `offset` bytes of `segment` hold everything up to record `sequence`. */
export interface JournalPosition {
  readonly segment: number;
  readonly offset: number;
  readonly sequence: number;
}

export const journalStart: JournalPosition = { segment: 1, offset: 0, sequence: 0 };

export type Done = (error: Error | null) => void;
/** `written` is smaller than what was asked for when the disk is full. */
export type Written = (error: Error | null, written: number) => void;

export interface JournalFiles {
  /** Numbers of the segments in the folder, ascending. Creates the folder if missing. Throws NewerJournalError. */
  segments(folder: string): readonly number[];
  createSegment(path: string): number;
  openForWriting(path: string): number;
  openForReading(path: string): number;
  size(file: number): number;
  read(file: number, into: Uint8Array, position: number): number;
  /** Calls back when the bytes are on the disk; runs off the JS thread. Until then they must not change. */
  writeThrough(file: number, bytes: Uint8Array, length: number, position: number, done: Written): void;
  /**
   * Writes zeros and puts them on the disk, off the JS thread. It has a descriptor of its own: an error of the disk is
   * told once to each descriptor, and must not be told here instead of to `writeThrough`.
   */
  fill(path: string, position: number, length: number, done: Written): void;
  datasyncNow(file: number): void;
  truncate(file: number, length: number): void;
  syncFolder(folder: string, done: Done): void;
  syncFolderNow(folder: string): void;
  close(file: number): void;
  remove(path: string): void;
  keepAside(path: string, bytes: Uint8Array): void;
}

export const segmentPath = (folder: string, segment: number): string =>
  join(folder, `${segment.toString().padStart(8, '0')}.journal`);

const SEGMENT_NAME = /^(\d{8})\.journal$/;

/** The form of lines and segments. A later form is told by an empty file `format-N`, put there by its first writer. */
export const JOURNAL_FORMAT = 1;
const FORMAT_NAME = /^format-(\d+)$/;

/** Written by a Tollgate that knows more than this one. */
export class NewerJournalError extends Error {
  constructor(folder: string, what: string) {
    super(`the journal ${folder} was written by a newer Tollgate: ${what}, which this one does not know. Nothing was `
      + 'changed. Start the newer Tollgate and stop it cleanly, so that nothing is left in the journal to be read');
    this.name = 'NewerJournalError';
  }
}

/** Records name accounts and addresses: nobody but the operator's user reads them. */
const PRIVATE_FILE = 0o600;

/**
 * With it one call off the JS thread writes and syncs. Elsewhere than on Linux it may stop at the disk's own cache,
 * where `fdatasync` does not.
 */
const SYNC_FLAG = process.platform === 'linux' ? constants.O_DSYNC : 0;
const WRITE = constants.O_WRONLY | SYNC_FLAG;

/** What `fill` writes, made when it is first needed. */
let zeros = new Uint8Array(0);

function writeThrough(file: number, bytes: Uint8Array, length: number, position: number, done: Written): void {
  write(file, bytes, 0, length, position, (error, written) => {
    if (error !== null || SYNC_FLAG !== 0) return done(error, written);
    fdatasync(file, (failed) => done(failed ?? null, written));
  });
}

export const diskFiles: JournalFiles = {
  segments(folder) {
    if (!existsSync(folder)) mkdirSync(folder, { recursive: true, mode: 0o700 });
    const numbers: number[] = [];
    for (const name of readdirSync(folder)) {
      const format = FORMAT_NAME.exec(name)?.[1];
      if (format !== undefined && Number(format) !== JOURNAL_FORMAT) {
        throw new NewerJournalError(folder, `its form is version ${format}`);
      }
      const match = SEGMENT_NAME.exec(name);
      if (match?.[1] !== undefined) numbers.push(Number(match[1]));
    }
    return numbers.toSorted((a, b) => a - b);
  },
  createSegment: (path) => openSync(path, WRITE | constants.O_CREAT | constants.O_EXCL, PRIVATE_FILE),
  openForWriting: (path) => openSync(path, WRITE),
  openForReading: (path) => openSync(path, 'r'),
  size: (file) => fstatSync(file).size,
  read: (file, into, position) => readSync(file, into, 0, into.length, position),
  writeThrough,
  fill(path, position, length, done) {
    if (zeros.length < length) zeros = new Uint8Array(length);
    const file = openSync(path, WRITE);
    writeThrough(file, zeros, length, position, (error, written) => {
      closeSync(file);
      done(error, written);
    });
  },
  datasyncNow: fdatasyncSync,
  truncate: ftruncateSync,
  syncFolder(folder, done) {
    const file = openSync(folder, 'r');
    fsync(file, (error) => {
      closeSync(file);
      done(error ?? null);
    });
  },
  syncFolderNow(folder) {
    const file = openSync(folder, 'r');
    try {
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
  },
  close: closeSync,
  remove: unlinkSync,
  keepAside: (path, bytes) => writeFileSync(path, bytes, { mode: PRIVATE_FILE }),
};
