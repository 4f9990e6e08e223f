// `tollgate/plugins`: the built-in plugins by name, for config files that the executable loads at start.

export { requestPrice } from './billing/request-price.ts';
export { tokenPrice } from './billing/token-price.ts';
export { openAiCompatible } from './providers/openai-compatible.ts';
export { openAiModels } from './providers/openai-models.ts';
export { simulator } from './providers/simulator.ts';
export { priority } from './routing/priority.ts';
export { weighted } from './routing/weighted.ts';
export { region } from '../policies/region.ts';
export { termsAcceptance } from '../policies/terms-acceptance.ts';
