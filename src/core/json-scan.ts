// Reads a few named fields of a JSON object from its bytes, without parsing the rest, so that a request goes
// on as the client wrote it. What passes here means the same to every parser: keys are unique, also when
// letter case is ignored.

import { isUtf8 } from 'node:buffer';
import { bounds } from './bounds.ts';
import { textBetween } from './byte-text.ts';
import { TollgateError } from './errors.ts';
import { equalBytes, JsonCursor } from './json-cursor.ts';
import type { StringEndings } from './json-cursor.ts';

/** Half-open range of bytes. */
export interface ByteSpan {
  readonly start: number;
  readonly end: number;
}

/** The fields that a scan looks for. Make it once, with `fieldSet`. */
export interface FieldSet<F extends string> {
  readonly names: readonly F[];
  readonly encoded: readonly Uint8Array[];
  /** The same names with letter case folded away. */
  readonly folded: ReadonlySet<string>;
}

/** Where the values of those fields stand that are present. `null` is a value. */
export interface FieldSpans<F extends string> {
  get(field: F): ByteSpan | undefined;
}

export interface ScannedObject<F extends string> {
  readonly spans: FieldSpans<F>;
  /** Right behind the opening brace: where a field can be inserted. */
  readonly inside: number;
  /** All keys of this object, the unknown ones included. */
  readonly keys: number;
  /** Whether a string anywhere in it ends as the scan was told to notice. */
  readonly noticed: boolean;
}

const encoder = new TextEncoder();

/** Folds letter case as the most lenient parser would: `ſ` and the Kelvin sign are taken for s and k, too. */
const fold = (key: string): string => key.toUpperCase().toLowerCase();

/** Names are plain lower-case ASCII. */
export function fieldSet<const F extends string>(...names: readonly F[]): FieldSet<F> {
  return { names, encoded: names.map((name) => encoder.encode(name)), folded: new Set(names.map(fold)) };
}

// Scans are synchronous and do not nest, so that one cursor serves them all.
const cursor = new JsonCursor({ depth: bounds.requestDepth - 1, keys: bounds.requestKeys });

/** Scans a whole request body. Throws TollgateError `invalid_request`. */
export function scanBody<F extends string>(
  body: Uint8Array,
  fields: FieldSet<F>,
  endings?: StringEndings,
): ScannedObject<F> {
  if (body[0] === 0xef && body[1] === 0xbb && body[2] === 0xbf) {
    throw refusal('The request body starts with a byte order mark; send UTF-8 JSON without one.');
  }
  if (!isUtf8(body)) throw refusal('The request body is not valid UTF-8.');
  cursor.reset(body, 0, body.length, endings);
  if (cursor.next() < 0) throw refusal('The request body is empty; send a JSON object.');
  const scanned = scan(fields, undefined);
  if (cursor.next() >= 0) throw malformed(undefined);
  return scanned;
}

/** Scans an object inside a body that `scanBody` has passed. `path` names it in errors. */
export function scanObject<F extends string>(
  body: Uint8Array,
  span: ByteSpan,
  fields: FieldSet<F>,
  path: string,
): ScannedObject<F> {
  cursor.reset(body, span.start, span.end);
  if (body[span.start] !== 0x7b) throw invalid(path, 'must be an object');
  return scan(fields, path);
}

function scan<F extends string>(fields: FieldSet<F>, path: string | undefined): ScannedObject<F> {
  if (cursor.next() !== 0x7b) throw refusal('The request body must be a JSON object.');
  const inside = ++cursor.position;
  // Four numbers for each member: start and end of its key's content, start and end of its value.
  const members: number[] = [];
  if (cursor.next() === 0x7d) {
    cursor.position++;
    return { spans: new Map(), inside, keys: 0, noticed: cursor.noticed };
  }
  for (;;) {
    if (cursor.next() !== 0x22 || !cursor.countKey() || !cursor.string()) throw broken(path);
    const { stringStart, stringEnd } = cursor;
    if (cursor.next() !== 0x3a) throw malformed(path);
    cursor.position++;
    cursor.next();
    const start = cursor.position;
    if (!cursor.value()) throw broken(path);
    members.push(stringStart, stringEnd, start, cursor.position);
    const after = cursor.next();
    cursor.position++;
    if (after === 0x7d) break;
    if (after !== 0x2c) throw malformed(path);
  }
  const spans =
    members.length <= 4 * 32 && keysArePlain(members)
      ? pickPlain(fields, members, path)
      : pickDecoded(fields, members, path);
  return { spans, inside, keys: members.length / 4, noticed: cursor.noticed };
}

/** Whether all keys are of lower-case ASCII letters, digits and marks: then bytes can be compared. */
function keysArePlain(members: readonly number[]): boolean {
  const { bytes } = cursor;
  for (let m = 0; m < members.length; m += 4) {
    const end = members[m + 1] ?? 0;
    for (let i = members[m] ?? 0; i < end; i++) {
      const byte = bytes[i] ?? 0;
      if (byte === 0x5c || byte >= 0x80 || (byte >= 0x41 && byte <= 0x5a)) return false;
    }
  }
  return true;
}

function pickPlain<F extends string>(
  fields: FieldSet<F>,
  members: readonly number[],
  path: string | undefined,
): FieldSpans<F> {
  const { bytes } = cursor;
  const spans = new Map<F, ByteSpan>();
  for (let m = 0; m < members.length; m += 4) {
    const start = members[m] ?? 0;
    const end = members[m + 1] ?? 0;
    for (let earlier = 0; earlier < m; earlier += 4) {
      const from = members[earlier] ?? 0;
      if ((members[earlier + 1] ?? 0) - from === end - start && sameBytes(bytes, from, start, end - start)) {
        throw duplicate(decode(bytes, start, end), path);
      }
    }
    const { encoded } = fields;
    for (let f = 0; f < encoded.length; f++) {
      const expected = encoded[f];
      const name = fields.names[f];
      if (expected === undefined || name === undefined || !equalBytes(bytes, start, end, expected)) continue;
      spans.set(name, { start: members[m + 2] ?? 0, end: members[m + 3] ?? 0 });
      break;
    }
  }
  return spans;
}

/** The careful way, for keys with escapes, capitals or letters beyond ASCII, and for very many keys. */
function pickDecoded<F extends string>(
  fields: FieldSet<F>,
  members: readonly number[],
  path: string | undefined,
): FieldSpans<F> {
  const { bytes } = cursor;
  const seen = new Set<string>();
  const spans = new Map<F, ByteSpan>();
  for (let m = 0; m < members.length; m += 4) {
    const key = decode(bytes, members[m] ?? 0, members[m + 1] ?? 0);
    if (key === undefined) throw malformed(path);
    if (seen.has(key)) throw duplicate(key, path);
    seen.add(key);
    const name = fields.names.find((field) => field === key);
    if (name !== undefined) {
      spans.set(name, { start: members[m + 2] ?? 0, end: members[m + 3] ?? 0 });
    } else if (fields.folded.has(fold(key))) {
      throw invalid(fieldPath(path, fold(key)), 'is written in another letter case; field names are case-sensitive');
    }
  }
  return spans;
}

function sameBytes(bytes: Uint8Array, a: number, b: number, length: number): boolean {
  for (let i = 0; i < length; i++) if (bytes[a + i] !== bytes[b + i]) return false;
  return true;
}

/** The text of a JSON string's content; undefined if its escapes or control characters are not JSON. */
export function decode(bytes: Uint8Array, start: number, end: number): string | undefined {
  const text = textBetween(bytes, start, end);
  if (!needsParsing(text)) return text;
  try {
    const parsed: unknown = JSON.parse(`"${text}"`);
    return typeof parsed === 'string' ? parsed : undefined;
  } catch {
    return undefined;
  }
}

function needsParsing(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit === 0x5c || unit < 0x20) return true;
  }
  return false;
}

export const isNull = (body: Uint8Array, span: ByteSpan): boolean => body[span.start] === 0x6e;

/**
 * A string value. Throws if it is another kind, or longer than `lengthMax` UTF-16 units. `null` is not a
 * string.
 */
export function readString(body: Uint8Array, span: ByteSpan, field: string, lengthMax: number): string {
  if (body[span.start] !== 0x22) throw invalid(field, 'must be a string');
  // A unit takes at most six bytes, so that what is decoded stays bounded, too.
  if (span.end - span.start - 2 > lengthMax * 6) throw invalid(field, `must have at most ${lengthMax} characters`);
  const text = decode(body, span.start + 1, span.end - 1);
  if (text === undefined) throw invalid(field, 'must be a valid JSON string');
  if (text.length > lengthMax) throw invalid(field, `must have at most ${lengthMax} characters`);
  return text;
}

/**
 * An integer from min to max, written in digits alone: `1.0` and `1e3` are refused, since not every parser
 * takes them for the same number. `null` and an absent field give undefined.
 */
export function readInteger(
  body: Uint8Array,
  span: ByteSpan | undefined,
  field: string,
  min: number,
  max: number,
): number | undefined {
  if (span === undefined || isNull(body, span)) return undefined;
  let value = 0;
  for (let i = span.start; i < span.end; i++) {
    const byte = body[i] ?? 0;
    if (byte < 0x30 || byte > 0x39 || value > max) throw invalid(field, `must be an integer from ${min} to ${max}`);
    value = value * 10 + (byte - 0x30);
  }
  if (value < min || value > max) throw invalid(field, `must be an integer from ${min} to ${max}`);
  return value;
}

/** `null` and an absent field give undefined. */
export function readBoolean(body: Uint8Array, span: ByteSpan | undefined, field: string): boolean | undefined {
  if (span === undefined || isNull(body, span)) return undefined;
  const byte = body[span.start];
  if (byte !== 0x74 && byte !== 0x66) throw invalid(field, 'must be true or false');
  return byte === 0x74;
}

/** The refusal of a field: `field: problem.` */
export function invalid(field: string, problem: string): TollgateError {
  return refusal(`${field}: ${problem}.`, field);
}

const refusal = (message: string, field?: string): TollgateError =>
  new TollgateError('invalid_request', field === undefined ? { message } : { message, field });

const fieldPath = (path: string | undefined, key: string): string => (path === undefined ? key : `${path}.${key}`);

/** Keys are the caller's own text: shown cut, so that an error stays short. */
function duplicate(key: string | undefined, path: string | undefined): TollgateError {
  const shown = fieldPath(path, (key ?? '').slice(0, 64));
  return refusal(`${shown}: this key stands twice; which of the two counts differs from parser to parser.`, shown);
}

const malformed = (path: string | undefined): TollgateError =>
  path === undefined
    ? refusal(`The request body is not valid JSON, near byte ${cursor.position}.`)
    : invalid(path, 'must be valid JSON');

function broken(path: string | undefined): TollgateError {
  switch (cursor.failure) {
    case 'malformed':
      return malformed(path);
    case 'too-deep':
      return refusal(`The request body is nested deeper than ${bounds.requestDepth} levels.`);
    case 'too-many-keys':
      return refusal(`The request body has more than ${bounds.requestKeys} keys.`);
  }
}
