// Google's Gemini API, with a key. The model stands in the path.

import { Type, defineProvider } from 'tollgate/plugin';
import type { Dialect, UsagePart } from 'tollgate/plugin';
import { baseUrlOption, headersOption } from './address-options.ts';
import { classifyGemini } from './gemini-faults.ts';
import { geminiModels } from './gemini-models.ts';
import { readGeminiUsage } from './gemini-usage.ts';
import { geminiPath } from './gemini-path.ts';
import { dialectsOption, withDialects } from './dialect-option.ts';
import { checkHeaders, credentialHeader } from './provider-headers.ts';

const geminiBaseUrl = 'https://generativelanguage.googleapis.com/v1beta';

const options = Type.Object(
  {
    baseUrl: baseUrlOption('Base URL, up to and with /v1beta, for upstreams that name none. Default: Google.'),
    headers: headersOption,
    dialects: dialectsOption,
  },
  { additionalProperties: false },
);

const parts: readonly UsagePart[] = ['input', 'cacheRead', 'output', 'reasoning'];

/**
 * Up to 2.5 thinking is given a number of tokens; from 3 on a level, of which some lack the least. What came before 2.5
 * does not think. Of 2.5 all but Pro can be told not to.
 */
function dialectOf(model: string): Partial<Dialect> {
  if (/gemini-(?:1|2\.0)/.test(model)) return { thinking: 'none' };
  if (/gemini-2\.5-pro/.test(model)) return { thinking: 'budget' };
  if (/gemini-2/.test(model)) return { thinking: 'budget', efforts: ['none', 'minimal', 'low', 'medium', 'high'] };
  return leastIsLow.test(model) ? { thinking: 'level', efforts: ['low', 'medium', 'high'] } : { thinking: 'level' };
}

/** As Vercel's package for Google has it: Pro, and Flash from 3.7 on without the light one. */
const leastIsLow =
  /gemini-(?:[3-9](?:\.\d+)?-pro|flash-latest|(?:3\.[7-9]|[4-9](?:\.\d+)?)-flash(?!-lite)|[4-9](?:\.\d+)?-argon)/;

/** Where an array was asked for, an error is its one element. */
const onlyElement = (body: string): string => /^\s*\[([^]*)\]\s*$/.exec(body)?.[1] ?? body;

export const gemini = defineProvider({
  name: 'gemini',
  version: '1.0.0',
  summary: "Google's Gemini API",
  options,
  create(chosen) {
    const auth = 'x-goog-api-key';
    const fixed = checkHeaders({ auth, headers: chosen.headers ?? {} });
    const headersWith = (credential: string | undefined) =>
      credential === undefined ? fixed : [...fixed, credentialHeader(auth, credential)];
    return {
      speaks: { chat: ['gemini-generate'] },
      defaultBaseUrl: chosen.baseUrl ?? geminiBaseUrl,
      needsCredential: true,
      quirks: { usage: 'always', end: 'done' },
      onCancel: 'stops',
      parts: () => parts,
      // A client that did not ask for events gets what Google sends then: one JSON array.
      address: ({ model, stream, framing }, credential) => ({
        path: geminiPath(model, stream ? 'streamGenerateContent' : 'generateContent'),
        query: stream && framing !== 'json-array' ? 'alt=sse' : '',
        headers: headersWith(credential),
      }),
      dialect: withDialects(dialectOf, chosen.dialects),
      countTokens: ({ model, protocol }, credential) =>
        protocol === 'gemini-generate'
          ? { path: geminiPath(model, 'countTokens'), query: '', headers: headersWith(credential) }
          : undefined,
      usage: readGeminiUsage,
      classify: (failure) => classifyGemini({ ...failure, body: onlyElement(failure.body) }),
      models: chosen.baseUrl === undefined ? geminiModels : [],
    };
  },
});

export default gemini;
