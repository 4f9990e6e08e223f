// The lines of the journal: `crc32 sequence batch kind json LF`. The checksum covers all that follows it. Where a line
// would begin there may be zeros, which were written ahead: no record begins with one.

import type { JournalFiles } from './journal-files.ts';

const CHUNK_BYTES = 256 * 1024;
export const LF = 10;
export const SPACE = 32;
const DASH = 45;
const ZERO = 48;
const SMALL_A = 97;
const SMALL_Z = 122;
export const CHECKSUM_LENGTH = 8;

export interface Line {
  readonly offset: number;
  /** Valid until the next line is asked for. Without its LF. */
  readonly bytes: Buffer;
  /** `cut`: the file ends before the LF. `blank`: not a line, but zeros where one would begin; more may follow. */
  readonly form: 'whole' | 'cut' | 'blank';
}

/** Kept from one reading to the next: a fresh one costs as much as reading a small batch. */
let spare: Buffer | undefined;

/** Lines of a segment from `offset` up to `limit` bytes. */
export function* linesOf(files: JournalFiles, file: number, offset: number, limit: number): Generator<Line> {
  let buffer = spare ?? Buffer.allocUnsafeSlow(CHUNK_BYTES);
  spare = undefined;
  try {
    let filled = 0;
    let bufferAt = offset;
    for (;;) {
      let start = 0;
      while (start < filled) {
        if (buffer[start] === 0) {
          const end = endOfZeros(buffer, start, filled);
          yield { offset: bufferAt + start, bytes: buffer.subarray(start, end), form: 'blank' };
          start = end;
          continue;
        }
        const end = buffer.indexOf(LF, start);
        // What is beyond `filled` was read before.
        if (end < 0 || end >= filled) break;
        yield { offset: bufferAt + start, bytes: buffer.subarray(start, end), form: 'whole' };
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
        if (filled > 0) yield { offset: bufferAt, bytes: buffer.subarray(0, filled), form: 'cut' };
        return;
      }
      filled += count;
    }
  } finally {
    if (buffer.length === CHUNK_BYTES) spare = buffer;
  }
}

function endOfZeros(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end && bytes[at] === 0) at += 1;
  return at;
}

export interface ParsedLine {
  readonly sequence: number;
  readonly batch: number;
  readonly kind: string;
  /** Where the JSON begins in the line. */
  readonly jsonAt: number;
}

const DIGITS_MAX = 16;
const KIND_LENGTH_MAX = 31;
const ascii = new TextDecoder('latin1');

/** The kind of most records needs no new string. */
const USAGE = new TextEncoder().encode('usage ');

/** Undefined: not a record, or not the one that was written. */
export function parseLine(bytes: Uint8Array): ParsedLine | undefined {
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
export function recordWithin(bytes: Uint8Array): ParsedLine | undefined {
  for (const match of ascii.decode(bytes).matchAll(HEADS)) {
    const parsed = parseLine(bytes.subarray(match.index));
    if (parsed !== undefined) return parsed;
  }
  return undefined;
}

const HEX = Buffer.from('0123456789abcdef');

/** The checksum as `hexOf` reads it. */
export function writeHex(buffer: Buffer, at: number, value: number): void {
  for (let index = 0, shift = 28; shift >= 0; index++, shift -= 4) {
    buffer[at + index] = HEX[(value >>> shift) & 15] ?? 0;
  }
}
