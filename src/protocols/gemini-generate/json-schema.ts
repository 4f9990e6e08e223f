// Google's `Schema` as JSON Schema, which all others take: its types are in capitals, its numbers may be strings, and
// `null` is allowed by a member of its own.

import type { JsonObject, JsonValue } from '../../plugin/conversation.ts';
import { isList, isObject, stringOf } from '../json-fields.ts';
import { camelOf } from './spelling.ts';

const types: ReadonlySet<string> = new Set(['STRING', 'NUMBER', 'INTEGER', 'BOOLEAN', 'ARRAY', 'OBJECT', 'NULL']);

/** Members whose values are schemas, by how they hold them. */
const named: ReadonlySet<string> = new Set(['properties', 'patternProperties', '$defs', 'definitions']);
const nested: ReadonlySet<string> = new Set([
  'items',
  'prefixItems',
  'additionalProperties',
  'anyOf',
  'oneOf',
  'allOf',
  'not',
  'if',
  'then',
  'else',
]);
const counts: ReadonlySet<string> = new Set([
  'minItems',
  'maxItems',
  'minLength',
  'maxLength',
  'minProperties',
  'maxProperties',
]);

/** `google`: in Google's form; otherwise JSON Schema, whose types may be in capitals, as some clients send it. */
export function jsonSchemaOf(schema: JsonObject, google: boolean): JsonObject {
  const result: Record<string, JsonValue | undefined> = {};
  let nullable = false;
  for (const [key, value] of Object.entries(schema)) {
    const name = google ? camelOf(key) : key;
    if (google && name === 'nullable') nullable = value === true;
    else if (google && name === 'example') result['examples'] = [value ?? null];
    else if (google && name === 'format' && value === 'enum') continue;
    else result[name] = memberSchema(name, value, google);
  }
  if (google && result['type'] === 'integer' && isList(result['enum'])) result['enum'] = result['enum'].map(numeric);
  return nullable ? withNull(result) : result;
}

function memberSchema(name: string, value: JsonValue | undefined, google: boolean): JsonValue | undefined {
  if (name === 'type') return isList(value) ? value.map(typeName) : typeName(value ?? null);
  if (named.has(name) && isObject(value))
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, schemaIn(each ?? null, google)]));
  if (nested.has(name))
    return isList(value) ? value.map((each) => schemaIn(each, google)) : schemaIn(value ?? null, google);
  return google && counts.has(name) ? numeric(value ?? null) : value;
}

const schemaIn = (value: JsonValue, google: boolean): JsonValue =>
  isObject(value) ? jsonSchemaOf(value, google) : value;

const typeName = (value: JsonValue): JsonValue =>
  typeof value === 'string' && types.has(value) ? value.toLowerCase() : value;

const numeric = (value: JsonValue): JsonValue => {
  const text = stringOf(value);
  return text !== undefined && /^-?\d{1,15}$/.test(text) ? Number(text) : value;
};

function withNull(schema: JsonObject): JsonObject {
  const { type } = schema;
  if (typeof type === 'string') {
    const values = isList(schema['enum']) ? { enum: [...schema['enum'], null] } : {};
    return { ...schema, type: [type, 'null'], ...values };
  }
  return isList(schema['anyOf']) ? { ...schema, anyOf: [...schema['anyOf'], { type: 'null' }] } : schema;
}
