// `--preset platform`: a gateway sold to companies. The agreement must be accepted by name before anything is
// served.

import type { PresetConfig } from 'tollgate/plugin';
import { termsAcceptance } from '../terms-acceptance.ts';
import agreement from './agreement.md' with { type: 'text' };
import usageRules from './usage-rules.md' with { type: 'text' };

export const platform: PresetConfig = {
  summary:
    'For companies: an agreement that is accepted by name before use, and usage rules that are accepted by use.',
  terms: [
    { file: 'policies/platform/agreement.md', text: agreement },
    { file: 'policies/platform/usage-rules.md', text: usageRules },
  ],
  policies: [termsAcceptance({ clauses: ['P1.3'] })],
};

export default platform;
