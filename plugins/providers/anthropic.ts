// Anthropic, and vendors that speak its messages protocol.

import { Type, defineProvider } from 'tollgate/plugin';
import type { UsagePart } from 'tollgate/plugin';
import { baseUrlOption, headersOption } from './address-options.ts';
import { claudeDialect } from './anthropic-dialect.ts';
import { classifyAnthropic } from './anthropic-faults.ts';
import { anthropicModels } from './anthropic-models.ts';
import { readAnthropicUsage } from './anthropic-usage.ts';
import { dialectsOption, withDialects } from './dialect-option.ts';
import { checkHeaders, credentialHeader } from './provider-headers.ts';

const anthropicBaseUrl = 'https://api.anthropic.com/v1';
/** The version that translated calls are written for. A client of the protocol sends its own, which is passed on. */
const version = '2023-06-01';

const options = Type.Object(
  {
    baseUrl: baseUrlOption('Base URL, up to and with /v1, for upstreams that name none. Default: Anthropic.'),
    auth: Type.Optional(
      Type.String({
        description: 'The header that carries the credential, or "bearer". Default "x-api-key".',
        pattern: '^[a-z0-9][a-z0-9-]*$',
        maxLength: 64,
      }),
    ),
    countTokens: Type.Optional(
      Type.Boolean({ description: 'Whether the vendor counts tokens at /messages/count_tokens. Default true.' }),
    ),
    headers: headersOption,
    dialects: dialectsOption,
  },
  { additionalProperties: false },
);

const parts: readonly UsagePart[] = [
  'input',
  'cacheRead',
  'cacheWrite5m',
  'cacheWrite1h',
  'output',
  'reasoning',
  'toolCalls',
];

export const anthropic = defineProvider({
  name: 'anthropic',
  version: '1.0.0',
  summary: 'Anthropic and vendors that speak its messages protocol',
  options,
  create(chosen) {
    const auth = chosen.auth ?? 'x-api-key';
    const fixed = checkHeaders({ auth, headers: chosen.headers ?? {} });
    const headers = [['anthropic-version', version] as const, ...fixed];
    const headersWith = (credential: string | undefined) =>
      credential === undefined ? headers : [...headers, credentialHeader(auth, credential)];
    const counts = chosen.countTokens ?? true;
    return {
      speaks: { chat: ['anthropic-messages'] },
      defaultBaseUrl: chosen.baseUrl ?? anthropicBaseUrl,
      needsCredential: true,
      quirks: { usage: 'always', end: 'done' },
      onCancel: 'stops',
      parts: () => parts,
      address: (_call, credential) => ({ path: '/messages', query: '', headers: headersWith(credential) }),
      dialect: withDialects((model) => claudeDialect(model, chosen.baseUrl !== undefined), chosen.dialects),
      countTokens: (call, credential) =>
        counts && call.protocol === 'anthropic-messages'
          ? { path: '/messages/count_tokens', query: '', headers: headersWith(credential) }
          : undefined,
      usage: readAnthropicUsage,
      classify: classifyAnthropic,
      models: chosen.baseUrl === undefined ? anthropicModels : [],
    };
  },
});

export default anthropic;
