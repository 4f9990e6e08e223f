// The suite, and what is `priority`'s own: equals by weight, health before priority.

import { expect, test } from 'bun:test';
import { describeRoutingStrategy, healthyUpstream } from 'tollgate/conformance';
import { priority } from '../../../plugins/routing/priority.ts';

describeRoutingStrategy(priority(), { proportional: true, byPriority: true });

test('an ejected first choice waits behind a healthy last one', () => {
  const upstreams = [
    healthyUpstream(0, { priority: 0, health: 'ejected' }),
    healthyUpstream(1, { priority: 7 }),
  ];
  const ranked = priority()
    .create({})
    .rank({ operation: 'chat', model: 'm', stream: false, affinityKey: '' }, upstreams, () => 0.5);
  expect(ranked.map((view) => view.name)).toEqual(['upstream-1', 'upstream-0']);
});
