// A usage record shows everything that its charge is made of, and the list hands its filters on as they were asked.

import { expect, test } from 'bun:test';
import { accountId, adminHarness, usageRecord } from './admin-harness.ts';

const stored = [
  { record: usageRecord('req_3'), movementId: 'mov_1' as const },
  {
    record: usageRecord('req_2', {
      outcome: 'upstream-failed',
      upstream: undefined,
      group: undefined,
      firstByteMs: undefined,
      usageText: undefined,
      chargeNano: 0n,
      lines: [],
    }),
    movementId: undefined,
  },
  { record: usageRecord('req_1'), movementId: 'mov_1' as const },
];

test('the detail has lines, price, multipliers and attempts, and comes to the same charge', async () => {
  const { call } = adminHarness([], stored);
  const { status, json } = await call('GET', '/admin/v1/usage/req_3');
  expect(status).toBe(200);
  expect(json).toMatchObject({
    requestId: 'req_3',
    accountId,
    chargeNano: '1750005',
    currency: 'USD',
    movementId: 'mov_1',
    admittedAt: '2026-01-31T12:00:00.000Z',
    usage: { input: 1000, output: 100 },
    charge: {
      priceVersionId: 'prc_1',
      rule: 'standard',
      rates: { input: '2500000', output: '10000000' },
      perCallNano: '5',
      multipliers: [{ of: 'group:friends', ppm: 500000 }],
      lines: [
        { kind: 'quantity', part: 'input', quantity: 1000, ratePerMillion: '2500000', amountPico: '2500000000' },
        { kind: 'quantity', part: 'output', quantity: 100, ratePerMillion: '10000000', amountPico: '1000000000' },
        { kind: 'per-call', amountNano: '5' },
      ],
      recomputedNano: '1750005',
    },
    attempts: [
      { upstream: 'first', provider: 'simulator', status: 200, fault: null, costNano: '900', costCurrency: 'USD' },
    ],
  });
});

test('a request that nobody served is shown with nulls', async () => {
  const { call } = adminHarness([], stored);
  const { json } = await call('GET', '/admin/v1/usage/req_2');
  expect(json).toMatchObject({
    outcome: 'upstream-failed',
    upstream: null,
    group: null,
    firstByteMs: null,
    usageText: null,
    movementId: null,
    chargeNano: '0',
  });
});

test.each(['req_9', 'mov_1', 'req_', '..%2fhealth'])('there is no request %p', async (id) => {
  expect((await adminHarness([], stored).call('GET', `/admin/v1/usage/${id}`)).status).toBe(404);
});

test('the list pages and hands its filters on', async () => {
  const { call, usageAsked } = adminHarness([], stored);
  const filters = `accountId=${accountId}&apiKeyId=key_1&model=a%2Fb&upstream=first&outcome=finished&since=2026-01-01T00:00:00Z&until=2026-02-01T00:00:00.5Z`;
  const first = await call('GET', `/admin/v1/usage?limit=2&${filters}`);
  expect(first.status).toBe(200);
  expect(usageAsked[0]).toEqual({
    limit: 3,
    before: undefined,
    filter: {
      accountId,
      apiKeyId: 'key_1',
      model: 'a/b',
      upstream: 'first',
      outcome: 'finished',
      since: Date.UTC(2026, 0, 1),
      until: Date.UTC(2026, 1, 1, 0, 0, 0, 500),
    },
  });
  expect(first.json['items']).toMatchObject([{ requestId: 'req_3' }, { requestId: 'req_2' }]);
  const second = await call('GET', `/admin/v1/usage?limit=2&cursor=${String(first.json['nextCursor'])}`);
  expect(second.json).toMatchObject({ items: [{ requestId: 'req_1' }], nextCursor: null });
});

test.each([
  'outcome=won',
  'accountId=acc_',
  'accountId=key_1',
  'apiKeyId=%25',
  'model=',
  'since=1',
  'until=2026-13-01T00:00:00Z',
  'userId=usr_1',
])('the filter %p is refused', async (query) => {
  const { call, usageAsked } = adminHarness([], stored);
  expect((await call('GET', `/admin/v1/usage?${query}`)).status).toBe(400);
  expect(usageAsked).toEqual([]);
});
