// Whether a value has the form that a schema describes, asked before TypeBox is loaded to say what is wrong. `true` is
// never said where TypeBox would not; where a schema holds anything that is not known here, the answer is `false`.

import { Kind } from '@sinclair/typebox';

type Schema = Readonly<Record<PropertyKey, unknown>>;
type Asked = (schema: Schema, value: unknown) => boolean;

interface KnownKind {
  /** Keywords that its question looks at. With another one the schema may mean more. */
  readonly keywords: ReadonlySet<string>;
  readonly fits: Asked;
}

/** Say nothing about values. */
const remarks = ['type', 'title', 'description', 'default', 'examples'];
const kind = (keywords: readonly string[], fits: Asked): KnownKind => ({
  keywords: new Set([...remarks, ...keywords]),
  fits,
});

const kinds: ReadonlyMap<unknown, KnownKind> = new Map([
  ['Unknown', kind([], () => true)],
  ['Boolean', kind([], (_, value) => typeof value === 'boolean')],
  ['Literal', kind(['const'], (schema, value) => value === schema.const)],
  ['Union', kind(['anyOf'], ({ anyOf }, value) => Array.isArray(anyOf) && anyOf.some((one) => fits(one, value)))],
  ['String', kind(['pattern', 'minLength', 'maxLength'], textFits)],
  [
    'Integer',
    kind(
      ['minimum', 'maximum'],
      ({ minimum, maximum }, value) =>
        typeof value === 'number' && Number.isInteger(value) && between(minimum, value, maximum),
    ),
  ],
  [
    'BigInt',
    kind(
      ['minimum', 'maximum'],
      ({ minimum, maximum }, value) => typeof value === 'bigint' && between(minimum, value, maximum),
    ),
  ],
  ['Array', kind(['items', 'minItems', 'maxItems', 'uniqueItems'], listFits)],
  ['Object', kind(['properties', 'required', 'additionalProperties'], objectFits)],
  ['Record', kind(['patternProperties', 'additionalProperties'], recordFits)],
]);

export function fits(schema: unknown, value: unknown): boolean {
  if (!isRecord(schema)) return false;
  const known = kinds.get(schema[Kind]);
  if (known === undefined) return false;
  for (const keyword in schema) if (!known.keywords.has(keyword)) return false;
  return known.fits(schema, value);
}

const isRecord = (value: unknown): value is Schema => typeof value === 'object' && value !== null;

/** What is of a class is left to TypeBox, which has policies for some. */
function isPlain(value: unknown): value is Schema {
  if (!isRecord(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

const isBound = (bound: unknown): bound is number | bigint => typeof bound === 'number' || typeof bound === 'bigint';

function between(least: unknown, value: number | bigint, most: unknown): boolean {
  if (least !== undefined && !(isBound(least) && value >= least)) return false;
  return most === undefined || (isBound(most) && value <= most);
}

function textFits({ pattern, minLength, maxLength }: Schema, value: unknown): boolean {
  if (typeof value !== 'string' || !between(minLength, value.length, maxLength)) return false;
  return pattern === undefined || (typeof pattern === 'string' && new RegExp(pattern).test(value));
}

function listFits({ items, minItems, maxItems, uniqueItems }: Schema, value: unknown): boolean {
  if (!Array.isArray(value) || !between(minItems, value.length, maxItems)) return false;
  if (uniqueItems === true && !areDifferentTexts(value)) return false;
  for (const item of value) if (!fits(items, item)) return false;
  return true;
}

/** Whether other values are the same is not known here. */
const areDifferentTexts = (items: readonly unknown[]): boolean =>
  items.every((item) => typeof item === 'string') && new Set(items).size === items.length;

function objectFits({ properties, required = [], additionalProperties }: Schema, value: unknown): boolean {
  if (!isPlain(value) || !isRecord(properties) || !Array.isArray(required)) return false;
  if (additionalProperties !== undefined && typeof additionalProperties !== 'boolean') return false;
  const names = Object.getOwnPropertyNames(properties);
  for (const name of names) {
    // An optional field that is there and undefined: TypeBox has a policy for it.
    if (name in value ? !fits(properties[name], value[name]) : required.includes(name)) return false;
  }
  return additionalProperties !== false || Object.getOwnPropertyNames(value).every((name) => names.includes(name));
}

function recordFits({ patternProperties, additionalProperties }: Schema, value: unknown): boolean {
  if (!isPlain(value) || !isRecord(patternProperties)) return false;
  if (additionalProperties !== undefined && typeof additionalProperties !== 'boolean') return false;
  const [pattern, ...others] = Object.entries(patternProperties);
  if (pattern === undefined || others.length > 0) return false;
  const names = new RegExp(pattern[0]);
  return Object.entries(value).every(([name, member]) => names.test(name) && fits(pattern[1], member));
}
