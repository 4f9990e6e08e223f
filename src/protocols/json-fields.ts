// Reads members of JSON whose shape is not known. Whatever is of another type is as good as absent.

import { bounds } from '../core/bounds.ts';
import type { JsonObject, JsonValue } from '../plugin/conversation.ts';

export const isObject = (value: JsonValue | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !isList(value) && !JSON.isRawJSON(value);

export const isList = (value: JsonValue | undefined): value is readonly JsonValue[] => Array.isArray(value);

const noMembers: JsonObject = {};
const noItems: readonly JsonValue[] = [];

export const objectOf = (value: JsonValue | undefined): JsonObject => (isObject(value) ? value : noMembers);

export const listOf = (value: JsonValue | undefined): readonly JsonValue[] => (isList(value) ? value : noItems);

export const stringOf = (value: JsonValue | undefined): string | undefined =>
  typeof value === 'string' ? value : undefined;

/** Finite numbers only; of one that is kept as its text (`translation/exact-numbers.ts`), the nearest. */
export function numberOf(value: JsonValue | undefined): number | undefined {
  if (typeof value === 'number') return Number.isFinite(value) ? value : undefined;
  return JSON.isRawJSON(value) ? Number(value.rawJSON) : undefined;
}

export const booleanOf = (value: JsonValue | undefined): boolean | undefined =>
  typeof value === 'boolean' ? value : undefined;

/** `{}`, `[]`: what clients send for nothing at all. */
export const isEmpty = (value: JsonValue | undefined): boolean =>
  (isList(value) && value.length === 0) || (isObject(value) && Object.keys(value).length === 0);

const plainJson = (text: string): JsonValue => JSON.parse(text);

/** The value of a JSON text; undefined for a text that is none, and for one that nests deeper than may be written. */
export function parsedJson(
  text: string,
  depthMax: number = bounds.parsedDepth,
  parse: (json: string) => JsonValue = plainJson,
): JsonValue | undefined {
  // Nearly always it ends with the brackets, which are searched natively and seldom many.
  if (text.length > depthMax && hasMore(text, depthMax / 2) && isDeeper(text, depthMax)) return undefined;
  try {
    return parse(text);
  } catch {
    return undefined;
  }
}

/** Whether one of the opening brackets stands there more often. */
function hasMore(text: string, most: number): boolean {
  return ['{', '['].some((bracket) => {
    let found = 0;
    for (let at = text.indexOf(bracket); at >= 0 && found <= most; at = text.indexOf(bracket, at + 1)) found++;
    return found > most;
  });
}

/** Whether more brackets are open at once; of a text that is no JSON it says nothing. */
function isDeeper(text: string, depthMax: number): boolean {
  let depth = 0;
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (inString) {
      if (code === 0x5c) i++;
      else if (code === 0x22) inString = false;
    } else if (code === 0x22) inString = true;
    else if (code === 0x7b || code === 0x5b) {
      if (++depth > depthMax) return true;
    } else if (code === 0x7d || code === 0x5d) depth--;
  }
  return false;
}
