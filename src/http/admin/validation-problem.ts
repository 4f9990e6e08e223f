// Turns a schema's complaint into a sentence: the field's path and the rule it breaks, never the value that was
// sent. Names of unknown fields come from the caller too, so only short plain ones are repeated.

import type { ErrorDetails } from '../../core/errors.ts';

/** The part of a schema error that is read here. */
export interface SchemaComplaint {
  /** JSON pointer: `/limits/requestsPerMinute`. */
  readonly path: string;
  /** Made from the schema alone: `Expected integer`. */
  readonly message: string;
  readonly schema?: unknown;
}

const PLACES: Readonly<Record<string, string>> = {
  body: 'The body',
  query: 'The query',
  params: 'The path',
  headers: 'The headers',
  cookie: 'The cookies',
};

export function validationDetails(on: string, complaint: SchemaComplaint | undefined): ErrorDetails {
  const place = PLACES[on] ?? 'The request';
  const field = complaint === undefined ? undefined : fieldOf(complaint.path);
  const rule = complaint === undefined ? 'does not fit its schema' : ruleOf(complaint);
  if (field === undefined) return { message: `${place}: ${rule}.` };
  return { message: `${field}: ${rule}.`, field };
}

/** `/models/0/name` becomes `models[0].name`; undefined for the root and for names that are not repeated. */
function fieldOf(pointer: string): string | undefined {
  if (pointer === '' || pointer === '/') return undefined;
  let path = '';
  for (const segment of pointer.slice(1).split('/')) {
    if (/^\d{1,6}$/.test(segment)) path += `[${segment}]`;
    else if (/^[A-Za-z][A-Za-z0-9_-]{0,39}$/.test(segment) && !/^tgo?_/.test(segment))
      path += path === '' ? segment : `.${segment}`;
    else return path === '' ? undefined : path;
  }
  return path;
}

/** The library's words for a broken rule, made from the schema alone, and ours. */
const RULES: readonly (readonly [theirs: RegExp, ours: string])[] = [
  [/^Unexpected property$/, 'is not a field of this request; leave it out'],
  [/^Expected required property$/, 'is required'],
  [/^Expected string to match '(.*)'$/, 'must match $1'],
  [
    /^Expected (?:string|array) length(?: to be)? (less|greater) or equal to (\d+)$/,
    'must have a length $1 than or equal to $2',
  ],
  [/^Expected (?:integer|number) to be (less|greater) or equal to (\S+)$/, 'must be $1 than or equal to $2'],
  [/^Expected (?:integer|number) to (be .*)$/, 'must $1'],
  [/^Expected (array|integer|object)$/, 'must be an $1'],
  [/^Expected null$/, 'must be null'],
  [/^Expected (boolean|number|string)$/, 'must be a $1'],
  [/^Expected array elements to be unique$/, 'must not hold the same element twice'],
  [/^Expected union value$/, 'is not a value that this field takes'],
  [/^Expected (.*)$/, 'must be $1'],
];

function ruleOf({ message, schema }: SchemaComplaint): string {
  const options = optionsOf(schema);
  if (options !== undefined) return `must be one of ${options.join(', ')}`;
  const description = memberOf(schema, 'description');
  const rule = RULES.find(([theirs]) => theirs.test(message));
  const words = rule === undefined ? 'does not fit its schema' : message.replace(rule[0], rule[1]);
  // A pattern or a union says little to people; the field's own description says what it takes.
  const unclear = /^Expected (?:string to match|union value)/.test(message);
  return unclear && typeof description === 'string' ? `${words} (${description.replace(/\.$/, '')})` : words;
}

function memberOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
}

/** The constants of a union of literals. */
function optionsOf(schema: unknown): readonly string[] | undefined {
  const members = memberOf(schema, 'anyOf');
  if (!Array.isArray(members)) return undefined;
  const constants = members.map((member) => memberOf(member, 'const'));
  return constants.every((constant) => constant !== undefined)
    ? constants.map((constant) => JSON.stringify(constant))
    : undefined;
}
