// The few file operations that the journal stands on, behind one interface: tests put a layer here that fails like a
// full or dying disk. Segments are named by number; a position is a byte offset after a whole record.

import {
  closeSync, existsSync, fdatasync, fdatasyncSync, fsync, fsyncSync, ftruncateSync, mkdirSync, openSync, readdirSync,
  readSync, fstatSync, unlinkSync, writeFileSync, writeSync,
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

export interface JournalFiles {
  /** Numbers of the segments in the folder, ascending. Creates the folder if it is missing. */
  segments(folder: string): readonly number[];
  createSegment(path: string): number;
  openForAppend(path: string): number;
  openForReading(path: string): number;
  size(file: number): number;
  read(file: number, into: Uint8Array, position: number): number;
  /** Returns the number of bytes taken, which a full disk makes smaller than `length`. */
  write(file: number, bytes: Uint8Array, length: number): number;
  /** Calls back when the bytes are on the disk; runs off the JS thread. */
  datasync(file: number, done: Done): void;
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
/** Records name accounts and addresses: nobody but the operator's user reads them. */
const PRIVATE_FILE = 0o600;

export const diskFiles: JournalFiles = {
  segments(folder) {
    if (!existsSync(folder)) mkdirSync(folder, { recursive: true, mode: 0o700 });
    const numbers: number[] = [];
    for (const name of readdirSync(folder)) {
      const match = SEGMENT_NAME.exec(name);
      if (match?.[1] !== undefined) numbers.push(Number(match[1]));
    }
    return numbers.toSorted((a, b) => a - b);
  },
  createSegment: (path) => openSync(path, 'ax', PRIVATE_FILE),
  openForAppend: (path) => openSync(path, 'a', PRIVATE_FILE),
  openForReading: (path) => openSync(path, 'r'),
  size: (file) => fstatSync(file).size,
  read: (file, into, position) => readSync(file, into, 0, into.length, position),
  write: (file, bytes, length) => writeSync(file, bytes, 0, length),
  datasync: (file, done) => fdatasync(file, (error) => done(error ?? null)),
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
