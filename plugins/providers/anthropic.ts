// Anthropic, and vendors that speak its messages protocol.

import { Type, defineProvider } from 'tollgate/plugin';
import type { Dialect, UsagePart } from 'tollgate/plugin';
import { baseUrlOption, headersOption } from './address-options.ts';
import { classifyAnthropic } from './anthropic-faults.ts';
import { anthropicModels } from './anthropic-models.ts';
import { readAnthropicUsage } from './anthropic-usage.ts';
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
    models: Type.Optional(
      Type.Record(
        Type.String({ minLength: 1, maxLength: 256 }),
        Type.Object(
          {
            thinking: Type.Optional(
              Type.Union([Type.Literal('effort'), Type.Literal('budget'), Type.Literal('none')], {
                description: 'How it is asked to think: by an effort, by a number of tokens, or not at all.',
              }),
            ),
            sampling: Type.Optional(
              Type.Boolean({ description: 'Whether it takes temperature, top_p and top_k. Default true.' }),
            ),
            systemAmongTurns: Type.Optional(
              Type.Boolean({ description: 'Whether system text may stand among the turns. Default false.' }),
            ),
          },
          { additionalProperties: false },
        ),
        { description: "How models differ from what is known of Anthropic's, by the upstream's name of the model." },
      ),
    ),
    headers: headersOption,
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

/** Models up to 4.5 are given a number of tokens to think in; later ones think as they see fit, by an effort. */
const budgeted = /claude-(?:3|(?:opus|sonnet|haiku)-4(?:-[015])?(?:-\d{8})?$)/;

const known = (model: string): Partial<Dialect> => ({ thinking: budgeted.test(model) ? 'budget' : 'effort' });

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
    const stated = new Map(Object.entries(chosen.models ?? {}));
    return {
      speaks: { chat: ['anthropic-messages'] },
      defaultBaseUrl: chosen.baseUrl ?? anthropicBaseUrl,
      needsCredential: true,
      quirks: { usage: 'always', end: 'done' },
      onCancel: 'stops',
      parts: () => parts,
      address: (_call, credential) => ({ path: '/messages', query: '', headers: headersWith(credential) }),
      dialect: (model) => ({ ...known(model), ...stated.get(model) }),
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
