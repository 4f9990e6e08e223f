// The segment of the journal that is being written. It is written ahead in zeros, which records then overwrite: a sync
// that does not change the length of a file costs the disk half. Zeros are never needed: where there are none, the
// file grows. No record is written where zeros are still on their way, which would take its place.

import type { JournalFiles, JournalPosition, Written } from './journal-files.ts';
import { JournalDamagedError } from './journal-reader.ts';

const KIB = 1024;
/** Zeros written at a time: as much as there are records already, so that a small journal stays a small file. */
const FILL_BYTES = { least: 64 * KIB, most: 1024 * KIB } as const;

interface SegmentPlace {
  readonly path: string;
  readonly file: number;
  /** Where its records end. */
  readonly offset: number;
  /** Where the file ends; in between are zeros. */
  readonly size: number;
  /** Zeros are written up to here. */
  readonly limit: number;
}

export class JournalSegment {
  readonly #files: JournalFiles;
  readonly #place: SegmentPlace;
  readonly #onFilled: () => void;
  #offset: number;
  /** Up to here the file was written, with records and then zeros. While zeros are on their way: where they begin. */
  #filled: number;
  #filling = false;
  /** After zeros did not fit on the disk, none are written before the records have come so far. */
  #fillAgainAt = 0;
  #writing = false;
  #closing: PromiseWithResolvers<void> | undefined;
  #trim = false;

  /** `onFilled`: zeros have been written, or could not be; `takes` may answer otherwise now. */
  constructor(files: JournalFiles, place: SegmentPlace, onFilled: () => void) {
    this.#files = files;
    this.#place = place;
    this.#offset = place.offset;
    this.#filled = place.size;
    this.#onFilled = onFilled;
  }

  /** Where its records end. */
  get offset(): number {
    return this.#offset;
  }

  /** False while zeros are on their way to where so many bytes would be written. */
  takes(length: number): boolean {
    return !this.#filling || this.#offset + length <= this.#filled;
  }

  /** Writes behind the last record; one call at a time, and only what it `takes`. */
  write(bytes: Uint8Array, length: number, done: Written): void {
    const start = this.#offset;
    const ended: Written = (error, written) => {
      this.#writing = false;
      done(error, written);
      this.#closeIfIdle();
    };
    this.#writing = true;
    try {
      this.#files.writeThrough(this.#place.file, bytes, length, start, ended);
    } catch (error) {
      // Nothing is on its way, and `close` must not wait for it.
      this.#writing = false;
      throw error;
    }
    this.#offset = start + length;
    if (!this.#filling) this.#filled = Math.max(this.#filled, this.#offset);
    this.#fillAhead();
  }

  /** Resolves when nothing is on its way any more. `trim`: the zeros after the last record are cut off. */
  close(trim: boolean): Promise<void> {
    if (this.#closing !== undefined) return this.#closing.promise;
    const { promise } = (this.#closing = Promise.withResolvers<void>());
    this.#trim = trim;
    this.#closeIfIdle();
    return promise;
  }

  #fillAhead(): void {
    const { path, limit } = this.#place;
    const step = Math.min(Math.max(this.#filled, FILL_BYTES.least), FILL_BYTES.most);
    const length = Math.min(step, limit - this.#filled);
    const wanted = this.#filled - this.#offset < step / 2 && this.#offset >= this.#fillAgainAt;
    if (this.#filling || !wanted || length <= 0) return;
    this.#filling = true;
    const done: Written = (error, written) => this.#fillEnded(length, error === null ? written : 0);
    try {
      this.#files.fill(path, this.#filled, length, done);
    } catch {
      this.#fillEnded(length, 0);
    }
  }

  /** Whatever went wrong, the records will meet it themselves: they may still fit. */
  #fillEnded(length: number, written: number): void {
    this.#filling = false;
    this.#filled += written;
    if (written < length) this.#fillAgainAt = this.#offset + FILL_BYTES.most;
    this.#closeIfIdle();
    this.#onFilled();
  }

  #closeIfIdle(): void {
    if (this.#closing === undefined || this.#writing || this.#filling) return;
    const { file } = this.#place;
    try {
      if (this.#trim && this.#filled > this.#offset) this.#files.truncate(file, this.#offset);
      this.#files.close(file);
      this.#closing.resolve();
    } catch (error) {
      this.#closing.reject(error);
    }
  }
}

/** The bytes were never acknowledged, but they are evidence: they are kept beside the journal. */
export function cutOff(
  files: JournalFiles, folder: string, path: string, file: number, end: JournalPosition,
): void {
  const reader = files.openForReading(path);
  try {
    const bytes = new Uint8Array(files.size(reader) - end.offset);
    const count = files.read(reader, bytes, end.offset);
    if (count !== bytes.length) throw new JournalDamagedError(path, end.offset, 'the torn end cannot be read');
    const length = bytes.findLastIndex((byte) => byte !== 0) + 1;
    files.keepAside(`${folder}/torn-after-${end.sequence}.bin`, bytes.subarray(0, length));
  } finally {
    files.close(reader);
  }
  files.truncate(file, end.offset);
}
