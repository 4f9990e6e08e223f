// The random order that the built-in strategies share: proportional to weight, without replacement, and never
// letting a sick upstream go before a healthy one. Callers keep the invariant that the result is a
// permutation of the input.

import type { Chance, UpstreamView } from 'tollgate/plugin';

/** Of a thousand requests, how many try an upstream on probation as if it were healthy. */
export const PROBING_PER_MILLE_DEFAULT = 50;

/** Which upstreams stand behind which: a smaller rank is served first, whatever the weights. */
const RANK_IN_ROTATION = 0;
const RANK_ON_PROBATION = 1;
const RANK_LAST_RESORT = 2;
const RANK_EJECTED = 3;

interface Drawn {
  readonly upstream: UpstreamView;
  readonly rank: number;
  readonly draw: number;
}

function rankOf(upstream: UpstreamView, probingPerMille: number, random: Chance): number {
  if (upstream.health === 'ejected') return RANK_EJECTED;
  if (upstream.weight === 0) return RANK_LAST_RESORT;
  if (upstream.health === 'probing' && random() * 1000 >= probingPerMille) return RANK_ON_PROBATION;
  return RANK_IN_ROTATION;
}

/**
 * An exponential draw for each upstream, divided by its weight; the smallest goes first. That is the same as
 * drawing one after the other in proportion to weight, but needs one number each and one sort.
 */
function drawOf(upstream: UpstreamView, random: Chance): number {
  return -Math.log1p(-random()) / Math.max(upstream.weight, 1);
}

/** Orders by rank, then by `tie` (smaller first), then by the weighted draw. */
export function weightedOrder(
  upstreams: readonly UpstreamView[],
  random: Chance,
  probingPerMille: number,
  tie: (upstream: UpstreamView) => number,
): readonly UpstreamView[] {
  if (upstreams.length < 2) return upstreams;
  const drawn: Drawn[] = upstreams.map((upstream) => ({
    upstream,
    rank: rankOf(upstream, probingPerMille, random),
    draw: drawOf(upstream, random),
  }));
  drawn.sort((a, b) => a.rank - b.rank || tie(a.upstream) - tie(b.upstream) || a.draw - b.draw);
  return drawn.map((entry) => entry.upstream);
}
