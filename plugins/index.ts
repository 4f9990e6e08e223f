// `tollgate/plugins`: the built-in plugins by name, for config files that the executable loads at start.

export { requestPrice } from './billing/request-price.ts';
export { tokenPrice } from './billing/token-price.ts';
export { anthropic } from './providers/anthropic.ts';
export { anthropicModels } from './providers/anthropic-models.ts';
export { azureOpenAi } from './providers/azure.ts';
export { gemini } from './providers/gemini.ts';
export { geminiModels } from './providers/gemini-models.ts';
export { openAiCompatible } from './providers/openai-compatible.ts';
export { openAiModels } from './providers/openai-models.ts';
export { openAi } from './providers/openai.ts';
export { simulator } from './providers/simulator.ts';
export * from './providers/vendors.ts';
export { priority } from './routing/priority.ts';
export { weighted } from './routing/weighted.ts';
export { region } from '../policies/region.ts';
export { termsAcceptance } from '../policies/terms-acceptance.ts';
