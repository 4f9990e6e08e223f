// Status line and header fields of a reply, read once and strictly. Invariant: exactly one way to frame the body
// follows from a head that passes, so that no byte of one reply is ever taken for the next one.

import { isText, isToken } from './header-bytes.ts';
import type { UpstreamHeaders } from './transport.ts';

export type Framing = 'none' | 'length' | 'chunked' | 'until-close';

export interface ReplyHead {
  readonly kind: 'head';
  /** 100 to 599; what the upstream said outside of it is 502. */
  readonly status: number;
  readonly headers: UpstreamHeaders;
  readonly framing: Framing;
  /** Bytes of the body; meaningful for `none` and `length`. */
  readonly length: number;
  /** How long the upstream keeps the connection for another request: 0 for not at all, Infinity if it names no time. */
  readonly keepMs: number;
}

export interface BadHead {
  readonly kind: 'bad-framing' | 'oversized-head';
  readonly detail: string;
}

export const HEAD_BYTES_MAX = 64 * 1024;
const FIELDS_MAX = 200;

const CR = 13;
const LF = 10;
const SPACE = 32;
const COLON = 58;

const bad = (detail: string): BadHead => ({ kind: 'bad-framing', detail });

/** Header fields as positions in the head's text: most are never asked for, so none is cut out beforehand. */
class HeadFields implements UpstreamHeaders {
  readonly #text: string;
  /** Four numbers for each field: begin and end of its name, begin and end of its value. */
  readonly #marks: readonly number[];

  constructor(text: string, marks: readonly number[]) {
    this.#text = text;
    this.#marks = marks;
  }

  get(name: string): string | undefined {
    const marks = this.#marks;
    let found: string | undefined;
    for (let i = 0; i < marks.length; i += 4) {
      if (marks[i + 1]! - marks[i]! !== name.length || !sameName(this.#text, marks[i]!, name)) continue;
      const value = this.#text.slice(marks[i + 2], marks[i + 3]);
      found = found === undefined ? value : `${found}, ${value}`;
    }
    return found;
  }

  *entries(): IterableIterator<readonly [string, string]> {
    const [text, marks] = [this.#text, this.#marks];
    for (let i = 0; i < marks.length; i += 4) {
      yield [text.slice(marks[i], marks[i + 1]).toLowerCase(), text.slice(marks[i + 2], marks[i + 3])];
    }
  }
}

/** Whether `name`, in lower case, stands in the text at this place, in whatever case. */
function sameName(text: string, at: number, name: string): boolean {
  for (let i = 0; i < name.length; i += 1) {
    const code = text.charCodeAt(at + i);
    if ((code >= 65 && code <= 90 ? code + 32 : code) !== name.charCodeAt(i)) return false;
  }
  return true;
}

/** Where the last parsed head ended: the first byte after its empty line. Read it at once. */
export let headEnd = 0;

/**
 * Reads a head that begins at `from`. `undefined` if the bytes end before it does. What is wrong with a head that has
 * not ended may be told already: whoever must not depend on how bytes were split asks again when it has.
 */
export function parseReplyHead(bytes: Uint8Array, from: number): ReplyHead | BadHead | undefined {
  const status = readStatus(bytes, from);
  if (typeof status !== 'number') return status;
  let at = from + STATUS_AT + (status > 999 ? 4 : digitsOf(bytes, from));
  if (bytes[at] === SPACE) at = skipText(bytes, at + 1);
  if (at + 1 >= bytes.length) return undefined;
  if (bytes[at] !== CR || bytes[at + 1] !== LF) return bad('status line is not HTTP/1.1');
  at += 2;
  const marks: number[] = [];
  for (;;) {
    if (at + 1 >= bytes.length) return undefined;
    if (bytes[at] === CR && bytes[at + 1] === LF) break;
    const next = markField(bytes, at, from, marks);
    if (typeof next !== 'number') return next;
    if (marks.length > FIELDS_MAX * 4) return { kind: 'oversized-head', detail: `more than ${FIELDS_MAX} fields` };
    at = next;
  }
  headEnd = at + 2;
  const text = textOf(bytes, from, at);
  return frame(status, bytes[from + 7] === 49, text, marks);
}

/** Offset of the status code in `HTTP/1.1 200 OK`. */
const STATUS_AT = 9;

function digitsOf(bytes: Uint8Array, from: number): number {
  let count = 0;
  while (count < 4 && isDigit(bytes[from + STATUS_AT + count]!)) count += 1;
  return count;
}

const isDigit = (code: number): boolean => code >= 48 && code <= 57;

function readStatus(bytes: Uint8Array, from: number): number | BadHead | undefined {
  if (from + STATUS_AT >= bytes.length) return undefined;
  const minor = bytes[from + 7];
  if ((minor !== 48 && minor !== 49) || bytes[from + 8] !== SPACE) return bad('status line is not HTTP/1.1');
  const digits = digitsOf(bytes, from);
  if (digits === 0) return bad('status line without a status');
  let status = 0;
  for (let i = 0; i < digits; i += 1) status = status * 10 + bytes[from + STATUS_AT + i]! - 48;
  return status;
}

/** Marks one field, by positions from `base`; the result is where the next line begins. */
function markField(bytes: Uint8Array, from: number, base: number, marks: number[]): number | BadHead | undefined {
  const length = bytes.length;
  let at = from;
  while (at < length && isToken(bytes[at]!)) at += 1;
  if (at === length) return undefined;
  if (at === from || bytes[at] !== COLON) return bad('header line without a name');
  const nameEnd = at;
  at += 1;
  while (bytes[at] === SPACE || bytes[at] === 9) at += 1;
  const valueStart = at;
  at = skipText(bytes, at);
  if (at + 1 >= length) return undefined;
  if (bytes[at] !== CR || bytes[at + 1] !== LF) return bad('header value with a control character');
  let valueEnd = at;
  while (valueEnd > valueStart && (bytes[valueEnd - 1] === SPACE || bytes[valueEnd - 1] === 9)) valueEnd -= 1;
  marks.push(from - base, nameEnd - base, valueStart - base, valueEnd - base);
  return at + 2;
}

/** The first byte from here that may not stand in a value. */
function skipText(bytes: Uint8Array, from: number): number {
  const length = bytes.length;
  let at = from;
  while (at < length && isText(bytes[at]!)) at += 1;
  return at;
}

function textOf(bytes: Uint8Array, from: number, to: number): string {
  return bytes instanceof Buffer ? bytes.toString('latin1', from, to) : Buffer.from(bytes).toString('latin1', from, to);
}

/** The fields that decide where the body ends and whether the connection lives on. */
interface FramingFields {
  length: number;
  chunked: boolean;
  connection: string;
  keepAlive: string;
}

function frame(code: number, isHttp11: boolean, text: string, marks: readonly number[]): ReplyHead | BadHead {
  const found: FramingFields = { length: -1, chunked: false, connection: '', keepAlive: '' };
  for (let i = 0; i < marks.length; i += 4) {
    const nameLength = marks[i + 1]! - marks[i]!;
    // The only names that matter here have 10, 14 and 17 letters.
    if (nameLength !== 10 && nameLength !== 14 && nameLength !== 17) continue;
    const name = FRAMING_NAMES.find((known) => known.length === nameLength && sameName(text, marks[i]!, known));
    if (name === undefined) continue;
    const problem = readFramingField(name, text.slice(marks[i + 2], marks[i + 3]), found);
    if (problem !== undefined) return bad(problem);
  }
  if (found.chunked && found.length >= 0) return bad('both content-length and transfer-encoding');
  if (found.chunked && !isHttp11) return bad('transfer-encoding in HTTP/1.0');
  const status = code >= 100 && code <= 599 ? code : 502;
  const bodiless = status < 200 || status === 204 || status === 304;
  const framing = bodiless ? 'none' : found.chunked ? 'chunked' : found.length >= 0 ? 'length' : 'until-close';
  return {
    kind: 'head', status, framing, headers: new HeadFields(text, marks),
    length: framing === 'length' ? found.length : 0,
    keepMs: framing === 'until-close' ? 0 : keepMsOf(found, isHttp11),
  };
}

const FRAMING_NAMES = ['content-length', 'transfer-encoding', 'connection', 'keep-alive'] as const;

function readFramingField(name: (typeof FRAMING_NAMES)[number], value: string, found: FramingFields): string | undefined {
  switch (name) {
    case 'content-length': {
      if (!/^\d{1,15}$/.test(value)) return 'content-length is not a number';
      const length = Number(value);
      if (found.length >= 0 && found.length !== length) return 'two content-lengths that differ';
      found.length = length;
      return undefined;
    }
    case 'transfer-encoding':
      if (found.chunked) return 'transfer-encoding twice';
      // Any other coding would have to be undone before the body could be read, and we have asked for none.
      if (value.toLowerCase() !== 'chunked') return 'transfer-encoding other than chunked';
      found.chunked = true;
      return undefined;
    case 'connection':
      found.connection += `,${value.toLowerCase()}`;
      return undefined;
    case 'keep-alive':
      found.keepAlive = value;
      return undefined;
  }
}

function keepMsOf(found: FramingFields, isHttp11: boolean): number {
  if (found.connection !== '') {
    const options = found.connection.split(',').map((option) => option.trim());
    if (options.includes('close')) return 0;
    if (!isHttp11 && !options.includes('keep-alive')) return 0;
  } else if (!isHttp11) {
    return 0;
  }
  const named = /(?:^|[,;\s])timeout\s*=\s*"?(\d{1,6})/i.exec(found.keepAlive);
  // A second less than promised, so that our request does not meet its close on the way.
  return named === null ? Number.POSITIVE_INFINITY : Math.max(0, (Number(named[1]) - 1) * 1_000);
}
