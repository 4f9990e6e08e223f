// Makes the document that @elysiajs/swagger produces a valid OpenAPI 3.1 one. Each repair names the fault it
// answers; a repair whose fault is gone does nothing. What the routes declare is never changed in meaning.

import { isObject, mapMembers, objectOf, without } from './json.ts';
import type { Json, JsonObject } from './json.ts';

/**
 * TypeBox writes JSON Schema, which is what 3.1 takes; the plugin calls it 3.0.3, where `const` and `null`
 * are illegal.
 */
export const openApiVersion = '3.1.0';

const METHODS = new Set(['get', 'put', 'post', 'delete', 'options', 'head', 'patch', 'trace']);

export function normalise(document: JsonObject): JsonObject {
  const schemas = objectOf(objectOf(document['components'])['schemas']);
  const names = new Set(Object.keys(schemas));
  const paths = mapMembers(objectOf(document['paths']), (item, path) => normalisePath(objectOf(item), path, names));
  return shareTitledSchemas({
    ...document,
    openapi: openApiVersion,
    paths,
    components: {
      ...objectOf(document['components']),
      schemas: mapMembers(schemas, (schema) => repairSchema(schema, names)),
    },
  });
}

/** Wildcards are not OpenAPI paths, and `.ws()` and `.all()` leave methods that do not exist. */
function normalisePath(item: JsonObject, path: string, names: ReadonlySet<string>): JsonObject | undefined {
  if (path.includes('*')) return undefined;
  const operations = mapMembers(item, (operation, method) =>
    METHODS.has(method) ? normaliseOperation(objectOf(operation), path, names) : undefined,
  );
  return Object.keys(operations).length === 0 ? undefined : operations;
}

function normaliseOperation(operation: JsonObject, path: string, names: ReadonlySet<string>): JsonObject {
  const { parameters, requestBody, responses, ...rest } = operation;
  const listed = (Array.isArray(parameters) ? parameters.map((parameter: Json) => objectOf(parameter)) : [])
    // An optional part of a path is listed where it is not in the path too.
    .filter((parameter) => parameter['in'] !== 'path' || path.includes(`{${String(parameter['name'])}}`))
    .map((parameter) => normaliseParameter(parameter, names));
  const answered = mapMembers(objectOf(responses), (response, status) =>
    normaliseResponse(objectOf(response), status, names),
  );
  return {
    ...without(rest, 'hide'),
    ...(listed.length === 0 ? {} : { parameters: listed }),
    ...(isObject(requestBody)
      ? { requestBody: normaliseBody(requestBody, names) }
      : {}),
    responses: Object.keys(answered).length === 0 ? { 200: { description: 'Done.' } } : answered,
  };
}

/** Parameters get the schema's `examples`, a list, where OpenAPI has a map of another form. */
function normaliseParameter(parameter: JsonObject, names: ReadonlySet<string>): JsonObject {
  const schema = objectOf(repairSchema(objectOf(parameter['schema']), names));
  const { examples, ...rest } = parameter;
  return { ...rest, schema: Array.isArray(examples) ? { ...schema, examples } : schema };
}

/** Words of the schema are spread over the response, and an empty reply gets a `content` that is a schema. */
function normaliseResponse(response: JsonObject, status: string, names: ReadonlySet<string>): JsonObject {
  const { description, content, headers, links, title } = response;
  const described = typeof description === 'string' ? description : `${status.startsWith('2') ? 'Done' : 'Refused'}.`;
  const words = {
    ...(typeof title === 'string' ? { title } : {}),
    ...(typeof description === 'string' ? { description } : {}),
  };
  const bodiless = !isObject(content) || Object.values(content).some((media) => !isObject(media));
  return {
    description: described,
    ...(isObject(headers) ? { headers } : {}),
    ...(isObject(links) ? { links } : {}),
    ...(bodiless || status === '204'
      ? {}
      : { content: jsonOnly(content, names, (schema, known) => responseSchema(schema, known, words)) }),
  };
}

/** Replies may gain fields: only what we take is closed. */
function responseSchema(schema: Json, names: ReadonlySet<string>, words: JsonObject): Json {
  const open = (value: Json): Json => {
    if (Array.isArray(value)) return value.map(open);
    if (!isObject(value)) return value;
    return mapMembers(value, (member, name) =>
      name === 'additionalProperties' && member === false ? undefined : open(member),
    );
  };
  const repaired = open(repairSchema(schema, names));
  return isObject(repaired) && !('$ref' in repaired) ? { ...words, ...repaired } : repaired;
}

/** Every body is said to be required; none is where `null`, which is what an empty one is read as, will do. */
function normaliseBody(body: JsonObject, names: ReadonlySet<string>): JsonObject {
  const content = jsonOnly(body['content'], names, repairSchema);
  const schemas = Object.values(content).map((media) => objectOf(objectOf(media)['schema'])['anyOf'] ?? []);
  const mayBeEmpty = schemas.flat().some((schema) => objectOf(schema)['type'] === 'null');
  return { ...body, ...(mayBeEmpty ? { required: false } : {}), content };
}

/** Every JSON body is listed as a form and as plain text too, which the shell refuses. */
function jsonOnly(
  content: Json | undefined,
  names: ReadonlySet<string>,
  repair: (schema: Json, names: ReadonlySet<string>) => Json,
): JsonObject {
  const all = objectOf(content);
  const kept = 'application/json' in all ? { 'application/json': all['application/json'] ?? {} } : all;
  return mapMembers(kept, (media) =>
    mapMembers(objectOf(media), (value, name) => (name === 'schema' ? repair(value, names) : value)),
  );
}

function repairSchema(schema: Json, names: ReadonlySet<string>): Json {
  if (Array.isArray(schema)) return schema.map((item: Json) => repairSchema(item, names));
  if (!isObject(schema)) return schema;
  const integer = schema['x-integer'];
  // Query values are text on the wire; the document says what the text has to be.
  if (isObject(integer)) return { type: 'integer', ...integer };
  const repaired: Record<string, Json> = {};
  for (const [name, value] of Object.entries(schema)) {
    if (name === '$id' && typeof value === 'string') continue;
    // References keep the bare name of the model.
    if (name === '$ref' && typeof value === 'string' && names.has(value))
      repaired[name] = `#/components/schemas/${value}`;
    else if (name === 'const' || name === 'enum' || name === 'default' || name === 'examples') repaired[name] = value;
    else repaired[name] = repairSchema(value, names);
  }
  return nullableAsType(recordAsMap(dateAsText(repaired)));
}

const dateAsText = (schema: JsonObject): JsonObject =>
  schema['type'] === 'Date' ? { ...schema, type: 'string', format: 'date-time' } : schema;

/** A map of any names: said in the form that readers of OpenAPI know. */
function recordAsMap(schema: JsonObject): JsonObject {
  const patterns = schema['patternProperties'];
  const whatever = isObject(patterns) ? patterns['^(.*)$'] : undefined;
  return whatever === undefined ? schema : { ...without(schema, 'patternProperties'), additionalProperties: whatever };
}

function nullableAsType(schema: JsonObject): JsonObject {
  if (schema['nullable'] !== true) return schema;
  const rest = without(schema, 'nullable');
  return typeof rest['type'] === 'string'
    ? { ...rest, type: [rest['type'], 'null'] }
    : { anyOf: [rest, { type: 'null' }] };
}

/**
 * Schemas with a one-word title become components; one title for two different schemas leaves both where they
 * are.
 */
function shareTitledSchemas(document: JsonObject): JsonObject {
  const found = new Map<string, string | undefined>();
  const collect = (value: Json): void => {
    if (Array.isArray(value)) for (const item of value) collect(item);
    if (!isObject(value)) return;
    const title = titleOf(value);
    if (title !== undefined) {
      const text = canonical(value);
      found.set(title, !found.has(title) || found.get(title) === text ? text : undefined);
    }
    for (const member of Object.values(value)) collect(member);
  };
  collect(document['paths'] ?? {});
  const shared: Record<string, Json> = {};
  const replace = (value: Json, top: boolean): Json => {
    if (Array.isArray(value)) return value.map((item: Json) => replace(item, false));
    if (!isObject(value)) return value;
    const title = top ? undefined : titleOf(value);
    if (title === undefined || found.get(title) === undefined)
      return mapMembers(value, (member) => replace(member, false));
    shared[title] ??= replace(value, true);
    return { $ref: `#/components/schemas/${title}` };
  };
  const paths = replace(document['paths'] ?? {}, false);
  const components = objectOf(document['components']);
  return {
    ...document,
    paths,
    components: { ...components, schemas: { ...objectOf(components['schemas']), ...shared } },
  };
}

/** As text in which the order of members says nothing. */
const canonical = (value: Json): string =>
  JSON.stringify(value, (_, member: unknown) =>
    typeof member === 'object' && member !== null && !Array.isArray(member)
      ? Object.fromEntries(Object.entries(member).toSorted(([left], [right]) => (left < right ? -1 : 1)))
      : member,
  );

function titleOf(schema: JsonObject): string | undefined {
  const title = schema['title'];
  const isSchema = 'type' in schema || 'anyOf' in schema || 'allOf' in schema;
  return isSchema && typeof title === 'string' && /^[A-Z][A-Za-z]+$/.test(title) ? title : undefined;
}
