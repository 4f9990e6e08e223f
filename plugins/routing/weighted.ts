// `weighted`: spreads requests over all healthy upstreams in proportion to their weights. Priorities play no
// part.

import { Type, defineRoutingStrategy } from 'tollgate/plugin';
import { PROBING_PER_MILLE_DEFAULT, weightedOrder } from './weighted-order.ts';

const noTie = (): number => 0;

export const weighted = defineRoutingStrategy({
  name: 'weighted',
  version: '1.0.0',
  summary:
    'Random order in proportion to weight; upstreams on probation get few requests, ejected ones come last.',
  options: Type.Object(
    {
      probingPerMille: Type.Optional(
        Type.Integer({
          description: 'Of a thousand requests, how many try an upstream on probation. Default 50.',
          minimum: 1,
          maximum: 1000,
        }),
      ),
    },
    { additionalProperties: false },
  ),
  create(options) {
    const probingPerMille = options.probingPerMille ?? PROBING_PER_MILLE_DEFAULT;
    return {
      rank: (_request, upstreams, random) => weightedOrder(upstreams, random, probingPerMille, noTie),
    };
  },
});

export default weighted;
