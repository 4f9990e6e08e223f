// OpenAI itself: chat and responses, completions and embeddings, at OpenAI's list prices.

import { Type, defineProvider } from 'tollgate/plugin';
import { cacheWritesOption } from './address-options.ts';
import { dialectsOption, withDialects } from './dialect-option.ts';
import { openAiDialect } from './openai-dialect.ts';
import { openAiModels } from './openai-models.ts';
import { createOpenAiProvider } from './openai-protocols.ts';

const options = Type.Object(
  {
    organization: Type.Optional(
      Type.String({
        description: 'The organisation that is billed: "org-…".',
        pattern: '^[\\x21-\\x7e]+$',
        maxLength: 200,
      }),
    ),
    project: Type.Optional(
      Type.String({
        description: 'The project that is billed: "proj_…".',
        pattern: '^[\\x21-\\x7e]+$',
        maxLength: 200,
      }),
    ),
    cacheWrites: cacheWritesOption,
    dialects: dialectsOption,
  },
  { additionalProperties: false },
);

export const openAi = defineProvider({
  name: 'openai',
  version: '1.0.0',
  summary: 'OpenAI itself: chat, responses, completions and embeddings',
  options,
  create: ({ organization, project, dialects, cacheWrites = false }) =>
    createOpenAiProvider({
      baseUrl: 'https://api.openai.com/v1',
      auth: 'bearer',
      needsCredential: true,
      quirks: { usage: 'on-request', nullUsage: true, end: 'done' },
      onCancel: 'stops',
      operations: ['chat', 'completions', 'embeddings'],
      chat: ['openai-responses', 'openai-chat'],
      usage: { reasoning: 'within', audio: false, cacheWrites },
      dialect: withDialects(openAiDialect, dialects),
      headers: {
        ...(organization === undefined ? {} : { 'openai-organization': organization }),
        ...(project === undefined ? {} : { 'openai-project': project }),
      },
      models: openAiModels,
    }),
});

export default openAi;
