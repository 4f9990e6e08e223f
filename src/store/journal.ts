// The money journal: append-only, checksummed, written in groups off the JS thread. One write is in flight, the next
// takes all that waited meanwhile. What `durable` resolved is on the disk; after one failed write or sync nothing
// more is taken in this process, because what the disk holds is no longer known.

import { systemClock, type Clock } from '../core/clock.ts';
import { TollgateError } from '../core/errors.ts';
import { diskFiles, segmentPath, type JournalFiles, type JournalPosition } from './journal-files.ts';
import { CHECKSUM_LENGTH, LF, SPACE, writeHex } from './journal-lines.ts';
import { scanJournal } from './journal-reader.ts';
import { cutOff, JournalSegment } from './journal-segment.ts';

export interface JournalOptions {
  /** The folder of the segments. */
  readonly folder: string;
  /** Everything up to here is loaded into the store: scanning begins here, older segments are removed. */
  readonly from: JournalPosition;
  readonly files?: JournalFiles;
  /** Called after each sync, before its waiters go on. */
  readonly onDurable?: (position: JournalPosition) => void;
  /** Called after each sync, too: what it wrote, and how long write and sync took together. */
  readonly onSynced?: (bytes: number, tookMs: number) => void;
  readonly clock?: Pick<Clock, 'monotonicMs'>;
  /** Called once, when the journal stops for good. */
  readonly onFailure?: (cause: Error) => void;
  readonly segmentBytes?: number;
}

const MIB = 1024 * 1024;
const SEGMENT_BYTES = 64 * MIB;
const BUFFER_BYTES = 256 * 1024;
/** A buffer that grew beyond this in one stall of the disk is not kept. */
const BUFFER_KEPT_BYTES = 4 * MIB;
/** More waiting bytes than this: the disk does not keep up, and admission should stop. */
const CONGESTED_BYTES = 32 * MIB;
/** A write of so many records tells of many requests on their way: the next write waits some turns for those. */
const BUSY_RECORDS = 4;
const BUSY_TURNS = 3;
/** Two numbers of up to 16 digits, the kind, spaces, LF, and slack. */
const HEAD_BYTES = 96;

type Batch = PromiseWithResolvers<void>;
const resolved: Promise<void> = Promise.resolve();

export function unavailableError(detail: string): TollgateError {
  return new TollgateError('money_unavailable', {
    message: 'The ledger cannot be written at the moment, so nothing can be charged. Try again later.', detail,
  });
}

export class Journal {
  readonly #options: JournalOptions;
  readonly #files: JournalFiles;
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #segmentBytes: number;
  #segment: number;
  /** Undefined: it is yet to be created. */
  #file: JournalSegment | undefined;
  #buffer: Buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);
  #used = 0;
  /** The other buffer, while it is not being written. */
  #spare: Buffer | undefined = Buffer.allocUnsafeSlow(BUFFER_BYTES);
  #nextSequence: number;
  /** Sequence of the first record that the next write will hold. */
  #batchSequence: number;
  #position: JournalPosition;
  #syncing = false;
  #scheduled = false;
  /** Turns of the event loop that the next write waits for more. */
  #turns = 0;
  #inFlightLast: number;
  #inFlight: Batch | undefined;
  #waiting: Batch | undefined;
  #failure: Error | undefined;
  #closed = false;

  private constructor(options: JournalOptions, files: JournalFiles, end: JournalPosition, file: number | undefined) {
    this.#options = options;
    this.#files = files;
    this.#clock = options.clock ?? systemClock;
    this.#segmentBytes = options.segmentBytes ?? SEGMENT_BYTES;
    this.#segment = end.segment;
    if (file !== undefined) this.#file = this.#segmentOn(file, end.segment, end.offset, files.size(file));
    this.#nextSequence = end.sequence + 1;
    this.#batchSequence = this.#nextSequence;
    this.#inFlightLast = end.sequence;
    this.#position = end;
  }

  /** Finds the end, cuts a torn tail off, and makes what is left durable. Throws JournalDamagedError. */
  static open(options: JournalOptions): Journal {
    const files = options.files ?? diskFiles;
    const segments = files.segments(options.folder);
    const last = segments.at(-1);
    if (last === undefined) {
      // A fresh folder, or one restored without its journal: then the store alone knows the past.
      const { segment, offset, sequence } = options.from;
      const end = { segment: offset === 0 ? segment : segment + 1, offset: 0, sequence };
      return new Journal(options, files, end, undefined);
    }
    const { end, torn } = scanJournal(options.folder, options.from, files);
    const path = segmentPath(options.folder, end.segment);
    const file = files.openForWriting(path);
    if (torn) cutOff(files, options.folder, path, file, end);
    if (torn || end.sequence > options.from.sequence) {
      files.datasyncNow(file);
      files.syncFolderNow(options.folder);
    }
    const journal = new Journal(options, files, end, file);
    journal.forget(options.from.segment);
    return journal;
  }

  /** False from the first failed write or sync on. */
  get available(): boolean {
    return this.#failure === undefined && !this.#closed;
  }

  /** So much waits for the disk that nothing new should be started. */
  get congested(): boolean {
    return this.#used > CONGESTED_BYTES;
  }

  /** Everything up to here is on the disk. */
  get position(): JournalPosition {
    return this.#position;
  }

  /** Sequence of the last record taken, durable or not. */
  get lastSequence(): number {
    return this.#nextSequence - 1;
  }

  /**
   * Takes one record and returns its sequence. It is written at the end of this turn of the event loop, with all that
   * the turn brings, or with the next group while a sync is in flight. Throws `money_unavailable`.
   */
  append(kind: string, json: string): number {
    if (!this.available) throw this.#unavailable();
    if (json.includes('\n')) throw new TypeError('a journal record cannot contain a line feed');
    const sequence = this.#nextSequence;
    const needed = this.#used + json.length * 3 + HEAD_BYTES;
    if (needed > this.#buffer.length) this.#grow(needed);
    const buffer = this.#buffer;
    const start = this.#used;
    const covered = start + CHECKSUM_LENGTH + 1;
    const jsonAt = covered + buffer.write(`${sequence} ${this.#batchSequence} ${kind} `, covered, 'latin1');
    const end = jsonAt + buffer.write(json, jsonAt);
    writeHex(buffer, start, Bun.hash.crc32(buffer.subarray(covered, end)));
    buffer[covered - 1] = SPACE;
    buffer[end] = LF;
    this.#used = end + 1;
    this.#nextSequence = sequence + 1;
    if (!this.#syncing && !this.#scheduled) this.#schedule();
    return sequence;
  }

  /** Resolves when that record is on the disk; one promise serves a whole group. Rejects with `money_unavailable`. */
  durable(sequence: number): Promise<void> {
    if (sequence <= this.#position.sequence) return resolved;
    if (this.#failure !== undefined) return Promise.reject(this.#unavailable());
    if (sequence <= this.#inFlightLast) return (this.#inFlight ??= newBatch()).promise;
    return (this.#waiting ??= newBatch()).promise;
  }

  /** Removes the segments before that one. The one being written always stays. */
  forget(segment: number): void {
    for (const number of this.#files.segments(this.#options.folder)) {
      if (number < segment && number < this.#segment) this.#files.remove(segmentPath(this.#options.folder, number));
    }
  }

  /** Writes and syncs what is left, then takes nothing more. */
  async close(): Promise<void> {
    if (this.#closed) return;
    try {
      await this.durable(this.lastSequence);
    } finally {
      this.#closed = true;
      const file = this.#file;
      this.#file = undefined;
      // What a failed write left behind is for the next start to look at.
      await file?.close(this.#failure === undefined);
    }
  }

  #schedule(): void {
    this.#scheduled = true;
    setImmediate(this.#turnEnded);
  }

  readonly #turnEnded = (): void => {
    if (this.#turns > 0) {
      this.#turns -= 1;
      setImmediate(this.#turnEnded);
      return;
    }
    this.#scheduled = false;
    this.#flush();
  };

  readonly #flush = (): void => {
    if (this.#syncing || this.#used === 0 || this.#failure !== undefined) return;
    let createdSegment = false;
    try {
      if (this.#file === undefined || this.#file.offset >= this.#segmentBytes) {
        this.#startSegment();
        createdSegment = true;
      }
      const file = this.#file;
      if (file === undefined) throw new Error('no segment is open');
      // Comes again when the zeros are written.
      if (!file.takes(this.#used)) return;
      this.#write(file, createdSegment);
    } catch (error) {
      this.#fail(error);
    }
  };

  #startSegment(): void {
    const segment = this.#file === undefined ? this.#segment : this.#segment + 1;
    const file = this.#files.createSegment(segmentPath(this.#options.folder, segment));
    // It is complete and on the disk; nothing depends on how it is closed.
    this.#file?.close(true).catch(() => undefined);
    this.#file = this.#segmentOn(file, segment, 0, 0);
    this.#segment = segment;
  }

  #segmentOn(file: number, segment: number, offset: number, size: number): JournalSegment {
    const path = segmentPath(this.#options.folder, segment);
    const place = { path, file, offset, size, limit: this.#segmentBytes };
    return new JournalSegment(this.#files, place, () => this.#scheduled || this.#flush());
  }

  #write(file: JournalSegment, createdSegment: boolean): void {
    const buffer = this.#buffer;
    const used = this.#used;
    const end: JournalPosition = {
      segment: this.#segment, offset: file.offset + used, sequence: this.#nextSequence - 1,
    };
    this.#syncing = true;
    this.#turns = end.sequence - this.#inFlightLast >= BUSY_RECORDS ? BUSY_TURNS : 0;
    this.#inFlightLast = end.sequence;
    this.#inFlight = this.#waiting;
    this.#waiting = undefined;
    this.#batchSequence = this.#nextSequence;
    this.#buffer = this.#spare ?? Buffer.allocUnsafeSlow(BUFFER_BYTES);
    this.#spare = undefined;
    this.#used = 0;
    const startedMs = this.#clock.monotonicMs();
    const done = (error: Error | null): void => {
      if (error === null) this.#options.onSynced?.(used, this.#clock.monotonicMs() - startedMs);
      this.#synced(end, error);
    };
    file.write(buffer, used, (error, written) => {
      if (buffer.length <= BUFFER_KEPT_BYTES) this.#spare = buffer;
      if (error !== null) return done(error);
      if (written !== used) {
        return done(new Error(`only ${written} of ${used} bytes were written; is the disk full?`));
      }
      if (!createdSegment) return done(null);
      try {
        this.#files.syncFolder(this.#options.folder, done);
      } catch (thrown) {
        done(thrown instanceof Error ? thrown : new Error(String(thrown)));
      }
    });
  }

  #synced(end: JournalPosition, error: Error | null): void {
    this.#syncing = false;
    if (error !== null) return this.#fail(error);
    this.#position = end;
    const batch = this.#inFlight;
    this.#inFlight = undefined;
    this.#options.onDurable?.(end);
    batch?.resolve();
    if (this.#used > 0 && !this.#scheduled) this.#schedule();
  }

  #fail(error: unknown): void {
    if (this.#failure !== undefined) return;
    this.#failure = error instanceof Error ? error : new Error(String(error));
    this.#used = 0;
    const refusal = this.#unavailable();
    this.#inFlight?.reject(refusal);
    this.#waiting?.reject(refusal);
    this.#inFlight = undefined;
    this.#waiting = undefined;
    this.#options.onFailure?.(this.#failure);
  }

  #unavailable(): TollgateError {
    return unavailableError(this.#failure === undefined ? 'the journal is closed'
      : `journal: ${this.#failure.message}`);
  }

  #grow(needed: number): void {
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.#buffer.length * 2));
    this.#buffer.copy(larger, 0, 0, this.#used);
    this.#buffer = larger;
  }
}

function newBatch(): Batch {
  const batch = Promise.withResolvers<void>();
  // Each waiter handles its own rejection; a group without waiters must not end the process.
  batch.promise.catch(() => undefined);
  return batch;
}
