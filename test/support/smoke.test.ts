// The harness itself: the first line that a new operator pastes works, and its charge can be seen.

import { afterAll, beforeAll, expect, test } from 'bun:test';
import { startTestGateway, type TestGateway } from './gateway.ts';

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startTestGateway();
});
afterAll(() => gateway.stop());

test('the pasted line is answered, charged and listed', async () => {
  const response = await gateway.client('/chat/completions', {
    model: 'sim/fast',
    messages: [{ role: 'user', content: 'Hello' }],
  });
  expect(response.status).toBe(200);
  const usage = await gateway.admin('GET', '/usage');
  expect(usage.status).toBe(200);
  const funded = await gateway.fundedKey(1_000_000_000n);
  expect(funded.apiKey).toStartWith('tg_');
  const balance = await gateway.admin('GET', `/accounts/${funded.accountId}/balance`);
  expect(balance.body['postedNano']).toBe('1000000000');
});
