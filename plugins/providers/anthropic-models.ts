// Anthropic's well-known models with their list prices: micro-USD per million tokens. Data only. A write to the cache
// costs a quarter more than input where it lasts five minutes and twice as much where it lasts an hour; a read a tenth.

import type { MicroPerMillion, ProviderModel } from 'tollgate/plugin';

function claude(
  model: string,
  outputTokensMax: number,
  input: MicroPerMillion,
  output: MicroPerMillion,
): ProviderModel {
  return {
    model,
    operations: ['chat'],
    contextTokens: 200_000,
    outputTokensMax,
    listPrice: {
      currency: 'USD',
      rates: {
        input,
        cacheRead: input / 10n,
        cacheWrite5m: (input * 5n) / 4n,
        cacheWrite1h: input * 2n,
        output,
        // Searches are billed by the call: 10 USD for a thousand.
        toolCalls: 10_000_000_000n,
      },
    },
  };
}

export const anthropicModels: readonly ProviderModel[] = [
  claude('claude-opus-4-5', 64_000, 5_000_000n, 25_000_000n),
  claude('claude-sonnet-4-5', 64_000, 3_000_000n, 15_000_000n),
  claude('claude-haiku-4-5', 64_000, 1_000_000n, 5_000_000n),
];
