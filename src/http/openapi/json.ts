// JSON as a type, for documents that are taken apart and put together again.

export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [name: string]: Json;
}

export const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export const objectOf = (value: Json | undefined): JsonObject => (isObject(value) ? value : {});

/** The same object without these members. */
export function without(object: JsonObject, ...names: readonly string[]): JsonObject {
  return Object.fromEntries(Object.entries(object).filter(([name]) => !names.includes(name)));
}

/** The same object with each member changed, or, where `change` gives undefined, left out. */
export function mapMembers(object: JsonObject, change: (value: Json, name: string) => Json | undefined): JsonObject {
  const changed: Record<string, Json> = {};
  for (const [name, value] of Object.entries(object)) {
    const next = change(value, name);
    if (next !== undefined) changed[name] = next;
  }
  return changed;
}

/** Parses text that is JSON. Not for text from outside: it has no bounds. */
export function parseOwnJson(text: string): Json {
  const value: unknown = JSON.parse(text);
  return toJson(value);
}

function toJson(value: unknown): Json {
  if (value === null || typeof value === 'boolean' || typeof value === 'number' || typeof value === 'string')
    return value;
  if (Array.isArray(value)) return value.map(toJson);
  if (typeof value === 'object')
    return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, toJson(member)]));
  throw new TypeError(`a ${typeof value} is not JSON`);
}
