// Reads the journal: one record a line, `crc32 sequence batch kind json LF`. The checksum covers all that follows it.
// `batch` is the sequence of the first record written in the same write: a batch is written only after the one before
// it was synced, so a valid record proves that everything before its batch was on the disk.

import { diskFiles, segmentPath, type JournalFiles, type JournalPosition } from './journal-files.ts';

export interface JournalRecord {
  readonly sequence: number;
  readonly batch: number;
  readonly kind: string;
  readonly json: string;
  /** The position right after it. */
  readonly end: JournalPosition;
}

/** The journal lost or changed records that had been acknowledged: nobody may guess what they were. */
export class JournalDamagedError extends Error {
  constructor(readonly file: string, readonly offset: number, what: string) {
    super(`${file} is damaged at byte ${offset}: ${what}. Restore the data folder from a backup; nothing was changed`);
    this.name = 'JournalDamagedError';
  }
}

const CHUNK_BYTES = 256 * 1024;
const LF = 10;
const SPACE = 32;
const CHECKSUM_LENGTH = 8;

interface Line {
  readonly offset: number;
  /** Valid until the next line is asked for. Without its LF. */
  readonly bytes: Uint8Array;
  /** False: the file ends before the LF. */
  readonly whole: boolean;
}

/** Lines of a segment from `offset` up to `limit` bytes. */
export function* linesOf(files: JournalFiles, file: number, offset: number, limit: number): Generator<Line> {
  let buffer = new Uint8Array(CHUNK_BYTES);
  let filled = 0;
  let bufferAt = offset;
  for (;;) {
    let start = 0;
    for (;;) {
      const end = buffer.subarray(start, filled).indexOf(LF);
      if (end < 0) break;
      yield { offset: bufferAt + start, bytes: buffer.subarray(start, start + end), whole: true };
      start += end + 1;
    }
    buffer.copyWithin(0, start, filled);
    filled -= start;
    bufferAt += start;
    if (filled === buffer.length) {
      const larger = new Uint8Array(buffer.length * 2);
      larger.set(buffer);
      buffer = larger;
    }
    const wanted = Math.min(buffer.length - filled, limit - bufferAt - filled);
    const count = wanted > 0 ? files.read(file, buffer.subarray(filled, filled + wanted), bufferAt + filled) : 0;
    if (count === 0) {
      if (filled > 0) yield { offset: bufferAt, bytes: buffer.subarray(0, filled), whole: false };
      return;
    }
    filled += count;
  }
}

interface ParsedLine {
  readonly sequence: number;
  readonly batch: number;
  readonly kind: string;
  /** Where the JSON begins in the line. */
  readonly jsonAt: number;
}

const HEAD = /^([0-9a-f]{8}) ([1-9]\d{0,15}) ([1-9]\d{0,15}) ([a-z][a-z-]{0,30}) /;
const HEAD_LENGTH_MAX = 80;
const ascii = new TextDecoder('latin1');
const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Undefined: not a record, or not the one that was written. */
export function parseLine(bytes: Uint8Array): ParsedLine | undefined {
  if (bytes.length <= CHECKSUM_LENGTH || bytes[CHECKSUM_LENGTH] !== SPACE) return undefined;
  const head = HEAD.exec(ascii.decode(bytes.subarray(0, HEAD_LENGTH_MAX)));
  if (head === null) return undefined;
  const [whole, checksum = '', sequence = '', batch = '', kind = ''] = head;
  if (Number.parseInt(checksum, 16) !== Bun.hash.crc32(bytes.subarray(CHECKSUM_LENGTH + 1))) return undefined;
  return { sequence: Number(sequence), batch: Number(batch), kind, jsonAt: whole.length };
}

const HEADS = /[0-9a-f]{8} [1-9]\d{0,15} [1-9]\d{0,15} [a-z]/g;

/** A whole record at the end of a broken line: the line feed before it was changed. */
function recordWithin(bytes: Uint8Array): ParsedLine | undefined {
  for (const match of ascii.decode(bytes).matchAll(HEADS)) {
    const parsed = parseLine(bytes.subarray(match.index));
    if (parsed !== undefined) return parsed;
  }
  return undefined;
}

/**
 * Records after `from` up to `until`, which must both be durable positions. Throws JournalDamagedError at anything
 * that is not the next record.
 */
export function* readJournal(
  folder: string, from: JournalPosition, until: JournalPosition, files: JournalFiles = diskFiles,
): Generator<JournalRecord> {
  let expected = from.sequence + 1;
  for (let segment = from.segment; segment <= until.segment && expected <= until.sequence; segment++) {
    const path = segmentPath(folder, segment);
    const file = files.openForReading(path);
    try {
      const limit = segment === until.segment ? until.offset : files.size(file);
      const offset = segment === from.segment ? from.offset : 0;
      for (const line of linesOf(files, file, offset, limit)) {
        const parsed = line.whole ? parseLine(line.bytes) : undefined;
        if (parsed === undefined) {
          throw new JournalDamagedError(path, line.offset, `record ${expected} does not match its checksum`);
        }
        if (parsed.sequence !== expected) throw gapError(path, line.offset, expected, parsed.sequence);
        yield {
          sequence: expected, batch: parsed.batch, kind: parsed.kind,
          json: utf8.decode(line.bytes.subarray(parsed.jsonAt)),
          end: { segment, offset: line.offset + line.bytes.length + 1, sequence: expected },
        };
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
    let torn = false;
    for (const line of linesOf(files, file, end.offset, size)) {
      const parsed = line.whole ? parseLine(line.bytes) : undefined;
      const expected = end.sequence + 1;
      if (parsed === undefined || torn) {
        torn = true;
        const later = parsed ?? (line.whole ? recordWithin(line.bytes) : undefined);
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

function misplacedError(folder: string, from: JournalPosition, first: number, last: number): JournalDamagedError {
  const what = `the ledger was loaded up to segment ${from.segment}, but the journal holds segments ${first} to ${last}`;
  return new JournalDamagedError(folder, from.offset, what);
}
