// Schemas by OpenAI's rules. What is `strict` there keeps to a part of JSON Schema, and the form of an answer is an
// object, strict or not: asked otherwise, OpenAI refuses the request. Where a rule is not written down, the schema
// counts as outside: strictness can be left out and listed, and a refused request cannot be mended.
// Source: OpenAI, Structured Outputs, "Supported schemas".

import type { Carriage, Dialect } from '../../plugin/codec.ts';
import type { JsonObject, JsonValue, OutputForm, Tool } from '../../plugin/conversation.ts';
import { isList, isObject, listOf, objectOf } from '../json-fields.ts';
import { objectRoot, plainRoot } from './tool-schema.ts';

const keywords: ReadonlySet<string> = new Set([
  'type',
  'title',
  'description',
  'enum',
  'const',
  'anyOf',
  'properties',
  'required',
  'additionalProperties',
  'items',
  'minItems',
  'maxItems',
  'pattern',
  'format',
  'multipleOf',
  'minimum',
  'maximum',
  'exclusiveMinimum',
  'exclusiveMaximum',
]);
const holders = ['$defs', 'definitions'] as const;
const rootKeywords: ReadonlySet<string> = new Set([...keywords, ...holders, '$schema']);
const types: ReadonlySet<JsonValue> = new Set(['string', 'number', 'boolean', 'integer', 'object', 'array', 'null']);
const formats: ReadonlySet<JsonValue> = new Set([
  'date-time',
  'time',
  'date',
  'duration',
  'email',
  'hostname',
  'ipv4',
  'ipv6',
  'uuid',
]);

const levelsMax = 10;
const propertiesMax = 5_000;
const enumValuesMax = 1_000;
/** Of the names of properties and definitions, and of the values of `enum` and `const`. */
const charactersMax = 120_000;
/** One `enum` of more values than the first is not longer than the second. */
const longEnumValues = 250;
const longEnumCharacters = 15_000;

/** What a function without parameters takes, said in full. */
const noParameters: JsonObject = { type: 'object', properties: {}, required: [], additionalProperties: false };

/** Whether OpenAI takes the schema as `strict`. */
export function keepsToStrict(root: JsonObject): boolean {
  const definitions = new Map<string, JsonValue | undefined>();
  let properties = 0;
  let enumValues = 0;
  let characters = 0;
  for (const holder of holders)
    for (const [name, definition] of Object.entries(objectOf(root[holder]))) {
      definitions.set(`#/${holder}/${name}`, definition);
      characters += name.length;
    }

  function keeps(value: JsonValue | undefined, level: number): boolean {
    if (!isObject(value) || level > levelsMax) return false;
    const { $ref } = value;
    // Nothing may stand beside it. What it refers to is judged where it stands: it may hold itself.
    if (typeof $ref === 'string') return Object.keys(value).length === 1 && ($ref === '#' || definitions.has($ref));
    const known = value === root ? rootKeywords : keywords;
    if (Object.keys(value).some((name) => !known.has(name))) return false;
    const { type, anyOf, format } = value;
    const named = isList(type) ? type : type === undefined ? [] : [type];
    if (named.some((name) => !types.has(name)) || (named.length === 0 && anyOf === undefined)) return false;
    if (anyOf !== undefined && !(isList(anyOf) && anyOf.length > 0 && anyOf.every((each) => keeps(each, level))))
      return false;
    if (format !== undefined && !formats.has(format)) return false;
    const holdsObject = named.includes('object') || value['properties'] !== undefined;
    const holdsList = named.includes('array') || value['items'] !== undefined;
    return (
      keepsValues(value) &&
      (!holdsObject || keepsObject(value, level)) &&
      (!holdsList || keeps(value['items'], level + 1))
    );
  }

  /** Every property is required, and no other is allowed. */
  function keepsObject({ properties: named, required, additionalProperties }: JsonObject, level: number): boolean {
    if (!isObject(named) || additionalProperties !== false) return false;
    const names = new Set(Object.keys(named));
    const demanded = new Set(listOf(required));
    properties += names.size;
    for (const name of names) characters += name.length;
    if (names.size !== demanded.size || [...names].some((name) => !demanded.has(name))) return false;
    return Object.values(named).every((each) => keeps(each, level + 1));
  }

  function keepsValues({ enum: values, const: only }: JsonObject): boolean {
    if (values !== undefined && !(isList(values) && values.length > 0)) return false;
    const listed = listOf(values);
    const lengths = listed.map(lengthOf);
    const length = lengths.reduce((sum, each) => sum + each, 0);
    enumValues += listed.length;
    characters += length + (only === undefined ? 0 : lengthOf(only));
    if ([...listed, only].some((each) => isObject(each) || isList(each))) return false;
    return listed.length <= longEnumValues || length <= longEnumCharacters;
  }

  return (
    root['type'] === 'object' &&
    root['anyOf'] === undefined &&
    keeps(root, 0) &&
    [...definitions.values()].every((definition) => keeps(definition, 0)) &&
    properties <= propertiesMax &&
    enumValues <= enumValuesMax &&
    characters <= charactersMax
  );
}

const lengthOf = (value: JsonValue): number => (typeof value === 'string' ? value : JSON.stringify(value)).length;

type Named<Kind, Of> = Extract<Of, { readonly kind: Kind }>;

/** A function as it can be offered to OpenAI; strictness that cannot be asked for is listed, and not said. */
export function takenFunction(
  tool: Named<'function', Tool>,
  dialect: Dialect,
  carriage: Carriage,
): Named<'function', Tool> {
  if (!dialect.strictSchemas) {
    // Vendors that know nothing of `strict` have rules of their own.
    if (tool.strict === true) carriage.lost('strict');
    return { ...tool, strict: undefined };
  }
  const { parameters = noParameters, strict } = tool;
  if (strict === true && keepsToStrict(parameters)) return { ...tool, parameters };
  if (strict === true) carriage.lost('strict');
  // An object without properties says so here.
  const root = dialect.objectRoots ? plainRoot : objectRoot;
  const plain = tool.parameters && { properties: {}, ...root(tool.parameters, carriage) };
  return { ...tool, parameters: plain, strict: strict === true ? undefined : strict };
}

/** The same for the form of an answer. It is refused where OpenAI takes no such form at all. */
export function takenForm(
  form: Named<'schema', OutputForm>,
  dialect: Dialect,
  carriage: Carriage,
): Named<'schema', OutputForm> {
  // Vendors that know nothing of `strict` have rules of their own.
  if (!dialect.strictSchemas) {
    if (form.strict === true) carriage.lost('schema-strictness');
    return { ...form, strict: undefined };
  }
  if (dialect.objectRoots && form.schema['type'] !== 'object')
    carriage.refuse(
      'response_format',
      'has a schema that is not of "type": "object" at its root; wrap it in an object.',
    );
  if (form.strict !== true || keepsToStrict(form.schema)) return form;
  carriage.lost('schema-strictness');
  return { ...form, strict: undefined };
}
