import { expect, test } from 'bun:test';
import { Type } from '@sinclair/typebox';
import { resolveConfig } from '../../../src/config/resolve.ts';
import { configFacts } from '../../../src/domain/applied-config/config-facts.ts';
import { optionFacts } from '../../../src/domain/applied-config/option-facts.ts';
import { fromEnvironment, simulatorAddress, type GatewayConfig } from '../../../src/plugin/index.ts';
import { simulatorModel, testConfig } from '../../support/gateway.ts';

const secret = 'sk-0123456789-secret';

function factsOf(config: GatewayConfig) {
  const result = resolveConfig(config, { secret: () => secret, preset: undefined });
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return configFacts(result.resolved, { sources: [], simulated: ['simulator'] });
}

const placed = (more: Partial<GatewayConfig> = {}): GatewayConfig => {
  const config = testConfig(more);
  return {
    ...config,
    upstreams: config.upstreams.map((upstream) =>
      upstream.baseUrl === simulatorAddress ? { ...upstream, baseUrl: 'http://127.0.0.1:4711/v1' } : upstream,
    ),
  };
};

test('a config as facts names a credential by its variable, and the simulator by no port', () => {
  const facts = factsOf(
    placed({
      upstreams: [
        { name: 'simulator', provider: 'simulator', baseUrl: simulatorAddress, addresses: 'any' },
        { name: 'far', provider: 'openai-compatible', credential: fromEnvironment('FAR_KEY'), weight: 3 },
      ],
      models: [
        simulatorModel('sim/echo', {
          price: [
            { currency: 'USD', rates: { input: 1n, cacheRead: 1n, output: 2n } },
            {
              from: '2030-01-01T00:00:00Z',
              currency: 'EUR',
              rates: { input: 3n, cacheRead: 1n, output: 4n },
              perCallNano: 5n,
            },
          ],
          groups: ['friends'],
        }),
      ],
      groups: [{ name: 'friends', multiplierPpm: 1, limits: { concurrency: 2 } }],
      addressLimits: { requestsPerMinute: 9 },
    }),
  );
  expect(JSON.stringify(facts)).not.toContain(secret);
  expect(facts['upstream/simulator']?.['baseUrl']).toBe('simulator:');
  expect(facts['upstream/far']).toMatchObject({ credential: 'from FAR_KEY', weight: '3' });
  expect(facts['model/sim/echo']).toMatchObject({
    'price input': '1 micro-USD per million',
    'price from 2030-01-01T00:00:00Z output': '4 micro-EUR per million',
    'price from 2030-01-01T00:00:00Z perCall': '5 nano-EUR',
    groups: 'friends',
    'offer on simulator': 'sim/echo',
  });
  expect(facts['group/friends']).toEqual({ multiplierPpm: '1', 'limits.concurrency': '2' });
  expect(facts['settings/all']).toMatchObject({ 'addressLimits.requestsPerMinute': '9', currency: 'USD' });
  expect(Object.keys(facts)).toContain('terms document/basic-terms 2026-01-01');
});

test('options that are secret by their schema or by their name are not shown', () => {
  const schema = Type.Object({
    plain: Type.String(),
    hidden: Type.String({ writeOnly: true }),
    typed: Type.String({ format: 'password' }),
    nested: Type.Object({ deep: Type.String({ writeOnly: true }), open: Type.BigInt() }),
  });
  const options = {
    plain: 'seen',
    hidden: secret,
    typed: secret,
    nested: { deep: secret, open: 5n },
    list: [{ clientSecret: secret }],
    apiKey: secret,
    tokenLimit: 5,
  };
  const facts = optionFacts({ name: 'any', version: '1.0.0', schema, options });
  expect(JSON.stringify(facts)).not.toContain(secret);
  expect(facts).toEqual({
    'options.plain': 'seen',
    'options.hidden': '(not shown)',
    'options.typed': '(not shown)',
    'options.nested': '{"deep":"(not shown)","open":"5"}',
    'options.list': '[{"clientSecret":"(not shown)"}]',
    'options.apiKey': '(not shown)',
    'options.tokenLimit': '5',
  });
});
