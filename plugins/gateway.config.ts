// The config that the executable is built with: the simulator, and every vendor whose key is in the environment.
// Copy it to make your own; `tollgate check --config FILE` says what is wrong with it.

import { defineGateway, fromEnvironment, simulatorAddress } from 'tollgate/plugin';
import type { ModelConfig, ProviderModel } from 'tollgate/plugin';
import {
  anthropic,
  anthropicModels,
  gemini,
  geminiModels,
  openAi,
  openAiCompatible,
  openAiModels,
  requestPrice,
  tokenPrice,
  priority,
  simulator,
  termsAcceptance,
  weighted,
} from 'tollgate/plugins';
import defaultTerms from '../policies/default-terms.md' with { type: 'text' };
import personal from '../policies/personal/preset.ts';
import platform from '../policies/platform/preset.ts';

/** A vendor's models at its list prices, which are also what they cost. A model without one is left out. */
const listed = (upstream: string, models: readonly ProviderModel[]): readonly ModelConfig[] =>
  models.flatMap(({ model, operations, contextTokens, outputTokensMax, listPrice }) =>
    listPrice === undefined
      ? []
      : [
          {
            name: model,
            operations,
            contextTokens,
            outputTokensMax,
            price: { currency: listPrice.currency, rates: listPrice.rates },
            offers: [{ upstream }],
          },
        ],
  );

export default defineGateway({
  providers: [openAi(), anthropic(), gemini(), openAiCompatible(), simulator()],
  routing: [weighted(), priority()],
  billing: [tokenPrice(), requestPrice()],
  policies: [termsAcceptance()],
  upstreams: [
    { name: 'simulator', provider: 'simulator', baseUrl: simulatorAddress, addresses: 'any' },
    {
      name: 'openai',
      provider: 'openai',
      baseUrl: fromEnvironment('OPENAI_BASE_URL'),
      credential: fromEnvironment('OPENAI_API_KEY'),
      whenCredentialPresent: true,
    },
    {
      name: 'anthropic',
      provider: 'anthropic',
      baseUrl: fromEnvironment('ANTHROPIC_BASE_URL'),
      credential: fromEnvironment('ANTHROPIC_API_KEY'),
      whenCredentialPresent: true,
    },
    {
      name: 'gemini',
      provider: 'gemini',
      baseUrl: fromEnvironment('GEMINI_BASE_URL'),
      credential: fromEnvironment('GEMINI_API_KEY'),
      whenCredentialPresent: true,
    },
  ],
  models: [
    {
      name: 'sim/echo',
      operations: ['chat', 'completions'],
      contextTokens: 128_000,
      outputTokensMax: 16_384,
      price: { currency: 'USD', rates: { input: 100_000n, cacheRead: 10_000n, output: 400_000n } },
      offers: [{ upstream: 'simulator' }],
    },
    {
      name: 'sim/fast',
      operations: ['chat', 'completions'],
      contextTokens: 128_000,
      outputTokensMax: 16_384,
      price: { currency: 'USD', rates: { input: 100_000n, cacheRead: 10_000n, output: 400_000n } },
      offers: [{ upstream: 'simulator' }],
    },
    {
      name: 'sim/embed',
      operations: ['embeddings'],
      contextTokens: 8_192,
      outputTokensMax: 0,
      price: { currency: 'USD', rates: { input: 20_000n } },
      offers: [{ upstream: 'simulator' }],
    },
    ...listed('openai', openAiModels),
    ...listed('anthropic', anthropicModels),
    ...listed('gemini', geminiModels),
  ],
  groups: [{ name: 'default' }],
  terms: [{ file: 'policies/default-terms.md', text: defaultTerms }],
  presets: { personal, platform },
});
