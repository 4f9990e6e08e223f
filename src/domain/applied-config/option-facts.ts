// Options of a plugin as facts. What a schema marks as secret is not shown, nor what is named like a secret: a plugin
// that was dropped in may mark nothing.

import type { TSchema } from '@sinclair/typebox';
import type { PluginEntry, PluginKind } from '../../plugin/define.ts';

export type DescribedEntry = Pick<PluginEntry<PluginKind>, 'name' | 'version' | 'schema' | 'options'>;

const NOT_SHOWN = '(not shown)';
const NAMED_SECRET = /secret|token|password|passphrase|credential|(?:api|private|access|signing)-?_?key/i;

export function optionFacts({ schema, options }: DescribedEntry): Readonly<Record<string, string>> {
  if (typeof options !== 'object' || options === null) return {};
  return Object.fromEntries(
    Object.entries(options)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => [`options.${name}`, shown(name, value, memberSchema(schema, name))]),
  );
}

const shown = (name: string, value: unknown, schema: TSchema | undefined): string =>
  textOf(shownValue(name, value, schema));

function shownValue(name: string, value: unknown, schema: TSchema | undefined): unknown {
  if (isSecret(name, value, schema)) return NOT_SHOWN;
  if (typeof value === 'bigint') return value.toString();
  if (typeof value === 'function') return '(function)';
  if (Array.isArray(value)) return value.map((item: unknown) => shownValue(name, item, schema?.['items']));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => [key, shownValue(key, member, memberSchema(schema, key))]),
  );
}

/** By JSON Schema's own words for it, or by its name where it is a text. */
function isSecret(name: string, value: unknown, schema: TSchema | undefined): boolean {
  if (schema?.['writeOnly'] === true || schema?.['format'] === 'password') return true;
  return typeof value === 'string' && NAMED_SECRET.test(name);
}

function memberSchema(schema: TSchema | undefined, name: string): TSchema | undefined {
  const properties: unknown = schema?.['properties'];
  const member: unknown =
    typeof properties === 'object' && properties !== null ? Reflect.get(properties, name) : undefined;
  return isSchema(member) ? member : undefined;
}

const isSchema = (value: unknown): value is TSchema => typeof value === 'object' && value !== null;

const textOf = (value: unknown): string =>
  typeof value === 'string' ? value : (JSON.stringify(value) ?? String(value));
