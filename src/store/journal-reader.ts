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

const CHUNK_BYTES = 256 * 1024;
const LF = 10;
const SPACE = 32;
const DASH = 45;
const ZERO = 48;
const SMALL_A = 97;
const SMALL_Z = 122;
const CHECKSUM_LENGTH = 8;

interface Line {
  readonly offset: number;
  /** Valid until the next line is asked for. Without its LF. */
  readonly bytes: Buffer;
  /** False: the file ends before the LF. */
  readonly whole: boolean;
}

/** Kept from one reading to the next: a fresh one costs as much as reading a small batch. */
let spare: Buffer | undefined;

/** Lines of a segment from `offset` up to `limit` bytes. */
function* linesOf(files: JournalFiles, file: number, offset: number, limit: number): Generator<Line> {
  let buffer = spare ?? Buffer.allocUnsafeSlow(CHUNK_BYTES);
  spare = undefined;
  try {
    let filled = 0;
    let bufferAt = offset;
    for (;;) {
      let start = 0;
      for (;;) {
        const end = buffer.indexOf(LF, start);
        // What is beyond `filled` was read before.
        if (end < 0 || end >= filled) break;
        yield { offset: bufferAt + start, bytes: buffer.subarray(start, end), whole: true };
        start = end + 1;
      }
      buffer.copyWithin(0, start, filled);
      filled -= start;
      bufferAt += start;
      if (filled === buffer.length) {
        const larger = Buffer.allocUnsafeSlow(buffer.length * 2);
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
  } finally {
    if (buffer.length === CHUNK_BYTES) spare = buffer;
  }
}

interface ParsedLine {
  readonly sequence: number;
  readonly batch: number;
  readonly kind: string;
  /** Where the JSON begins in the line. */
  readonly jsonAt: number;
}

const DIGITS_MAX = 16;
const KIND_LENGTH_MAX = 31;
const ascii = new TextDecoder('latin1');
const utf8 = new TextDecoder('utf-8', { fatal: true });

/** The kind of most records needs no new string. */
const USAGE = new TextEncoder().encode('usage ');

/** Undefined: not a record, or not the one that was written. */
function parseLine(bytes: Uint8Array): ParsedLine | undefined {
  if (bytes.length <= CHECKSUM_LENGTH || bytes[CHECKSUM_LENGTH] !== SPACE) return undefined;
  const sequenceEnd = endOfNumber(bytes, CHECKSUM_LENGTH + 1);
  const batchEnd = endOfNumber(bytes, sequenceEnd + 1);
  const kindEnd = sequenceEnd < 0 || batchEnd < 0 ? -1 : endOfKind(bytes, batchEnd + 1);
  if (kindEnd < 0 || hexOf(bytes) !== Bun.hash.crc32(bytes.subarray(CHECKSUM_LENGTH + 1))) return undefined;
  return {
    sequence: numberOf(bytes, CHECKSUM_LENGTH + 1, sequenceEnd), batch: numberOf(bytes, sequenceEnd + 1, batchEnd),
    kind: kindOf(bytes, batchEnd + 1, kindEnd), jsonAt: kindEnd + 1,
  };
}

/** The space after a whole number without leading zeros; -1: there is none. */
function endOfNumber(bytes: Uint8Array, start: number): number {
  let at = start;
  for (; at < bytes.length; at++) {
    const digit = (bytes[at] ?? 0) - ZERO;
    if (digit < 0 || digit > 9) break;
  }
  return bytes[at] === SPACE && at > start && at - start <= DIGITS_MAX && bytes[start] !== ZERO ? at : -1;
}

function numberOf(bytes: Uint8Array, start: number, end: number): number {
  let value = 0;
  for (let at = start; at < end; at++) value = value * 10 + (bytes[at] ?? 0) - ZERO;
  return value;
}

/** The space after a word of small letters and dashes; -1: there is none. */
function endOfKind(bytes: Uint8Array, start: number): number {
  let at = start;
  for (; at < bytes.length; at++) {
    const code = bytes[at] ?? 0;
    const letter = code >= SMALL_A && code <= SMALL_Z;
    if (!letter && (code !== DASH || at === start)) break;
  }
  return bytes[at] === SPACE && at > start && at - start <= KIND_LENGTH_MAX ? at : -1;
}

function kindOf(bytes: Uint8Array, start: number, end: number): string {
  for (let index = 0; index < USAGE.length; index++) {
    if (bytes[start + index] !== USAGE[index]) return ascii.decode(bytes.subarray(start, end));
  }
  return 'usage';
}

/** The checksum; -1: not eight small hexadecimal digits. */
function hexOf(bytes: Uint8Array): number {
  let value = 0;
  for (let at = 0; at < CHECKSUM_LENGTH; at++) {
    const code = bytes[at] ?? 0;
    if (code >= ZERO && code < ZERO + 10) value = value * 16 + code - ZERO;
    else if (code >= SMALL_A && code < SMALL_A + 6) value = value * 16 + code - SMALL_A + 10;
    else return -1;
  }
  return value;
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
        const parsed = line.whole ? parseLine(bytes) : undefined;
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
