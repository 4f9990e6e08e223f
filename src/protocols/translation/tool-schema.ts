// The root of what a function takes. OpenAI and Anthropic take one plain object there, and refuse a choice between
// several, which servers of MCP do write. Sources: both vendors' refusals ("schema must have type 'object' and not have
// 'oneOf'/'anyOf'/'allOf'/'enum'/'not' at the top level"; "input_schema does not support oneOf, allOf, or anyOf at the
// top level").

import type { Carriage } from '../../plugin/codec.ts';
import type { JsonObject } from '../../plugin/conversation.ts';

const choices: ReadonlySet<string> = new Set(['oneOf', 'anyOf', 'allOf', 'enum', 'not']);

/** The schema with an object at its root, all else as it was. */
export function objectRoot(parameters: JsonObject | undefined): JsonObject {
  if (parameters === undefined) return { type: 'object', properties: {} };
  return parameters['type'] === 'object' ? parameters : { ...parameters, type: 'object' };
}

/** The same without a choice at the root; that it is left out is listed. */
export function plainRoot(parameters: JsonObject | undefined, carriage: Carriage): JsonObject {
  const schema = objectRoot(parameters);
  if (!Object.keys(schema).some((name) => choices.has(name))) return schema;
  carriage.lost('schema-strictness');
  return Object.fromEntries(Object.entries(schema).filter(([name]) => !choices.has(name)));
}
