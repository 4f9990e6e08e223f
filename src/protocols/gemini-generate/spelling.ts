// Gemini's fields have two spellings, `systemInstruction` and `system_instruction`, and clients send either. Both at
// once would mean one thing to us and perhaps another to the upstream: they are refused.

import { invalid } from '../../core/json-scan.ts';
import type { JsonObject, JsonValue } from '../../plugin/conversation.ts';
import { isList, isObject } from '../json-fields.ts';

const snakes = new Map<string, string>();

export function snakeOf(name: string): string {
  let snake = snakes.get(name);
  if (snake === undefined) {
    snake = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    snakes.set(name, snake);
  }
  return snake;
}

/** No field's name is longer. */
const nameLength = 64;

export const camelOf = (name: string): string =>
  name.length <= nameLength && name.includes('_')
    ? name.replace(/(?<=.)_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())
    : name;

/** The member in either spelling; `null` is as good as absent. `path` is the object's own, empty for the body. */
export function memberOf(object: JsonObject, name: string, path: string): JsonValue | undefined {
  const camel = object[name] ?? undefined;
  const other = snakeOf(name);
  if (other === name) return camel;
  const snake = object[other] ?? undefined;
  if (camel !== undefined && snake !== undefined)
    throw invalid(joined(path, name), `is also sent as ${other}; send one of the two`);
  return camel ?? snake;
}

export const joined = (path: string, name: string): string => (path === '' ? name : `${path}.${name}`);

/** Google reads one object where it expects a list, and its own examples send it so. */
export function manyOf(value: JsonValue | undefined): readonly JsonValue[] {
  if (isList(value)) return value;
  return isObject(value) ? [value] : [];
}

/** `{}`, `[]`, `null`: what clients send for nothing at all. */
export const isNothing = (value: JsonValue | undefined): boolean =>
  value === undefined ||
  value === null ||
  (isList(value) && value.length === 0) ||
  (isObject(value) && Object.keys(value).length === 0);
