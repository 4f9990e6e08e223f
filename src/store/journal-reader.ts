// Reads the journal, one record a line. `batch` is the sequence of the first record written in the same write: a batch
// is written only after the one before it was synced, so a valid record proves that everything before its batch was on
// the disk. Zeros in the place of a record are the end, unless a later record proves that one was there.

import { diskFiles, segmentPath, type JournalFiles, type JournalPosition } from './journal-files.ts';
import { LF, linesOf, parseLine, recordWithin } from './journal-lines.ts';

export interface JournalRecord {
  readonly sequence: number;
  readonly batch: number;
  readonly kind: string;
  readonly json: string;
  /** The position right after it. */
  readonly end: JournalPosition;
}

/** A record where it was read to: for those who take thousands of them and need no text of most. */
export interface RawRecord {
  readonly sequence: number;
  readonly batch: number;
  readonly kind: string;
  /** The whole line without its LF; its JSON begins at `jsonAt`. Valid until the next record is asked for. */
  readonly bytes: Buffer;
  readonly jsonAt: number;
  /** The position right after it: `endOffset` bytes of `segment`. */
  readonly segment: number;
  readonly endOffset: number;
}

/** The journal lost or changed records that had been acknowledged: nobody may guess what they were. */
export class JournalDamagedError extends Error {
  constructor(readonly file: string, readonly offset: number, what: string) {
    super(`${file} is damaged at byte ${offset}: ${what}. Restore the data folder from a backup; nothing was changed`);
    this.name = 'JournalDamagedError';
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Records after `from` up to `until`, as `readRaw`, with their text. */
export function* readJournal(
  folder: string, from: JournalPosition, until: JournalPosition, files: JournalFiles = diskFiles,
): Generator<JournalRecord> {
  for (const { sequence, batch, kind, bytes, jsonAt, segment, endOffset } of readRaw(folder, from, until, files)) {
    yield {
      sequence, batch, kind, json: utf8.decode(bytes.subarray(jsonAt)),
      end: { segment, offset: endOffset, sequence },
    };
  }
}

/**
 * Records after `from` up to `until`, which must both be durable positions. Throws JournalDamagedError at anything
 * that is not the next record.
 */
export function* readRaw(
  folder: string, from: JournalPosition, until: JournalPosition, files: JournalFiles = diskFiles,
): Generator<RawRecord> {
  let expected = from.sequence + 1;
  for (let segment = from.segment; segment <= until.segment && expected <= until.sequence; segment++) {
    const path = segmentPath(folder, segment);
    const file = files.openForReading(path);
    try {
      const limit = segment === until.segment ? until.offset : files.size(file);
      const offset = segment === from.segment ? from.offset : 0;
      for (const line of linesOf(files, file, offset, limit)) {
        const { bytes } = line;
        // Written ahead and not used; had there been a record, the next segment would not go on with the next one.
        if (line.form === 'blank' && segment < until.segment) break;
        const parsed = line.form === 'whole' ? parseLine(bytes) : undefined;
        if (parsed === undefined) {
          throw new JournalDamagedError(path, line.offset, `record ${expected} does not match its checksum`);
        }
        const { sequence, batch, kind, jsonAt } = parsed;
        if (sequence !== expected) throw gapError(path, line.offset, expected, sequence);
        yield { sequence, batch, kind, bytes, jsonAt, segment, endOffset: line.offset + bytes.length + 1 };
        expected += 1;
      }
    } finally {
      files.close(file);
    }
  }
  if (expected <= until.sequence) {
    throw new JournalDamagedError(segmentPath(folder, until.segment), until.offset, `record ${expected} is missing`);
  }
}

export function gapError(path: string, offset: number, expected: number, found: number): JournalDamagedError {
  return new JournalDamagedError(path, offset, `record ${found} stands where ${expected} must be`);
}

export interface JournalScan {
  readonly end: JournalPosition;
  /** The end is torn: bytes of the last segment after `end` were never acknowledged and must be cut off. */
  readonly torn: boolean;
}

/**
 * Finds the end of the journal from a position that is known to be durable. A broken end is torn if nothing after it
 * proves that it had been synced; anything else that is broken is damage, and throws.
 */
export function scanJournal(folder: string, from: JournalPosition, files: JournalFiles = diskFiles): JournalScan {
  const segments = files.segments(folder);
  const first = segments[0];
  const last = segments.at(-1);
  if (first === undefined || last === undefined) return { end: from, torn: false };
  if (last < from.segment || first > from.segment) throw misplacedError(folder, from, first, last);
  let end = from;
  for (let segment = from.segment; segment <= last; segment++) {
    const path = segmentPath(folder, segment);
    if (!segments.includes(segment)) throw new JournalDamagedError(path, 0, 'the segment is missing');
    const scanned = scanSegment(path, segment, end, files);
    if (scanned.torn && segment < last) {
      throw new JournalDamagedError(path, scanned.end.offset,
        `record ${scanned.end.sequence + 1} does not match its checksum`);
    }
    end = scanned.end;
    if (scanned.torn) return scanned;
  }
  return { end, torn: false };
}

function scanSegment(path: string, segment: number, from: JournalPosition, files: JournalFiles): JournalScan {
  const file = files.openForReading(path);
  try {
    const size = files.size(file);
    let end: JournalPosition = segment === from.segment ? from : { segment, offset: 0, sequence: from.sequence };
    if (size < end.offset) {
      throw new JournalDamagedError(path, size, `${end.offset - size} acknowledged bytes are missing`);
    }
    if (!endsRecord(files, file, end.offset)) {
      throw new JournalDamagedError(path, end.offset, `record ${end.sequence} does not end there`);
    }
    let blank = false;
    let torn = false;
    for (const line of linesOf(files, file, end.offset, size)) {
      if (line.form === 'blank') {
        blank = true;
        continue;
      }
      const parsed = line.form === 'whole' ? parseLine(line.bytes) : undefined;
      const expected = end.sequence + 1;
      if (parsed === undefined || blank || torn) {
        torn = true;
        const later = parsed ?? (line.form === 'whole' ? recordWithin(line.bytes) : undefined);
        // Written with the broken record in one write: that write was never acknowledged. Later: it had been synced.
        if (later === undefined || (later.batch <= expected && later.sequence > expected)) continue;
        throw new JournalDamagedError(path, end.offset, `record ${expected} does not match its checksum`);
      }
      if (parsed.sequence !== expected) throw gapError(path, line.offset, expected, parsed.sequence);
      end = { segment, offset: line.offset + line.bytes.length + 1, sequence: expected };
    }
    return { end, torn };
  } finally {
    files.close(file);
  }
}

/** Zeros before a place up to which the store was loaded: the disk lost what it had said to have. */
function endsRecord(files: JournalFiles, file: number, offset: number): boolean {
  const last = new Uint8Array(1);
  return offset === 0 || (files.read(file, last, offset - 1) === 1 && last[0] === LF);
}

function misplacedError(folder: string, from: JournalPosition, first: number, last: number): JournalDamagedError {
  const what = `the ledger was loaded up to segment ${from.segment}, but the journal holds segments ${first} to ${last}`;
  return new JournalDamagedError(folder, from.offset, what);
}
