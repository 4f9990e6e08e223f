// Validators out of the official SDKs' own types, made when they are asked for: nothing of a vendor's is kept here, and
// they are of the SDK that is installed. What a type does not name is wrong, unless it is allowed for by name.

import Ajv from 'ajv';
import type { ValidateFunction } from 'ajv';
import { join } from 'node:path';
import { createGenerator } from 'ts-json-schema-generator';
import type { Definition, SchemaGenerator } from 'ts-json-schema-generator';
import { allowedExtras, allowedWords, notSent, nullable } from './differences.ts';
import type * as wire from './wire-types.ts';

/** Each type of `wire-types.ts`, so that a name without one is a type error. */
interface WireTypes {
  ChatReply: wire.ChatReply;
  ChatEvent: wire.ChatEvent;
  ResponsesReply: wire.ResponsesReply;
  ResponsesEvent: wire.ResponsesEvent;
  OpenAiError: wire.OpenAiError;
  OpenAiModel: wire.OpenAiModel;
  OpenAiModels: wire.OpenAiModels;
  MessagesReply: wire.MessagesReply;
  MessagesEvent: wire.MessagesEvent;
  MessagesError: wire.MessagesError;
  MessagesCount: wire.MessagesCount;
  MessagesModel: wire.MessagesModel;
  MessagesModels: wire.MessagesModels;
  GeminiReply: wire.GeminiReply;
  GeminiError: wire.GeminiError;
  GeminiCount: wire.GeminiCount;
  GeminiModel: wire.GeminiModel;
  GeminiModels: wire.GeminiModels;
}
export type WireType = keyof WireTypes;

/** Every SDK's types are read once, in about two seconds. */
let generator: SchemaGenerator | undefined;
const validators = new Map<WireType, ValidateFunction>();

function schemaOf(type: WireType) {
  generator ??= createGenerator({
    path: join(import.meta.dir, 'wire-types.ts'),
    skipTypeCheck: true,
    additionalProperties: false,
    jsDoc: 'none',
    expose: 'export',
  });
  // What it made it keeps, and hands out again.
  const schema = structuredClone(generator.createSchema(type));
  const definitions = schema.definitions ?? {};
  for (const [name, definition] of Object.entries(definitions)) {
    if (typeof definition !== 'object') continue;
    differ(name, definition);
    byType(definition, definitions);
  }
  return schema;
}

function differ(name: string, definition: Definition): void {
  const { properties } = definition;
  // Another SDK's type of that name.
  if (properties === undefined) return;
  const known = (member: string): boolean => Object.hasOwn(properties, member);
  for (const extra of allowedExtras[name] ?? []) {
    if (known(extra)) throw new Error(`${name} has ${extra} by now: it need not be allowed`);
    properties[extra] = {};
  }
  for (const member of notSent[name] ?? []) {
    if (!known(member)) throw new Error(`${name} has no ${member} any more`);
    delete properties[member];
    definition.required = definition.required?.filter((each) => each !== member) ?? [];
  }
  for (const [member, words] of Object.entries(allowedWords[name] ?? {})) {
    const stated = properties[member];
    if (typeof stated !== 'object' || stated.enum === undefined) throw new Error(`${name} has no list of ${member}`);
    for (const word of words) if (stated.enum.includes(word)) throw new Error(`${name} knows ${word} by now`);
    stated.enum = [...stated.enum, ...words];
  }
  for (const member of nullable[name] ?? []) {
    const stated = properties[member];
    if (stated === undefined) throw new Error(`${name} has no ${member} any more`);
    properties[member] = { anyOf: [stated, { type: 'null' }] };
  }
}

type Schema = NonNullable<Definition['items']> | undefined;

/** Alternatives that a constant `type` tells apart are told apart by it, or the errors of all would be reported. */
function byType(schema: Schema, definitions: Readonly<Record<string, Schema>>): void {
  if (typeof schema !== 'object') return;
  if (Array.isArray(schema)) {
    for (const each of schema) byType(each, definitions);
    return;
  }
  for (const each of Object.values(schema.properties ?? {})) byType(each, definitions);
  byType(schema.items, definitions);
  if (schema.anyOf === undefined) return;
  const flat = schema.anyOf.flatMap((each) => alternatives(each, definitions));
  const types = flat.map((each) => constantType(each, definitions));
  if (types.includes(undefined) || new Set(types).size !== types.length) return;
  delete schema.anyOf;
  Object.assign(schema, { type: 'object', discriminator: { propertyName: 'type' }, required: ['type'], oneOf: flat });
}

const resolved = (schema: Schema, definitions: Readonly<Record<string, Schema>>): Schema => {
  const name = typeof schema === 'object' && !Array.isArray(schema) ? schema.$ref : undefined;
  return name === undefined ? schema : definitions[decodeURIComponent(name.replace('#/definitions/', ''))];
};

function alternatives(
  each: Definition | boolean,
  definitions: Readonly<Record<string, Schema>>,
): (Definition | boolean)[] {
  const schema = resolved(each, definitions);
  if (typeof schema !== 'object' || Array.isArray(schema)) return [each];
  const inner = schema.anyOf ?? schema.oneOf;
  return inner === undefined ? [each] : inner.flatMap((one) => alternatives(one, definitions));
}

function constantType(each: Definition | boolean, definitions: Readonly<Record<string, Schema>>): unknown {
  const schema = resolved(each, definitions);
  if (typeof schema !== 'object' || Array.isArray(schema)) return undefined;
  const type = schema.properties?.['type'];
  return typeof type === 'object' && schema.required?.includes('type') === true ? type.const : undefined;
}

/** What is wrong with it, in words; empty if nothing is. */
export function wrongIn(type: WireType, value: unknown): string {
  let validate = validators.get(type);
  if (validate === undefined) {
    const ajv = new Ajv({ strict: false, discriminator: true, allErrors: true });
    validate = ajv.compile(schemaOf(type));
    validators.set(type, validate);
  }
  if (validate(value)) return '';
  const errors = (validate.errors ?? []).map(
    ({ instancePath, message, params }) => `${instancePath} ${message} ${JSON.stringify(params)}`,
  );
  return `${type}: ${errors.join('; ')} in ${JSON.stringify(value)}`;
}
