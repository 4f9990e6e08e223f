// OpenAI's well-known models with their list prices: micro-USD per million tokens, standard tier. Data only.
// What OpenAI gives no discount for when it is cached is priced like fresh input, so that every part has a
// price.

import type { Operation, ProviderModel } from 'tollgate/plugin';

interface Rates {
  readonly input: bigint;
  readonly cacheRead: bigint;
  readonly output: bigint;
}

const generation =
  (operation: Operation) =>
  (model: string, contextTokens: number, outputTokensMax: number, rates: Rates): ProviderModel => ({
    model,
    operations: [operation],
    contextTokens,
    outputTokensMax,
    listPrice: { currency: 'USD', rates },
  });

const chat = generation('chat');
const completions = generation('completions');

/** An embedding has no output tokens; its context is the longest single input. */
const embedding = (model: string, input: bigint): ProviderModel => ({
  model,
  operations: ['embeddings'],
  contextTokens: 8_192,
  outputTokensMax: 0,
  listPrice: { currency: 'USD', rates: { input } },
});

export const openAiModels: readonly ProviderModel[] = [
  chat('gpt-5.2', 400_000, 128_000, { input: 1_750_000n, cacheRead: 175_000n, output: 14_000_000n }),
  chat('gpt-5.1', 400_000, 128_000, { input: 1_250_000n, cacheRead: 125_000n, output: 10_000_000n }),
  chat('gpt-5', 400_000, 128_000, { input: 1_250_000n, cacheRead: 125_000n, output: 10_000_000n }),
  chat('gpt-5-mini', 400_000, 128_000, { input: 250_000n, cacheRead: 25_000n, output: 2_000_000n }),
  chat('gpt-5-nano', 400_000, 128_000, { input: 50_000n, cacheRead: 5_000n, output: 400_000n }),
  chat('gpt-5-chat-latest', 128_000, 16_384, { input: 1_250_000n, cacheRead: 125_000n, output: 10_000_000n }),

  chat('gpt-4.1', 1_047_576, 32_768, { input: 2_000_000n, cacheRead: 500_000n, output: 8_000_000n }),
  chat('gpt-4.1-mini', 1_047_576, 32_768, { input: 400_000n, cacheRead: 100_000n, output: 1_600_000n }),
  chat('gpt-4.1-nano', 1_047_576, 32_768, { input: 100_000n, cacheRead: 25_000n, output: 400_000n }),
  chat('gpt-4o', 128_000, 16_384, { input: 2_500_000n, cacheRead: 1_250_000n, output: 10_000_000n }),
  chat('gpt-4o-mini', 128_000, 16_384, { input: 150_000n, cacheRead: 75_000n, output: 600_000n }),

  chat('o1', 200_000, 100_000, { input: 15_000_000n, cacheRead: 7_500_000n, output: 60_000_000n }),
  chat('o3', 200_000, 100_000, { input: 2_000_000n, cacheRead: 500_000n, output: 8_000_000n }),
  chat('o3-mini', 200_000, 100_000, { input: 1_100_000n, cacheRead: 550_000n, output: 4_400_000n }),
  chat('o4-mini', 200_000, 100_000, { input: 1_100_000n, cacheRead: 275_000n, output: 4_400_000n }),

  completions('gpt-3.5-turbo-instruct', 4_096, 4_096, {
    input: 1_500_000n,
    cacheRead: 1_500_000n,
    output: 2_000_000n,
  }),

  embedding('text-embedding-3-small', 20_000n),
  embedding('text-embedding-3-large', 130_000n),
];
