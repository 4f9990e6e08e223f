// Status line and header fields of a reply, read once and strictly. Invariant: exactly one way to frame the
// body follows from a head that passes, so that no byte of one reply is ever taken for the next one.

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
  /**
   * How long the upstream keeps the connection for another request: 0 for not at all, Infinity if it names no
   * time.
   */
  readonly keepMs: number;
}

export interface BadHead {
  readonly kind: 'bad-framing' | 'oversized-head';
  readonly detail: string;
}

export const HEAD_BYTES_MAX = 64 * 1024;
const FIELDS_MAX = 200;

/**
 * A whole head: native matching is several times faster than a loop over its bytes. Nothing in it can match
 * in two ways, so that a head which does not match costs no more than its length.
 */
const HEAD = new RegExp(
  String.raw`^HTTP/1\.[01] \d{1,4}(?: [\t\x20-\x7e\x80-\xff]*)?\r\n`
  + String.raw`(?:[!#$%&'*+\-.^_\`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*\r\n){0,${FIELDS_MAX}}$`,
);

const bad = (detail: string): BadHead => ({ kind: 'bad-framing', detail });

/** The fields that decide where the body ends and whether the connection lives on. */
const FRAMING_FIELD = /\r\n(content-length|transfer-encoding|connection|keep-alive):([^\r]*)/gi;

// Which of them it is, told by its length; the other two differ in their fifth letter.
const CONTENT_LENGTH = 14;
const TRANSFER_ENCODING = 17;

/** One expression for each field name that is asked for; the names come from code, and are few. */
const fieldExpressions = new Map<string, RegExp>();
const FIELD_EXPRESSIONS_MAX = 256;

function fieldExpression(name: string): RegExp {
  const known = fieldExpressions.get(name);
  if (known !== undefined) return known;
  const expression = new RegExp(`\\r\\n${RegExp.escape(name)}:([^\\r]*)`, 'gi');
  if (fieldExpressions.size < FIELD_EXPRESSIONS_MAX) fieldExpressions.set(name, expression);
  return expression;
}

/** Header fields as the head's text: most are never asked for, so none is cut out beforehand. */
class HeadFields implements UpstreamHeaders {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  get(name: string): string | undefined {
    // A value cannot hold a line break, so this matches at the beginning of a field only.
    const expression = fieldExpression(name);
    expression.lastIndex = 0;
    let found: string | undefined;
    for (let match = expression.exec(this.#text); match !== null; match = expression.exec(this.#text)) {
      const value = match[1]!.trim();
      found = found === undefined ? value : `${found}, ${value}`;
    }
    return found;
  }

  *entries(): IterableIterator<readonly [string, string]> {
    const text = this.#text;
    let at = text.indexOf('\r\n') + 2;
    while (at < text.length) {
      const colon = text.indexOf(':', at);
      const end = text.indexOf('\r\n', colon);
      yield [text.slice(at, colon).toLowerCase(), text.slice(colon + 1, end).trim()];
      at = end + 2;
    }
  }
}

/** `text` is the head in Latin-1 with the line break of its last line, without the empty line after it. */
export function parseReplyHead(text: string): ReplyHead | BadHead {
  if (!HEAD.test(text)) {
    return text.split('\n').length - 2 > FIELDS_MAX
      ? { kind: 'oversized-head', detail: `more than ${FIELDS_MAX} header fields` }
      : bad('the head is not well-formed HTTP/1.1');
  }
  return frame(Number.parseInt(text.slice(9, 13), 10), text.charCodeAt(7) === 49, text);
}

function frame(code: number, isHttp11: boolean, text: string): ReplyHead | BadHead {
  let length = -1;
  let chunked = false;
  let connection = '';
  let keepAlive = '';
  FRAMING_FIELD.lastIndex = 0;
  for (let match = FRAMING_FIELD.exec(text); match !== null; match = FRAMING_FIELD.exec(text)) {
    const value = match[2]!.trim();
    switch (match[1]!.length) {
      case CONTENT_LENGTH: {
        const named = /^\d{1,15}$/.test(value) ? Number(value) : -1;
        if (named < 0) return bad('content-length is not a number');
        if (length >= 0 && length !== named) return bad('two content-lengths that differ');
        length = named;
        break;
      }
      case TRANSFER_ENCODING:
        // Any other coding would have to be undone before the body could be read, and we have asked for none.
        if (chunked || value.toLowerCase() !== 'chunked') return bad('transfer-encoding is not chunked');
        chunked = true;
        break;
      default:
        if (match[1]!.charCodeAt(4) === 45) keepAlive = value;
        else connection += `,${value}`;
    }
  }
  if (chunked && length >= 0) return bad('both content-length and transfer-encoding');
  if (chunked && !isHttp11) return bad('transfer-encoding in HTTP/1.0');
  const status = code >= 100 && code <= 599 ? code : 502;
  const bodiless = status < 200 || status === 204 || status === 304;
  const framing = bodiless ? 'none' : chunked ? 'chunked' : length >= 0 ? 'length' : 'until-close';
  return {
    kind: 'head', status, framing, headers: new HeadFields(text),
    length: framing === 'length' ? length : 0,
    keepMs: framing === 'until-close' ? 0 : keepMsOf(connection, keepAlive, isHttp11),
  };
}

function keepMsOf(connection: string, keepAlive: string, isHttp11: boolean): number {
  if (connection !== '' || !isHttp11) {
    const options = connection.toLowerCase().split(',').map((option) => option.trim());
    if (options.includes('close') || (!isHttp11 && !options.includes('keep-alive'))) return 0;
  }
  if (keepAlive === '') return Number.POSITIVE_INFINITY;
  const named = /(?:^|[,;\s])timeout\s*=\s*"?(\d{1,6})/i.exec(keepAlive);
  // A second less than promised, so that our request does not meet its close on the way.
  return named === null ? Number.POSITIVE_INFINITY : Math.max(0, (Number(named[1]) - 1) * 1_000);
}
