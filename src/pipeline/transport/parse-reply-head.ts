// Reads a reply's head once and strictly. Invariant: exactly one way to frame the body follows from a head
// that passes, so that no byte of one reply is ever taken for the next one.

import { ABSENT, REPEATED, ReplyHead } from './reply-head.ts';

export interface BadHead {
  readonly kind: 'bad-framing' | 'oversized-head';
  readonly detail: string;
}

export const HEAD_BYTES_MAX = 64 * 1024;
const FIELDS_MAX = 200;

const NO_BYTES: Buffer = Buffer.alloc(0);

const HT = 9;
const LF = 10;
const CR = 13;
const SPACE = 32;
const ZERO = 48;
const NINE = 57;
const COLON = 58;
const HTTP_1_DOT = 'HTTP/1.'.length;
const STATUS_DIGITS_MAX = 4;
const LENGTH_DIGITS_MAX = 15;

const bad = (detail: string): BadHead => ({ kind: 'bad-framing', detail });

/** What a byte may be part of. */
const TOKEN = 1;
const TEXT = 2;
const CLASS = Uint8Array.from({ length: 256 }, (_, byte) => {
  const isText = byte === HT || (byte >= SPACE && byte !== 127);
  return (/[!#$%&'*+\-.^_`|~0-9A-Za-z]/.test(String.fromCharCode(byte)) ? TOKEN : 0) | (isText ? TEXT : 0);
});

const named = (name: string): Uint8Array => Buffer.from(name, 'latin1');
const CONTENT_LENGTH = named('content-length');
const TRANSFER_ENCODING = named('transfer-encoding');
const CONNECTION = named('connection');
const KEEP_ALIVE = named('keep-alive');
const CONTENT_TYPE = named('content-type');
const CONTENT_ENCODING = named('content-encoding');
const CHUNKED = named('chunked');

/** Whether the token at `at`, as long as `name`, is that name in any case. */
function isNamed(bytes: Uint8Array, at: number, name: Uint8Array): boolean {
  // What differs from a letter or hyphen in this bit alone is its capital, or no part of a token.
  for (let i = 0; i < name.length; i += 1) if ((bytes[at + i]! | 32) !== name[i]!) return false;
  return true;
}

/**
 * Reads one head after the other: its fields are what is known of the one being read, so that a reply makes
 * no object but its head.
 */
class HeadParser {
  #bytes = NO_BYTES;
  #start = 0;
  #at = 0;
  #problem: string | undefined;
  #isHttp11 = true;
  #code = 0;
  #length = -1;
  #chunked = false;
  #connection = '';
  #keepAlive = '';
  #contentType = ABSENT;
  #contentEncoding = ABSENT;

  parse(bytes: Buffer, start: number, end: number): ReplyHead | BadHead {
    this.#bytes = bytes;
    this.#start = this.#at = start;
    this.#problem = undefined;
    this.#length = -1;
    this.#chunked = false;
    this.#connection = this.#keepAlive = '';
    this.#contentType = this.#contentEncoding = ABSENT;
    const head = this.#read(end);
    // Not to keep a read alive until the next reply.
    this.#bytes = NO_BYTES;
    return head;
  }

  #read(end: number): ReplyHead | BadHead {
    let passes = this.#statusLine();
    for (let fields = 0; passes && this.#at < end; fields += 1) {
      if (fields === FIELDS_MAX) {
        return { kind: 'oversized-head', detail: `more than ${FIELDS_MAX} header fields` };
      }
      passes = this.#field();
    }
    if (!passes) return bad('the head is not well-formed HTTP/1.1');
    if (this.#problem !== undefined) return bad(this.#problem);
    return this.#framed(this.#bytes.toString('latin1', this.#start, end));
  }

  /** What precedes the version has been seen by the caller. */
  #statusLine(): boolean {
    const bytes = this.#bytes;
    let at = this.#start + HTTP_1_DOT;
    const version = bytes[at]!;
    this.#isHttp11 = version === ZERO + 1;
    if ((version !== ZERO && version !== ZERO + 1) || bytes[at + 1] !== SPACE) return false;
    at += 2;
    const digits = at;
    let code = 0;
    while (at - digits < STATUS_DIGITS_MAX && isDigit(bytes[at]!)) {
      code = code * 10 + bytes[at]! - ZERO;
      at += 1;
    }
    if (at === digits || (bytes[at] !== SPACE && bytes[at] !== CR)) return false;
    this.#code = code;
    while ((CLASS[bytes[at]!]! & TEXT) !== 0) at += 1;
    this.#at = at + 2;
    return bytes[at] === CR && bytes[at + 1] === LF;
  }

  /** One line. False if it is not a field. */
  #field(): boolean {
    const bytes = this.#bytes;
    const start = this.#at;
    let at = start;
    while ((CLASS[bytes[at]!]! & TOKEN) !== 0) at += 1;
    const nameLength = at - start;
    if (nameLength === 0 || bytes[at] !== COLON) return false;
    const value = (at += 1);
    while ((CLASS[bytes[at]!]! & TEXT) !== 0) at += 1;
    if (bytes[at] !== CR || bytes[at + 1] !== LF) return false;
    this.#at = at + 2;
    switch (nameLength) {
      case CONTENT_LENGTH.length:
        if (isNamed(bytes, start, CONTENT_LENGTH)) this.#contentLength(value, at);
        break;
      case TRANSFER_ENCODING.length:
        if (isNamed(bytes, start, TRANSFER_ENCODING)) this.#transferEncoding(value, at);
        break;
      case CONNECTION.length:
        if (isNamed(bytes, start, CONNECTION)) this.#connection += `,${bytes.toString('latin1', value, at)}`;
        else if (isNamed(bytes, start, KEEP_ALIVE)) this.#keepAlive = bytes.toString('latin1', value, at);
        break;
      case CONTENT_TYPE.length:
        if (isNamed(bytes, start, CONTENT_TYPE)) this.#contentType = this.#noted(this.#contentType, value);
        break;
      case CONTENT_ENCODING.length:
        if (isNamed(bytes, start, CONTENT_ENCODING)) {
          this.#contentEncoding = this.#noted(this.#contentEncoding, value);
        }
        break;
    }
    return true;
  }

  #noted(known: number, value: number): number {
    return known === ABSENT ? value - this.#start : REPEATED;
  }

  #contentLength(from: number, to: number): void {
    const bytes = this.#bytes;
    let at = afterSpace(bytes, from);
    const digits = at;
    let length = 0;
    while (isDigit(bytes[at]!)) {
      length = length * 10 + bytes[at]! - ZERO;
      at += 1;
    }
    const isNumber = at > digits && at - digits <= LENGTH_DIGITS_MAX && afterSpace(bytes, at) === to;
    if (!isNumber) this.#problem = 'content-length is not a number';
    else if (this.#length >= 0 && this.#length !== length) this.#problem = 'two content-lengths that differ';
    this.#length = length;
  }

  /** Any other coding would have to be undone before the body could be read, and we have asked for none. */
  #transferEncoding(from: number, to: number): void {
    const at = afterSpace(this.#bytes, from);
    const behind = at + CHUNKED.length;
    const isChunked = isNamed(this.#bytes, at, CHUNKED) && afterSpace(this.#bytes, behind) === to;
    if (this.#chunked || !isChunked) this.#problem = 'transfer-encoding is not chunked';
    this.#chunked = true;
  }

  #framed(text: string): ReplyHead | BadHead {
    const length = this.#length;
    if (this.#chunked && length >= 0) return bad('both content-length and transfer-encoding');
    if (this.#chunked && !this.#isHttp11) return bad('transfer-encoding in HTTP/1.0');
    const status = this.#code >= 100 && this.#code <= 599 ? this.#code : 502;
    const bodiless = status < 200 || status === 204 || status === 304;
    const framing = bodiless ? 'none' : this.#chunked ? 'chunked' : length >= 0 ? 'length' : 'until-close';
    const keeps = framing !== 'until-close';
    const keepMs = keeps ? keepMsOf(this.#connection, this.#keepAlive, this.#isHttp11) : 0;
    return new ReplyHead(
      status, framing, framing === 'length' ? length : 0, keepMs, text,
      this.#contentType, this.#contentEncoding,
    );
  }
}

const isDigit = (byte: number): boolean => byte >= ZERO && byte <= NINE;

function afterSpace(bytes: Uint8Array, from: number): number {
  let at = from;
  while (bytes[at] === SPACE || bytes[at] === HT) at += 1;
  return at;
}

const parser = new HeadParser();

/**
 * A head that begins with `HTTP/1.` at `start`; `end` is behind the line break of its last line, where the
 * empty line begins.
 */
export function parseReplyHead(bytes: Buffer, start: number, end: number): ReplyHead | BadHead {
  return parser.parse(bytes, start, end);
}

const CLOSE = /(?:^|,)[\t ]*close[\t ]*(?:,|$)/i;
const STAY = /(?:^|,)[\t ]*keep-alive[\t ]*(?:,|$)/i;

function keepMsOf(connection: string, keepAlive: string, isHttp11: boolean): number {
  if (connection !== '' && CLOSE.test(connection)) return 0;
  if (!isHttp11 && !STAY.test(connection)) return 0;
  if (keepAlive === '') return Number.POSITIVE_INFINITY;
  const timeout = /(?:^|[,;\s])timeout\s*=\s*"?(\d{1,6})/i.exec(keepAlive);
  // A second less than promised, so that our request does not meet its close on the way.
  return timeout === null ? Number.POSITIVE_INFINITY : Math.max(0, (Number(timeout[1]) - 1) * 1_000);
}
