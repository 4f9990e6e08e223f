// `--preset personal`: a gateway for one person or a small team. Not offered in CN, HK, MO and TW; accepted
// by use.

import type { PresetConfig } from 'tollgate/plugin';
import { region } from '../region.ts';
import { termsAcceptance } from '../terms-acceptance.ts';
import serviceTerms from './service-terms.md' with { type: 'text' };

export const personal: PresetConfig = {
  summary: 'For one person or a small team: terms accepted by use, and not offered in CN, HK, MO and TW.',
  terms: [{ file: 'policies/personal/service-terms.md', text: serviceTerms }],
  policies: [
    region({ denied: ['CN', 'HK', 'MO', 'TW'], clauses: ['S3.1'], document: 'service-terms' }),
    termsAcceptance({ clauses: ['S7', 'S3.3'] }),
  ],
};

export default personal;
