// The plugins that this gateway runs on: which, of which version, from where, and what options they take. Read-only:
// the config alone says which there are.

import { Type } from '@sinclair/typebox';
import { Elysia } from 'elysia';
import type { PluginFacts } from '../../../config/plugin-facts.ts';
import { componentName, optionsSchema } from '../../openapi/plugin-components.ts';
import { pageInMemory } from '../../terms/views.ts';
import { pageQuery, pageSchema } from '../pages.ts';
import { strict } from '../schemas.ts';

export interface PluginRouteServices {
  readonly plugins: () => readonly PluginFacts[];
}

const kindSchema = Type.Union([
  Type.Literal('provider'),
  Type.Literal('routing'),
  Type.Literal('billing'),
  Type.Literal('policy'),
]);

const pluginSchema = strict(
  {
    kind: kindSchema,
    name: Type.String(),
    version: Type.String(),
    summary: Type.String(),
    source: Type.Union([Type.Literal('built-in'), Type.Literal('config'), Type.Literal('drop-in')], {
      description:
        '`built-in`: Tollgate brings it along; `config`: the config defines or imports it; `drop-in`: a file of its own.',
    }),
    file: Type.Union([Type.String(), Type.Null()], {
      description: 'Of a drop-in: its file, relative to the folder of the config.',
    }),
    sha256: Type.Union([Type.String(), Type.Null()], {
      description: 'Of a drop-in: the pin of what runs, in hexadecimal.',
    }),
    optionsComponent: Type.String({
      description: 'Name of the schema of its options among the components of this document.',
    }),
    optionsSchema: Type.Unknown({ description: 'JSON Schema of its options.' }),
  },
  { title: 'Plugin' },
);

function viewOf(plugin: PluginFacts) {
  const { kind, name, version, summary, source } = plugin;
  return {
    kind,
    name,
    version,
    summary,
    source: source.kind,
    file: source.kind === 'drop-in' ? source.file : null,
    sha256: source.kind === 'drop-in' ? source.sha256 : null,
    optionsComponent: componentName(plugin),
    optionsSchema: optionsSchema(plugin),
  };
}

export function pluginsRoutes({ plugins }: PluginRouteServices) {
  return new Elysia({ name: 'admin-plugins', normalize: false }).get(
    '/plugins',
    ({ query }) => {
      const wanted = plugins().filter(({ kind }) => query.kind === undefined || kind === query.kind);
      return pageInMemory(wanted, query, viewOf);
    },
    {
      query: strict({ ...pageQuery, kind: Type.Optional(kindSchema) }),
      response: { 200: pageSchema(pluginSchema) },
      detail: {
        tags: ['Plugins'],
        operationId: 'listPlugins',
        summary: 'The plugins of this gateway, in the order of its config',
        description: 'A drop-in that was refused is not among them; `tollgate check` says why.',
      },
    },
  );
}
