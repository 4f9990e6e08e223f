// Each plugin's options as a component of the admin document: the one schema that also checks them. JSON Schema has no
// big integers, functions or symbols: what has no form there is described in words.

import type { PluginFacts } from '../../config/plugin-facts.ts';
import type { PluginKind } from '../../plugin/define.ts';
import { isObject, mapMembers, parseOwnJson, without, type Json, type JsonObject } from './json.ts';

const titles: Readonly<Record<PluginKind, string>> = {
  provider: 'ProviderOptions',
  routing: 'RoutingStrategyOptions',
  billing: 'BillingRuleOptions',
  policy: 'PolicyOptions',
};

/** Component name to schema: `ProviderOptions.openai-compatible`. */
export const pluginComponents = (plugins: readonly PluginFacts[]): JsonObject =>
  Object.fromEntries(plugins.map((plugin) => [componentName(plugin), optionsSchema(plugin)]));

export const componentName = ({ kind, name }: Pick<PluginFacts, 'kind' | 'name'>): string =>
  `${titles[kind]}.${name.replaceAll(/[^A-Za-z0-9._-]/g, '_')}`;

export const optionsSchema = ({ schema, summary, version }: PluginFacts): JsonObject => {
  const text = JSON.stringify(schema, (_, member: unknown) =>
    typeof member === 'bigint' ? member.toString() : member,
  );
  const plain = asJsonSchema(parseOwnJson(text));
  // A title of its own would stand where the component's name does.
  return { ...(isObject(plain) ? without(plain, 'title') : {}), description: `${summary} (version ${version})` };
};

const known: ReadonlySet<Json> = new Set(['object', 'array', 'string', 'number', 'integer', 'boolean', 'null']);

function asJsonSchema(schema: Json): Json {
  if (Array.isArray(schema)) return schema.map((member: Json) => asJsonSchema(member));
  if (!isObject(schema)) return schema;
  const { type } = schema;
  if (type === 'bigint') return { type: 'integer', description: 'A big integer, written as 1n in a config.' };
  if (typeof type === 'string' && !known.has(type)) return { description: `A value of the type ${type}.` };
  return mapMembers(schema, (member, name) => {
    if (name === '$id') return undefined;
    return name === 'const' || name === 'enum' || name === 'default' ? member : asJsonSchema(member);
  });
}
