// The simulator as an upstream: an ordinary provider, so that a first start, a demonstration and every test
// go the very way that a paid vendor's requests go. Prices are small but real: money moves. Faults are models
// of their own.

import { Type, defineProvider } from 'tollgate/plugin';
import type { Operation, ProviderModel, UsageReading } from 'tollgate/plugin';
import { baseUrlOption } from './address-options.ts';
import { classifyAnthropic } from './anthropic-faults.ts';
import { readAnthropicUsage } from './anthropic-usage.ts';
import { classifyGemini } from './gemini-faults.ts';
import { geminiPath } from './gemini-path.ts';
import { readGeminiUsage } from './gemini-usage.ts';
import { classifyOpenAi } from './openai-faults.ts';
import { createOpenAiProvider } from './openai-protocols.ts';

const everyProtocol = ['openai-chat', 'openai-responses', 'anthropic-messages', 'gemini-generate'] as const;
const options = Type.Object(
  {
    baseUrl: baseUrlOption(
      'Where a simulator server listens, up to and with /v1. If left out, every upstream must say.',
    ),
    protocols: Type.Optional(
      Type.Array(Type.Union(everyProtocol.map((name) => Type.Literal(name))), {
        description: 'Protocols that it is asked in for chat, best first. Default: all four.',
        minItems: 1,
        uniqueItems: true,
      }),
    ),
    faults: Type.Optional(
      Type.Boolean({
        description: 'Also list the models that fail on purpose. The server must have faults enabled. Default false.',
      }),
    ),
  },
  { additionalProperties: false },
);

const generationRates = { input: 100_000n, cacheRead: 10_000n, output: 400_000n, reasoning: 400_000n };

function generationModel(model: string, operations: readonly Operation[]): ProviderModel {
  return {
    model,
    operations,
    contextTokens: 128_000,
    outputTokensMax: 16_384,
    listPrice: { currency: 'USD', rates: generationRates },
  };
}

const honestModels: readonly ProviderModel[] = [
  generationModel('sim/echo', ['chat', 'completions']),
  generationModel('sim/fast', ['chat', 'completions']),
  {
    model: 'sim/embed',
    operations: ['embeddings'],
    contextTokens: 8_192,
    outputTokensMax: 0,
    listPrice: { currency: 'USD', rates: { input: 20_000n } },
  },
];

/** Only an upstream's address can show these: a refused connection, a failed handshake or look-up. */
const shownByAddress: readonly number[] = [1, 31];

/** The server's fault list, `sim/u02` to `sim/u32`. Variants are reached by naming them in an offer. */
const faultModels: readonly ProviderModel[] = Array.from({ length: 32 }, (_, index) => index + 1)
  .filter((number) => !shownByAddress.includes(number))
  .map((number) => generationModel(`sim/u${String(number).padStart(2, '0')}`, ['chat', 'completions', 'embeddings']));

/** It writes to no cache and searches nothing, so that no model needs a price for either. */
function withoutWrites(reading: UsageReading | undefined): UsageReading | undefined {
  if (reading === undefined) return undefined;
  const { input, cacheRead, output, reasoning } = reading.parts;
  return { parts: { input, cacheRead, output, reasoning }, flags: reading.flags };
}

export const simulator = defineProvider({
  name: 'simulator',
  version: '1.0.0',
  summary: 'The built-in simulator, with deterministic answers and faults by model name, without any vendor',
  options,
  create(chosen) {
    const openAi = createOpenAiProvider({
      baseUrl: chosen.baseUrl,
      auth: 'bearer',
      needsCredential: false,
      quirks: { usage: 'on-request', nullUsage: true, end: 'done' },
      onCancel: 'stops',
      operations: ['chat', 'completions', 'embeddings'],
      chat: ['openai-chat', 'openai-responses'],
      usage: { reasoning: 'within', audio: false },
      headers: {},
      models: chosen.faults ? [...honestModels, ...faultModels] : honestModels,
    });
    return {
      ...openAi,
      speaks: { ...openAi.speaks, chat: chosen.protocols ?? everyProtocol },
      address(call, credential) {
        const { headers } = openAi.address({ ...call, protocol: 'openai-chat' }, credential);
        if (call.protocol === 'anthropic-messages') return { path: '/messages', query: '', headers };
        if (call.protocol !== 'gemini-generate') return openAi.address(call, credential);
        const verb = call.stream ? 'streamGenerateContent' : 'generateContent';
        const query = call.stream && call.framing !== 'json-array' ? 'alt=sse' : '';
        return { path: geminiPath(call.model, verb), query, headers };
      },
      usage(raw, operation, protocol) {
        if (protocol === 'anthropic-messages') return withoutWrites(readAnthropicUsage(raw));
        return protocol === 'gemini-generate' ? readGeminiUsage(raw) : openAi.usage(raw, operation, protocol);
      },
      // Its errors are in the words of whichever protocol was asked.
      classify(failure) {
        if (/^\s*\{\s*"type"\s*:\s*"error"/.test(failure.body)) return classifyAnthropic(failure);
        return /"status"\s*:\s*"[A-Z_]+"/.test(failure.body) ? classifyGemini(failure) : classifyOpenAi(failure);
      },
    };
  },
});

export default simulator;
