// Reads members of JSON whose shape is not known. Whatever is of another type is as good as absent.

import type { JsonObject, JsonValue } from '../plugin/conversation.ts';

export const isObject = (value: JsonValue | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !isList(value);

export const isList = (value: JsonValue | undefined): value is readonly JsonValue[] => Array.isArray(value);

const noMembers: JsonObject = {};
const noItems: readonly JsonValue[] = [];

export const objectOf = (value: JsonValue | undefined): JsonObject => (isObject(value) ? value : noMembers);

export const listOf = (value: JsonValue | undefined): readonly JsonValue[] => (isList(value) ? value : noItems);

export const stringOf = (value: JsonValue | undefined): string | undefined =>
  typeof value === 'string' ? value : undefined;

/** Finite numbers only. */
export const numberOf = (value: JsonValue | undefined): number | undefined =>
  typeof value === 'number' && Number.isFinite(value) ? value : undefined;

export const booleanOf = (value: JsonValue | undefined): boolean | undefined =>
  typeof value === 'boolean' ? value : undefined;

/** `{}`, `[]`: what clients send for nothing at all. */
export const isEmpty = (value: JsonValue | undefined): boolean =>
  (isList(value) && value.length === 0) || (isObject(value) && Object.keys(value).length === 0);

/** The value of a JSON text; undefined for a text that is none. */
export function parsedJson(text: string): JsonValue | undefined {
  try {
    const value: JsonValue = JSON.parse(text);
    return value;
  } catch {
    return undefined;
  }
}
