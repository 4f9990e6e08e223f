// Providers are only as careful as their authors. What one reads out of a usage block must leave no hold open, no
// limit taken, and no record that the ledger cannot load.

import { afterAll, beforeAll, expect, test } from 'bun:test';
import { defineProvider, simulatorAddress, Type, type UsageParts } from '../../src/plugin/index.ts';
import { openAiCompatible, simulator } from '../../plugins/index.ts';
import { simulatorModel, startTestGateway, testConfig, testRates, type TestGateway } from '../support/gateway.ts';
import { chatBody, newestRecord, openHolds } from './stage.ts';

let reads: UsageParts = {};
const usual = simulator();

/** The simulator's provider, but for what it makes of a usage block. */
const careless = defineProvider({
  name: 'careless',
  version: '1.0.0',
  summary: 'Reads whatever the test says',
  options: Type.Object({}, { additionalProperties: false }),
  create: () => ({ ...usual.create({}), usage: () => ({ parts: reads, flags: [] }) }),
});

const dear = 10n ** 18n;
let gateway: TestGateway;
beforeAll(async () => {
  const cost = { currency: 'USD', rates: { input: 1n, output: 1n, seconds: dear } };
  gateway = await startTestGateway({
    config: testConfig({
      providers: [openAiCompatible(), simulator(), careless()],
      upstreams: [{ name: 'careless', provider: 'careless', baseUrl: simulatorAddress, addresses: 'any' }],
      models: [
        simulatorModel('sim/fast', {
          price: { currency: 'USD', rates: { ...testRates, seconds: 0n } },
          offers: [{ upstream: 'careless', cost }],
        }),
      ],
    }),
  });
});
afterAll(() => gateway.stop());

const cases: readonly (readonly [string, UsageParts])[] = [
  ['a negative quantity', { input: -1, output: 5 }],
  ['a fraction', { input: 1.5, output: 5 }],
  ['no number at all', { input: Number.NaN, output: 5 }],
  ['more than can be counted', { input: 2 ** 60, output: 5 }],
];

test.each(cases)('%s is not believed, and the record can be loaded', async (_, parts) => {
  reads = parts;
  const { apiKey, accountId } = await gateway.fundedKey(10_000_000_000n);
  const reply = await gateway.client('/chat/completions', chatBody('x'), { authorization: `Bearer ${apiKey}` });
  expect(reply.status).toBe(200);
  const record = await newestRecord(gateway, 1, accountId);
  expect(record).toMatchObject({ outcome: 'finished', usageSource: 'estimated' });
  expect(record['flags']).toContain('not-an-integer');
  expect(openHolds(gateway)).toBe(0);
});

test('a cost that no ledger can hold is recorded as unknown, not as a number', async () => {
  reads = { input: 10, output: 5, seconds: 2 ** 50 };
  const { apiKey, accountId } = await gateway.fundedKey(10_000_000_000n);
  const reply = await gateway.client('/chat/completions', chatBody('x'), { authorization: `Bearer ${apiKey}` });
  expect(reply.status).toBe(200);
  const record = await newestRecord(gateway, 1, accountId);
  expect(record).toMatchObject({ outcome: 'finished', attempts: [{ costNano: null }] });
  expect(openHolds(gateway)).toBe(0);
});
