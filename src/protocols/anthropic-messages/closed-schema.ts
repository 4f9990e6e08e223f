// A JSON Schema as Anthropic takes it for structured output: every object closed, and no bounds on numbers, lengths or
// counts. Without this, schemas that any other vendor takes would be refused.

import type { JsonObject, JsonValue } from '../../plugin/conversation.ts';
import { isList, isObject, objectOf } from '../json-fields.ts';

export interface ClosedSchema {
  readonly schema: JsonObject;
  /** Something that the client's schema demands, or allows, is not in it. */
  readonly loosened: boolean;
}

/** Demands that are refused; a reply that breaks them is still of the schema's form. */
const refused: ReadonlySet<string> = new Set([
  'minimum',
  'maximum',
  'exclusiveMinimum',
  'exclusiveMaximum',
  'multipleOf',
  'minLength',
  'maxLength',
  'maxItems',
  'uniqueItems',
  'minProperties',
  'maxProperties',
  'propertyNames',
  'patternProperties',
  'prefixItems',
  'not',
]);
/** The forms of text that are known there. */
const formats: ReadonlySet<string> = new Set([
  'date-time',
  'time',
  'date',
  'duration',
  'email',
  'hostname',
  'uri',
  'ipv4',
  'ipv6',
  'uuid',
]);
/** They hold a schema, or several. */
const inner: ReadonlySet<string> = new Set(['items', 'anyOf', 'allOf']);
/** They hold schemas by name. */
const named: ReadonlySet<string> = new Set(['properties', '$defs', 'definitions']);

function isRefused(name: string, value: JsonValue | undefined): boolean {
  if (name === 'minItems') return value !== 0 && value !== 1;
  return name === 'format' ? typeof value === 'string' && !formats.has(value) : refused.has(name);
}

export function closedSchema(schema: JsonObject): ClosedSchema {
  let loosened = false;

  function closed(value: JsonValue | undefined): JsonValue | undefined {
    if (isList(value)) return value.map((each) => closed(each) ?? null);
    if (!isObject(value)) return value;
    const result: Record<string, JsonValue | undefined> = {};
    for (const [name, member] of Object.entries(value)) {
      // It names the dialect, and demands nothing.
      if (name === '$schema') continue;
      if (isRefused(name, member)) loosened = true;
      else if (name === 'oneOf') {
        result['anyOf'] = closed(member);
        loosened = true;
      } else if (inner.has(name)) result[name] = closed(member);
      else if (named.has(name)) result[name] = eachClosed(objectOf(member));
      else result[name] = member;
    }
    const { type, properties, additionalProperties } = value;
    const holdsObject = type === 'object' || (isList(type) && type.includes('object')) || properties !== undefined;
    if (holdsObject && additionalProperties !== false) {
      // Unsaid, most clients mean no more than they name; said, more was wanted.
      if (additionalProperties !== undefined) loosened = true;
      result['additionalProperties'] = false;
    }
    return result;
  }

  const eachClosed = (schemas: JsonObject): JsonObject =>
    Object.fromEntries(Object.entries(schemas).map(([name, member]) => [name, closed(member)]));

  return { schema: objectOf(closed(schema)), loosened };
}
