// Whole numbers that are too long for ours, such as ids in the arguments of a call: from one protocol's JSON into
// another's with every digit. The engine keeps such a number as its text, and writes that; to `isObject`, `stringOf`
// and the like it is none of theirs, to `numberOf` the nearest number.

import { bounds } from '../../core/bounds.ts';
import type { JsonValue } from '../../plugin/conversation.ts';
import { parsedJson } from '../json-fields.ts';

/** Most texts have no such number outside of their strings, nor inside. */
const mayBeLong = /\d{16}/;
const whole = /^-?\d{16,}$/;

/** As `parsedJson`, but for such numbers. */
export function exactJson(text: string, depthMax: number = bounds.parsedDepth): JsonValue | undefined {
  const exact = mayBeLong.test(text) ? parsedJson(text, depthMax, longNumbersJson) : undefined;
  // With them the engine goes some thousands of levels deep, without them further.
  return exact ?? parsedJson(text, depthMax);
}

const longNumbersJson = (text: string): JsonValue => JSON.parse(text, withLongNumber);

function withLongNumber(_key: string, value: JsonValue, { source }: { readonly source?: string }): JsonValue {
  if (typeof value !== 'number' || Number.isSafeInteger(value) || source === undefined) return value;
  return whole.test(source) ? JSON.rawJSON(source) : value;
}
