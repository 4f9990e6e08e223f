// OpenAI, and every vendor or server of your own that speaks its chat, completions and embeddings protocols.
// Options say how the vendor differs; the credential is named in the upstream and never stands here.

import { Type, defineProvider } from 'tollgate/plugin';
import type { Operation } from 'tollgate/plugin';
import { baseUrlOption, cacheWritesOption, headersOption } from './address-options.ts';
import { dialectsOption, withDialects } from './dialect-option.ts';
import { openAiDialect } from './openai-dialect.ts';
import { openAiModels } from './openai-models.ts';
import { createOpenAiProvider } from './openai-protocols.ts';

const openAiBaseUrl = 'https://api.openai.com/v1';
const everyOperation: readonly Operation[] = ['chat', 'completions', 'embeddings'];

const options = Type.Object(
  {
    baseUrl: baseUrlOption('Base URL, up to and with /v1, for upstreams that name none. Default: OpenAI.'),
    auth: Type.Optional(
      Type.String({
        description: '"bearer" (default), "api-key", or the name of the header that carries the credential.',
        pattern: '^[a-z0-9][a-z0-9-]*$',
        maxLength: 64,
      }),
    ),
    needsCredential: Type.Optional(
      Type.Boolean({
        description: 'False for servers of your own that ask for none. Default true.',
      }),
    ),
    usage: Type.Optional(
      Type.Union([Type.Literal('on-request'), Type.Literal('always'), Type.Literal('never')], {
        description: 'When streams report usage. Default "on-request": with stream_options.include_usage.',
      }),
    ),
    nullUsage: Type.Optional(
      Type.Boolean({
        description:
          'True where streams say "usage": null in each event because usage was asked for, and else do not, as OpenAI\'s: ' +
          'clients who did not ask are then spared it. Default false.',
      }),
    ),
    end: Type.Optional(
      Type.Union([Type.Literal('done'), Type.Literal('finish-reason')], {
        description: 'How streams end: with "data: [DONE]" (default), or with a finish reason and a clean close.',
      }),
    ),
    onCancel: Type.Optional(
      Type.Union([Type.Literal('stops'), Type.Literal('bills')], {
        description: 'What hanging up does at the vendor: stops generation and billing (default), or bills it all.',
      }),
    ),
    reasoning: Type.Optional(
      Type.Union([Type.Literal('within'), Type.Literal('beside')], {
        description:
          'Whether completion_tokens holds the reasoning tokens (default "within") or leaves them out ("beside").',
      }),
    ),
    audio: Type.Optional(
      Type.Boolean({
        description:
          'Report audio tokens as parts of their own, which every model must then price. Default false: as text.',
      }),
    ),
    headers: headersOption,
    cacheWrites: cacheWritesOption,
    dialects: dialectsOption,
    chat: Type.Optional(
      Type.Array(Type.Union([Type.Literal('openai-chat'), Type.Literal('openai-responses')]), {
        description: 'Protocols that the vendor speaks for chat, best first. Default: ["openai-chat"].',
        minItems: 1,
        uniqueItems: true,
      }),
    ),
    operations: Type.Optional(
      Type.Array(Type.Union([Type.Literal('chat'), Type.Literal('completions'), Type.Literal('embeddings')]), {
        description: 'What the vendor serves. Default: all three.',
        minItems: 1,
        uniqueItems: true,
      }),
    ),
  },
  { additionalProperties: false },
);

export const openAiCompatible = defineProvider({
  name: 'openai-compatible',
  version: '1.0.0',
  summary: 'OpenAI and vendors that speak its chat, completions and embeddings protocols',
  options,
  create: (chosen) =>
    createOpenAiProvider({
      baseUrl: chosen.baseUrl ?? openAiBaseUrl,
      auth: chosen.auth ?? 'bearer',
      needsCredential: chosen.needsCredential ?? true,
      quirks: {
        usage: chosen.usage ?? 'on-request',
        nullUsage: chosen.nullUsage ?? false,
        end: chosen.end ?? 'done',
      },
      onCancel: chosen.onCancel ?? 'stops',
      operations: chosen.operations ?? everyOperation,
      chat: chosen.chat ?? ['openai-chat'],
      usage: {
        reasoning: chosen.reasoning ?? 'within',
        audio: chosen.audio ?? false,
        cacheWrites: chosen.cacheWrites ?? false,
      },
      dialect: withDialects(chosen.baseUrl === undefined ? openAiDialect : () => ({}), chosen.dialects),
      headers: chosen.headers ?? {},
      // Another vendor's gpt-4o has another price: the list is OpenAI's own.
      models: chosen.baseUrl === undefined ? openAiModels : [],
    }),
});

export default openAiCompatible;
