// Walks over JSON as bytes without building anything: the shared ground of the request scan and the reply
// readers. Its work is linear in the bytes, whatever they are, and bounded in depth and in keys.

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const BRACE = 0x7b;
const BRACKET = 0x5b;

/** Strings up to this length are walked byte by byte; a native search costs as much as some 40 bytes. */
const SHORT_STRING_BYTES = 40;
/**
 * Bytes walked behind an escaped quote at which a search stopped: few where quotes are rare, as in prose; more where
 * the search did not come far, as in code or in JSON within a text.
 */
const SPARSE_WALK_BYTES = 4;
const DENSE_WALK_BYTES = 64;
const DENSE_WITHIN_BYTES = 32;

/** How strings end that a walk is to notice. Make it once, with `stringEndings`. */
export interface StringEndings {
  /** The endings as bytes, by their last byte. */
  readonly byLast: readonly (readonly Uint8Array[] | undefined)[];
}

/** Endings are plain ASCII and not empty. */
export function stringEndings(...endings: readonly string[]): StringEndings {
  const encoded = endings.map((ending) => new TextEncoder().encode(ending));
  const byLast = Array.from({ length: 256 }, (_, byte) => {
    const same = encoded.filter((ending) => ending.at(-1) === byte);
    return same.length === 0 ? undefined : same;
  });
  return { byLast };
}

const noEndings = stringEndings();

export type JsonFailure = 'malformed' | 'too-deep' | 'too-many-keys';

export interface JsonCursorLimits {
  /** Most brackets open at once below the cursor's own level. */
  readonly depth: number;
  /** Most keys, at any level. */
  readonly keys: number;
}

/** One cursor is reused for many texts; nothing it returns refers to the text. */
export class JsonCursor {
  bytes: Uint8Array = new Uint8Array();
  position = 0;
  end = 0;
  /** Content of the string that `string()` passed last, without its quotes. */
  stringStart = 0;
  stringEnd = 0;
  /** Why the last call returned false. */
  failure: JsonFailure = 'malformed';
  /** Whether a string that was passed, at any level, ends as `reset` was told to notice. */
  noticed = false;
  private endings = noEndings;
  private keysLeft = 0;
  private readonly open: Uint8Array;
  private readonly keysMax: number;

  constructor(limits: JsonCursorLimits) {
    this.open = new Uint8Array(limits.depth);
    this.keysMax = limits.keys;
  }

  reset(bytes: Uint8Array, start: number, end: number, endings: StringEndings = noEndings): void {
    this.bytes = bytes;
    this.endings = endings;
    this.noticed = false;
    this.position = start;
    this.end = end;
    this.keysLeft = this.keysMax;
    this.failure = 'malformed';
  }

  /** Passes white space; returns the byte that stands there, or -1 at the end. */
  next(): number {
    const { bytes, end } = this;
    let i = this.position;
    while (i < end) {
      const byte = bytes[i] ?? -1;
      if (byte > 0x20 || (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09)) {
        this.position = i;
        return byte;
      }
      i++;
    }
    this.position = i;
    return -1;
  }

  /** Passes the string whose opening quote stands here. False if it does not end. */
  string(): boolean {
    const start = this.position + 1;
    const quote = stringEnd(this.bytes, start, this.end);
    if (quote < 0) return this.fail('malformed');
    this.stringStart = start;
    this.stringEnd = quote;
    this.notice(quote);
    this.position = quote + 1;
    return true;
  }

  /**
   * Passes the value that stands here (white space must be behind). Nested values are checked for balance
   * only.
   */
  value(): boolean {
    const byte = this.bytes[this.position];
    if (this.position >= this.end) return this.fail('malformed');
    if (byte === QUOTE) return this.string();
    if (byte === BRACE || byte === BRACKET) return this.nested();
    return this.scalar();
  }

  /** Counts a key against the limit: the caller's own levels call it, nested levels count themselves. */
  countKey(): boolean {
    return --this.keysLeft >= 0 || this.fail('too-many-keys');
  }

  private nested(): boolean {
    const { bytes, end, open } = this;
    const depthMax = open.length;
    let depth = 0;
    let i = this.position;
    while (i < end) {
      const byte = bytes[i] ?? 0;
      i++;
      if (byte === QUOTE) {
        const quote = stringEnd(bytes, i, end);
        if (quote < 0) return this.fail('malformed');
        this.notice(quote);
        i = quote + 1;
        continue;
      }
      if (byte === BRACE || byte === BRACKET) {
        if (depth === depthMax) return this.fail('too-deep');
        open[depth++] = byte;
      } else if (byte === BRACE + 2 || byte === BRACKET + 2) {
        if (open[--depth] !== byte - 2) return this.fail('malformed');
        if (depth === 0) {
          this.position = i;
          return true;
        }
      } else if (byte === COLON && !this.countKey()) {
        return false;
      }
    }
    return this.fail('malformed');
  }

  /** `quote`: where a string has been closed. Nothing of it is decoded: an ending with escapes is not noticed. */
  private notice(quote: number): void {
    const endings = this.endings.byLast[this.bytes[quote - 1] ?? 0];
    if (endings === undefined || this.noticed) return;
    for (const ending of endings) if (equalBytes(this.bytes, quote - ending.length, quote, ending)) this.noticed = true;
  }

  /**
   * A number, `true`, `false` or `null`, to the letter of the grammar: what we accept, no other parser may
   * read otherwise.
   */
  private scalar(): boolean {
    const { bytes, end } = this;
    const start = this.position;
    let i = start;
    while (i < end && isScalarByte(bytes[i] ?? 0)) i++;
    this.position = i;
    return isNumber(bytes, start, i) || isLiteral(bytes, start, i) || this.fail('malformed');
  }

  private fail(failure: JsonFailure): false {
    this.failure = failure;
    return false;
  }
}

/**
 * Index of the quote that closes the string whose content starts at `start` (which no backslash escapes), or
 * -1 if there is none before `end`. Long strings are searched natively.
 */
export function stringEnd(bytes: Uint8Array, start: number, end: number): number {
  const near = start + SHORT_STRING_BYTES < end ? start + SHORT_STRING_BYTES : end;
  let i = start;
  for (; i < near; i++) {
    const byte = bytes[i];
    if (byte === QUOTE) return i;
    if (byte === BACKSLASH) i++;
  }
  return i < end ? farStringEnd(bytes, i, end) : -1;
}

function farStringEnd(bytes: Uint8Array, start: number, end: number): number {
  let i = start;
  while (i < end) {
    const quote = bytes.indexOf(QUOTE, i);
    if (quote < 0 || quote >= end) return -1;
    let slashes = quote;
    while (slashes > i && bytes[slashes - 1] === BACKSLASH) slashes--;
    if (((quote - slashes) & 1) === 0) return quote;
    // An escaped quote: walk on, so that a string full of them does not cost a search for each.
    const walk = quote - i < DENSE_WITHIN_BYTES ? DENSE_WALK_BYTES : SPARSE_WALK_BYTES;
    const walkEnd = Math.min(end, quote + 1 + walk);
    for (i = quote + 1; i < walkEnd; i++) {
      const byte = bytes[i];
      if (byte === QUOTE) return i;
      if (byte === BACKSLASH) i++;
    }
  }
  return -1;
}

const isDigit = (byte: number | undefined): boolean => byte !== undefined && byte >= 0x30 && byte <= 0x39;

/** Bytes that may stand in a scalar: letters, digits, sign and point. Anything else ends it. */
const isScalarByte = (byte: number): boolean =>
  isDigit(byte) || (byte >= 0x61 && byte <= 0x7a) || byte === 0x2e || byte === 0x2d || byte === 0x2b || byte === 0x45;

function isNumber(bytes: Uint8Array, start: number, end: number): boolean {
  const whole = bytes[start] === 0x2d ? start + 1 : start;
  let i = digitsEnd(bytes, whole, end);
  if (i === whole || (bytes[whole] === 0x30 && i > whole + 1)) return false;
  if (i < end && bytes[i] === 0x2e) {
    const fraction = i + 1;
    i = digitsEnd(bytes, fraction, end);
    if (i === fraction) return false;
  }
  if (i < end && (bytes[i] === 0x65 || bytes[i] === 0x45)) {
    const signed = i + 1 < end && (bytes[i + 1] === 0x2b || bytes[i + 1] === 0x2d);
    const exponent = signed ? i + 2 : i + 1;
    i = digitsEnd(bytes, exponent, end);
    if (i === exponent) return false;
  }
  return i === end;
}

function digitsEnd(bytes: Uint8Array, start: number, end: number): number {
  let i = start;
  while (i < end && isDigit(bytes[i])) i++;
  return i;
}

const literals = ['true', 'false', 'null'].map((text) => new TextEncoder().encode(text));

const isLiteral = (bytes: Uint8Array, start: number, end: number): boolean =>
  literals.some((literal) => equalBytes(bytes, start, end, literal));

/** Whether bytes[start, end) are exactly `expected`. */
export function equalBytes(bytes: Uint8Array, start: number, end: number, expected: Uint8Array): boolean {
  const length = expected.length;
  if (end - start !== length) return false;
  for (let i = 0; i < length; i++) if (bytes[start + i] !== expected[i]) return false;
  return true;
}

/**
 * UTF-8 bytes that the content of a JSON string stands for: escapes count as what they mean. Linear, and
 * native where the string is long.
 */
export function decodedLength(bytes: Uint8Array, start: number, end: number): number {
  let length = end - start;
  const view = length > SHORT_STRING_BYTES ? bytes.subarray(start, end) : undefined;
  let i = start;
  while (i < end) {
    if (view !== undefined) {
      const slash = view.indexOf(BACKSLASH, i - start);
      if (slash < 0) return length;
      i = start + slash;
    }
    const slowUntil = Math.min(end, i + SHORT_STRING_BYTES);
    while (i < slowUntil) {
      if (bytes[i] !== BACKSLASH) {
        i++;
      } else if (bytes[i + 1] === 0x75) {
        length -= 6 - escapedLength(bytes, i + 2);
        i += 6;
      } else {
        length--;
        i += 2;
      }
    }
  }
  return Math.max(0, length);
}

/** UTF-8 bytes of the code unit whose four hexadecimal digits start here; half a surrogate pair is two. */
function escapedLength(bytes: Uint8Array, start: number): number {
  const first = bytes[start];
  const second = bytes[start + 1] ?? 0;
  if (first === 0x30 && second === 0x30) return (bytes[start + 2] ?? 0) < 0x38 ? 1 : 2;
  if (first === 0x30 && second < 0x38) return 2;
  return (first === 0x64 || first === 0x44) && second > 0x37 ? 2 : 3;
}
