// The suite, and what is `weighted`'s own: shares by weight whatever the priority, and a trial now and then.

import { expect, test } from 'bun:test';
import { describeRoutingStrategy, healthyUpstream } from 'tollgate/conformance';
import { weighted } from '../../../plugins/routing/weighted.ts';

describeRoutingStrategy(weighted(), { proportional: true });

test('priority plays no part', () => {
  const strategy = weighted().create({});
  const upstreams = [
    healthyUpstream(0, { priority: 9, weight: 1_000 }),
    healthyUpstream(1, { priority: 0, weight: 1 }),
  ];
  expect(strategy.rank(request, upstreams, () => 0.5)[0]?.name).toBe('upstream-0');
});

test('an upstream on probation is tried in its share of requests, whatever its weight', () => {
  const strategy = weighted().create({ probingPerMille: 100 });
  const upstreams = [
    healthyUpstream(0, { health: 'probing', weight: 1_000_000 }),
    healthyUpstream(1, { weight: 1 }),
  ];
  let draws = 0;
  const chance = (): number => (draws++ * 0.618_033_988_75) % 1;
  let tried = 0;
  for (let index = 0; index < 3_000; index += 1)
    if (strategy.rank(request, upstreams, chance)[0]?.name === 'upstream-0') tried += 1;
  expect(tried).toBeGreaterThan(150);
  expect(tried).toBeLessThan(450);
});

test('with nothing else left, one on probation goes before one of weight zero, and that before one ejected', () => {
  const strategy = weighted().create({ probingPerMille: 1 });
  const upstreams = [
    healthyUpstream(0, { health: 'ejected' }),
    healthyUpstream(1, { weight: 0 }),
    healthyUpstream(2, { health: 'probing' }),
  ];
  expect(strategy.rank(request, upstreams, () => 0.9).map((view) => view.name)).toEqual([
    'upstream-2',
    'upstream-1',
    'upstream-0',
  ]);
});

const request = { operation: 'chat', model: 'm', stream: false, affinityKey: '' } as const;
