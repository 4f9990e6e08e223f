// Gemini's well-known models. Their list prices go by the size of the prompt and by what is in it, which a flat rate
// would state wrongly: the operator prices them.

import type { ProviderModel } from 'tollgate/plugin';

const gemini = (model: string): ProviderModel => ({
  model,
  operations: ['chat'],
  contextTokens: 1_048_576,
  outputTokensMax: 65_536,
});

export const geminiModels: readonly ProviderModel[] = [
  gemini('gemini-2.5-pro'),
  gemini('gemini-2.5-flash'),
  gemini('gemini-2.5-flash-lite'),
];
