import { expect, test } from 'bun:test';
import type { Upstream } from '../../../src/domain/catalog/catalog.ts';
import { createUpstreamHealth } from '../../../src/domain/upstreams/health.ts';
import { openAiCompatible } from '../../../plugins/index.ts';

const provider = openAiCompatible().create({});

/** A new object each time, as each config makes. */
const upstreamAt = (address: string, more: Partial<Upstream> = {}): Upstream => ({
  id: 'ups_one',
  name: 'one',
  providerName: 'openai-compatible',
  provider,
  baseUrl: new URL(address),
  credential: 'sk-1',
  weight: 100,
  priority: 0,
  addresses: 'public',
  onClientLeaving: 'cancel',
  source: 'config',
  enabled: true,
  ...more,
});

const HERE = 'https://here.example/v1';

test.each([
  ['address', 'https://there.example/v1', {}],
  ['credential', HERE, { credential: 'sk-2' }],
  ['provider', HERE, { providerName: 'other' }],
] as const)(
  'another %s under the same name is another upstream, and what runs on the old one ends there',
  (_, url, more) => {
    const health = createUpstreamHealth({ now: () => 0, monotonicMs: () => 1_000 });
    const old = upstreamAt(HERE);
    health.started(old);
    health.started(old);
    health.failed(old, 'credential', undefined);
    expect(health.view(upstreamAt(HERE)).health).toBe('ejected');
    const moved = upstreamAt(url, more);
    expect(health.view(moved)).toMatchObject({ health: 'open', inFlight: 0, faultRate: 0 });
    health.started(moved);
    health.served(old, 5);
    expect(health.view(old).inFlight).toBe(0);
    expect(health.states()).toMatchObject([{ name: 'one', inFlight: 1, health: 'open' }]);
  },
);

test('the same upstream in another config goes on as it was', () => {
  const health = createUpstreamHealth({ now: () => 0, monotonicMs: () => 1_000 });
  const old = upstreamAt(HERE);
  health.started(old);
  const same = upstreamAt(HERE, { weight: 1 });
  expect(health.view(same)).toMatchObject({ inFlight: 1, weight: 1 });
  health.served(old, 5);
  expect(health.view(same).inFlight).toBe(0);
  health.keep(new Set(['two']));
  expect(health.states()).toEqual([]);
});
