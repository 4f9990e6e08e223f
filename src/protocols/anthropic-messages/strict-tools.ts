// Which functions are offered as `strict`. Anthropic compiles their schemas and that of the answer to one grammar, and
// refuses a request that asks for too much of it: a tool that would go beyond is offered without.
// Source: Anthropic, Structured outputs, "Schema complexity limits".

import type { Dialect } from '../../plugin/codec.ts';
import type { Conversation, JsonObject, JsonValue, Tool } from '../../plugin/conversation.ts';
import { isList, isObject, listOf } from '../json-fields.ts';
import { objectRoot } from '../translation/tool-schema.ts';
import { closedSchema } from './closed-schema.ts';

const toolsMax = 20;
/** Not in `required`, at any depth. */
const optionalsMax = 24;
/** Of several types, by `anyOf` or a list. */
const unionsMax = 16;

/** The closed schemas of those that stay strict: in their order, each that still fits beside those before it. */
export function strictTools(
  tools: readonly Tool[],
  outputForm: Conversation['outputForm'],
  dialect: Dialect,
): ReadonlyMap<Tool, JsonObject> {
  const strict = new Map<Tool, JsonObject>();
  if (!dialect.strictSchemas) return strict;
  let used: Weight | undefined;
  for (const tool of tools) {
    if (tool.kind !== 'function' || tool.strict !== true) continue;
    // A strict tool must have a schema that is closed; where that would be another, the schema is kept.
    const { schema, loosened } = closedSchema(objectRoot(tool.parameters));
    if (loosened) continue;
    // The answer's schema has no form that is not strict: it takes its part first.
    used ??= outputForm?.kind === 'schema' ? weightOf(closedSchema(outputForm.schema).schema) : nothing;
    const sum = added(used, weightOf(schema));
    if (strict.size >= toolsMax || sum.optionals > optionalsMax || sum.unions > unionsMax) continue;
    used = sum;
    strict.set(tool, schema);
  }
  return strict;
}

interface Weight {
  readonly optionals: number;
  readonly unions: number;
}

const nothing: Weight = { optionals: 0, unions: 0 };

const added = (one: Weight, other: Weight): Weight => ({
  optionals: one.optionals + other.optionals,
  unions: one.unions + other.unions,
});

/** Of all schemas within it. What is referred to counts once, where it is defined. */
function weightOf(schema: JsonValue | undefined): Weight {
  if (isList(schema)) return schema.map(weightOf).reduce(added, nothing);
  if (!isObject(schema)) return nothing;
  const { properties, required, type, anyOf } = schema;
  const demanded = new Set(listOf(required));
  const named = isObject(properties) ? Object.keys(properties) : [];
  const own = {
    optionals: named.filter((name) => !demanded.has(name)).length,
    unions: isList(type) || anyOf !== undefined ? 1 : 0,
  };
  const inner = [schema['items'], anyOf, schema['allOf']].map(weightOf);
  const byName = [properties, schema['$defs'], schema['definitions']].flatMap((each) =>
    isObject(each) ? Object.values(each).map(weightOf) : [],
  );
  return [...inner, ...byName].reduce(added, own);
}
