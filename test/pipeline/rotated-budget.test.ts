// Replacing a key is no way to get its budget anew: what it spent counts for its successor, and the other way round.

import { expect, test } from 'bun:test';
import { textField } from '../support/gateway.ts';
import { chatBody, newestRecord, startStage } from './stage.ts';

test('a key that is replaced leaves its successor what is left of its budget', async () => {
  const stage = await startStage();
  try {
    const { gateway } = stage;
    const budgets = { total: { capNano: '100000' } };
    const { apiKey, apiKeyId, accountId } = await gateway.fundedKey(1_000_000_000n, { budgets });
    // One of them holds at most 75,000 and is charged more than 40,000.
    const body = chatBody('[[sim: chunks=100]] x', { max_tokens: 150 });
    const ask = async (key: string) =>
      (await gateway.client('/chat/completions', body, { authorization: `Bearer ${key}` })).status;
    expect(await ask(apiKey)).toBe(200);
    const record = await newestRecord(gateway, 1, accountId);
    expect(BigInt(String(record['chargeNano']))).toBeGreaterThan(40_000n);
    const rotated = await gateway.admin('POST', `/api-keys/${apiKeyId}/rotate`, {});
    const successor = textField(rotated.body, 'key');
    expect([await ask(successor), await ask(apiKey)]).toEqual([429, 429]);
    // A key of the same account that was never replaced has its own.
    const fresh = await gateway.admin('POST', '/api-keys', { accountId, name: 'fresh', budgets });
    expect(await ask(textField(fresh.body, 'key'))).toBe(200);
  } finally {
    await stage.stop();
  }
});
