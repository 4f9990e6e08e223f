// Status line and header fields of a reply that have passed. Invariant: the fields are found in the text as
// it came, so that nothing which was never asked for costs anything.

import type { UpstreamHeaders } from './transport.ts';

export type Framing = 'none' | 'length' | 'chunked' | 'until-close';

/** In place of where a field's value begins in the head's text. */
export const ABSENT = 0;
export const REPEATED = -1;

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

/** One object for the head and its fields: there is one of it for each request. */
export class ReplyHead implements UpstreamHeaders {
  readonly kind = 'head';
  /** 100 to 599; what the upstream said outside of it is 502. */
  readonly status: number;
  readonly framing: Framing;
  /** Bytes of the body; meaningful for `none` and `length`. */
  readonly length: number;
  /**
   * How long the upstream keeps the connection for another request: 0 for not at all, Infinity if it names no
   * time.
   */
  readonly keepMs: number;
  readonly #text: string;
  readonly #contentType: number;
  readonly #contentEncoding: number;

  constructor(
    status: number, framing: Framing, length: number, keepMs: number,
    text: string, contentType: number, contentEncoding: number,
  ) {
    this.status = status;
    this.framing = framing;
    this.length = length;
    this.keepMs = keepMs;
    this.#text = text;
    this.#contentType = contentType;
    this.#contentEncoding = contentEncoding;
  }

  get(name: string): string | undefined {
    // These two are asked of every reply.
    if (name === 'content-type') return this.#at(this.#contentType, name);
    if (name === 'content-encoding') return this.#at(this.#contentEncoding, name);
    return this.#search(name);
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

  #at(start: number, name: string): string | undefined {
    if (start === ABSENT) return undefined;
    if (start === REPEATED) return this.#search(name);
    return this.#text.slice(start, this.#text.indexOf('\r', start)).trim();
  }

  #search(name: string): string | undefined {
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
}
