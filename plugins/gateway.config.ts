// The config that the executable is built with: the simulator, and every vendor whose key is in the environment.
// Copy it to make your own; `tollgate check --config FILE` says what is wrong with it.

import { defineGateway, fromEnvironment, simulatorAddress } from 'tollgate/plugin';
import type { ModelConfig } from 'tollgate/plugin';
import {
  requestPrice,
  tokenPrice,
  openAiCompatible,
  openAiModels,
  priority,
  simulator,
  termsAcceptance,
  weighted,
} from 'tollgate/plugins';
import defaultTerms from '../policies/default-terms.md' with { type: 'text' };
import personal from '../policies/personal/preset.ts';
import platform from '../policies/platform/preset.ts';

/** OpenAI's models at OpenAI's list price, which is also what they cost. */
const openAi: readonly ModelConfig[] = openAiModels.flatMap(
  ({ model, operations, contextTokens, outputTokensMax, listPrice }) =>
    listPrice === undefined
      ? []
      : [
          {
            name: model,
            operations,
            contextTokens,
            outputTokensMax,
            price: { currency: listPrice.currency, rates: listPrice.rates },
            offers: [{ upstream: 'openai' }],
          },
        ],
);

export default defineGateway({
  providers: [openAiCompatible(), simulator()],
  routing: [weighted(), priority()],
  billing: [tokenPrice(), requestPrice()],
  policies: [termsAcceptance()],
  upstreams: [
    { name: 'simulator', provider: 'simulator', baseUrl: simulatorAddress, addresses: 'any' },
    {
      name: 'openai',
      provider: 'openai-compatible',
      baseUrl: fromEnvironment('OPENAI_BASE_URL'),
      credential: fromEnvironment('OPENAI_API_KEY'),
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
    ...openAi,
  ],
  groups: [{ name: 'default' }],
  terms: [{ file: 'policies/default-terms.md', text: defaultTerms }],
  presets: { personal, platform },
});
