// OpenAI's models on Azure. An upstream's base URL is that of the resource: `https://NAME.openai.azure.com/openai/v1`
// for the versionless API, `https://NAME.openai.azure.com/openai` where an API version is named.

import { Type, defineProvider } from 'tollgate/plugin';
import type { ProtocolName } from 'tollgate/plugin';
import { cacheWritesOption } from './address-options.ts';
import { dialectsOption, withDialects } from './dialect-option.ts';
import { openAiDialect } from './openai-dialect.ts';
import { createOpenAiProvider } from './openai-protocols.ts';

const options = Type.Object(
  {
    apiVersion: Type.Optional(
      Type.String({
        description: 'Ask each model by the path of its deployment, in this version of the API: "2024-10-21".',
        pattern: '^[0-9a-z-]+$',
        maxLength: 64,
      }),
    ),
    cacheWrites: cacheWritesOption,
    dialects: dialectsOption,
  },
  { additionalProperties: false },
);

const paths: Readonly<Partial<Record<ProtocolName, string>>> = {
  'openai-chat': 'chat/completions',
  'openai-completions': 'completions',
  'openai-embeddings': 'embeddings',
};

/** The model's name is that of its deployment. */
function deploymentPath(protocol: ProtocolName, model: string): string {
  const path = paths[protocol];
  if (path === undefined) return '/responses';
  if (model === '' || model === '.' || model === '..' || !model.isWellFormed())
    throw new Error('no deployment has such a name');
  return `/deployments/${encodeURIComponent(model)}/${path}`;
}

export const azureOpenAi = defineProvider({
  name: 'azure-openai',
  version: '1.0.0',
  summary: "OpenAI's models on Azure",
  options,
  create: ({ apiVersion, dialects, cacheWrites = false }) =>
    createOpenAiProvider({
      baseUrl: undefined,
      auth: 'api-key',
      needsCredential: true,
      quirks: { usage: 'on-request', nullUsage: true, end: 'done' },
      onCancel: 'stops',
      operations: ['chat', 'completions', 'embeddings'],
      // Later models take no functions beside thinking in chat. A dated version may be older than the responses.
      chat: apiVersion === undefined ? ['openai-responses', 'openai-chat'] : ['openai-chat', 'openai-responses'],
      usage: { reasoning: 'within', audio: false, cacheWrites },
      // A deployment has the name that its owner gave it: mostly that of the model.
      dialect: withDialects(openAiDialect, dialects),
      headers: {},
      ...(apiVersion === undefined ? {} : { query: `api-version=${apiVersion}`, pathOf: deploymentPath }),
      models: [],
    }),
});

export default azureOpenAi;
