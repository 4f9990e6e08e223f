// `priority`: the healthy upstreams of the smallest priority number serve; the others wait behind them in
// that order. Among equals the order is random in proportion to weight. Health comes before priority.

import { Type, defineRoutingStrategy, type UpstreamView } from 'tollgate/plugin';
import { PROBING_PER_MILLE_DEFAULT, weightedOrder } from './weighted-order.ts';

const byPriority = (upstream: UpstreamView): number => upstream.priority;

export const priority = defineRoutingStrategy({
  name: 'priority',
  version: '1.0.0',
  summary:
    'Smallest priority first, equals by weight; upstreams on probation get few requests, ejected ones come last.',
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
      rank: (_request, upstreams, random) => weightedOrder(upstreams, random, probingPerMille, byPriority),
    };
  },
});

export default priority;
