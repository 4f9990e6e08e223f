// Status line and header fields of a reply, read once and strictly. Invariant: exactly one way to frame the body
// follows from a head that passes, so that no byte of one reply is ever taken for the next one.

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

const TOKEN = 1;
const VALUE = 2;
const CR = 13;
const COLON = 58;

/** Which bytes may stand in a field's name and in its value. */
const KINDS = Uint8Array.from({ length: 256 }, (_, code) => {
  const token = /[!#$%&'*+\-.^_`|~0-9A-Za-z]/.test(String.fromCharCode(code)) ? TOKEN : 0;
  const value = code === 9 || (code >= 32 && code !== 127) ? VALUE : 0;
  return token | value;
});

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
      if (marks[i + 1]! - marks[i]! !== name.length || this.#name(i) !== name) continue;
      const value = this.#text.slice(marks[i + 2], marks[i + 3]);
      found = found === undefined ? value : `${found}, ${value}`;
    }
    return found;
  }

  *entries(): IterableIterator<readonly [string, string]> {
    for (let i = 0; i < this.#marks.length; i += 4) {
      yield [this.#name(i), this.#text.slice(this.#marks[i + 2], this.#marks[i + 3])];
    }
  }

  #name(at: number): string {
    return this.#text.slice(this.#marks[at], this.#marks[at + 1]).toLowerCase();
  }
}

/** `text` is the head in Latin-1 with the line break of its last line, without the empty line after it. */
export function parseReplyHead(text: string): ReplyHead | BadHead {
  const firstEnd = text.indexOf('\r\n');
  const line = text.slice(0, firstEnd);
  const status = /^HTTP\/1\.([01]) (\d{1,4})(?: [\t\x20-\x7e\x80-\xff]*)?$/.exec(line);
  if (status === null) return bad('status line is not HTTP/1.1');
  const marks: number[] = [];
  const fieldProblem = markFields(text, firstEnd + 2, marks);
  if (fieldProblem !== undefined) return fieldProblem;
  return frame(Number(status[2]), status[1] === '1', text, marks);
}

function markFields(text: string, from: number, marks: number[]): BadHead | undefined {
  const length = text.length;
  let at = from;
  while (at < length) {
    const nameStart = at;
    while ((KINDS[text.charCodeAt(at)]! & TOKEN) !== 0) at += 1;
    if (at === nameStart || text.charCodeAt(at) !== COLON) return bad('header line without a name');
    const nameEnd = at;
    at += 1;
    while (text.charCodeAt(at) === 32 || text.charCodeAt(at) === 9) at += 1;
    const valueStart = at;
    while ((KINDS[text.charCodeAt(at)]! & VALUE) !== 0) at += 1;
    if (text.charCodeAt(at) !== CR || text.charCodeAt(at + 1) !== 10) return bad('header value with a control character');
    let valueEnd = at;
    while (valueEnd > valueStart && (text.charCodeAt(valueEnd - 1) === 32 || text.charCodeAt(valueEnd - 1) === 9)) {
      valueEnd -= 1;
    }
    marks.push(nameStart, nameEnd, valueStart, valueEnd);
    if (marks.length > FIELDS_MAX * 4) return { kind: 'oversized-head', detail: `more than ${FIELDS_MAX} header fields` };
    at += 2;
  }
  return undefined;
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
    const problem = readFramingField(
      text.slice(marks[i], marks[i + 1]).toLowerCase(), text.slice(marks[i + 2], marks[i + 3]), found,
    );
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

function readFramingField(name: string, value: string, found: FramingFields): string | undefined {
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
    default:
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
