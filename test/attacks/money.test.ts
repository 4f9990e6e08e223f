// Attacks on money over HTTP: cases E1, E4, E14 and E17 of the attack catalogue. Whatever is sent, and however
// often at once, only what can be paid for is admitted, and the balance is exactly what was paid in less what
// was charged.

import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { field } from '../support/gateway.ts';
import { openMoneyDesk, perCallNano, type MoneyDesk } from './money-desk.ts';
import { chatBody } from './raw-http.ts';

const limitMs = 60_000;

let desk: MoneyDesk;
beforeAll(async () => {
  desk = await openMoneyDesk();
});
afterAll(() => desk.watched.stop());

describe('E1: parallel calls', () => {
  test.each([false, true])(
    'of 500 at once on a balance for one, one is admitted (streamed: %p)',
    async (stream) => {
      const { accountId, apiKey } = await desk.watched.gateway.fundedKey(perCallNano);
      const before = desk.watched.seen.length;
      const body = chatBody('x', { model: 'sim/per-call', stream });
      const answers = await Promise.all(
        Array.from({ length: 500 }, async () => {
          const response = await desk.send(apiKey, body);
          return [response.status, await response.text()] as const;
        }),
      );
      expect(answers.filter(([status]) => status === 200)).toHaveLength(1);
      expect(
        answers.filter(([status, text]) => status === 429 && text.includes('"insufficient_balance"')),
      ).toHaveLength(499);
      expect(desk.watched.seen.length - before).toBe(1);
      expect(await desk.records(accountId)).toHaveLength(1);
      await desk.booksAreExact(accountId, perCallNano);
      expect((await desk.send(apiKey, body)).status).toBe(429);
    },
    limitMs,
  );

  test(
    'of 500 at once under a budget for three, three are admitted',
    async () => {
      const { accountId, apiKey } = await desk.watched.gateway.fundedKey(1_000_000_000n, {
        budgets: { total: { capNano: (3n * perCallNano).toString() } },
      });
      const answers = await Promise.all(
        Array.from(
          { length: 500 },
          async () => (await desk.send(apiKey, chatBody('x', { model: 'sim/per-call' }))).status,
        ),
      );
      expect(answers.filter((status) => status === 200)).toHaveLength(3);
      await desk.booksAreExact(accountId, 1_000_000_000n);
    },
    limitMs,
  );
});

describe('E4: quantities that are none', () => {
  const wrong = [
    '-1',
    '-0',
    '1e20',
    '1e3',
    '1.0',
    '1.5',
    '9007199254740993',
    '18446744073709551615',
    '18446744073709551616',
    '2147483648',
    '"1"',
    '"1e9"',
    'true',
    '[]',
    '{}',
    '[1]',
    '-9223372036854775809',
  ];
  const fields: readonly (readonly [path: string, field: string, more: readonly string[]])[] = [
    ['/chat/completions', 'n', ['0', '129']],
    ['/chat/completions', 'best_of', ['0', '129']],
    ['/chat/completions', 'max_tokens', ['0']],
    ['/chat/completions', 'max_completion_tokens', ['0']],
    ['/chat/completions', 'top_logprobs', ['129']],
    ['/completions', 'n', ['0', '129']],
    ['/completions', 'best_of', ['0', '129']],
    ['/completions', 'max_tokens', []],
    ['/embeddings', 'dimensions', ['0', '65537']],
  ];
  test.each(fields.map(([path, name, more]) => ({ path, name, more })))(
    '$path $name',
    async ({ path, name, more }) => {
      const before = desk.watched.seen.length;
      for (const value of [...wrong, ...more]) {
        const body =
          path === '/embeddings'
            ? `{"model":"sim/embed","input":"x","${name}":${value}}`
            : `{"model":"sim/fast","messages":[{"role":"user","content":"x"}],"prompt":"x","${name}":${value}}`;
        const response = await desk.send(desk.watched.gateway.apiKey, body, path);
        expect([value, response.status]).toEqual([value, 400]);
        expect(field(await response.json(), 'error', 'param')).toBe(name);
      }
      for (const value of ['NaN', 'Infinity', '01', '+1', '0x1', '1_000', '.5']) {
        expect(
          (
            await desk.send(
              desk.watched.gateway.apiKey,
              `{"model":"sim/fast","messages":[],"prompt":"x","input":"x","${name}":${value}}`,
              path,
            )
          ).status,
        ).toBe(400);
      }
      expect(desk.watched.seen.length).toBe(before);
    },
  );
});

describe('E14: near the end of 64 bits', () => {
  const topUp = (accountId: string, amountNano: unknown) =>
    desk.watched.gateway.admin('POST', `/accounts/${accountId}/top-ups`, {
      amountNano,
      currency: 'USD',
      source: 'promotion',
      reason: 'x',
    });
  const largest = 10n ** 18n;

  test('amounts that are none are refused', async () => {
    const { accountId } = await desk.watched.gateway.fundedKey(0n);
    for (const amount of [
      '0',
      '-1',
      '1.5',
      '1e9',
      '01',
      '+1',
      ' 1',
      '9223372036854775808',
      '18446744073709551616',
      (largest + 1n).toString(),
      '',
      'NaN',
      5,
      1e20,
      null,
      true,
      ['1'],
    ]) {
      expect([amount, (await topUp(accountId, amount)).status]).toEqual([amount, 400]);
    }
    await desk.booksAreExact(accountId, 0n);
  });

  test('a balance stops before 2^63, nothing wraps, and the books of the whole house stay readable', async () => {
    for (let account = 0; account < 2; account += 1) {
      const { accountId, apiKey } = await desk.watched.gateway.fundedKey(0n);
      for (let round = 0; round < 9; round += 1)
        expect((await topUp(accountId, largest.toString())).status).toBe(201);
      expect((await topUp(accountId, largest.toString())).status).toBe(400);
      expect((await topUp(accountId, '223372036854775807')).status).toBe(201);
      expect((await topUp(accountId, '1')).status).toBe(400);
      await desk.booksAreExact(accountId, 2n ** 63n - 1n);
      expect((await desk.send(apiKey, chatBody('x'))).status).toBe(200);
      await desk.booksAreExact(accountId, 2n ** 63n - 1n);
    }
    const trial = await desk.watched.gateway.admin('GET', '/ledger/trial-balance');
    expect([trial.status, trial.body['balanced']]).toEqual([200, true]);
    const adjusted = await desk.watched.gateway.fundedKey(10n);
    for (const amountNano of ['-11', '-1000000000000000000']) {
      const { status } = await desk.watched.gateway.admin('POST', `/accounts/${adjusted.accountId}/adjustments`, {
        amountNano,
        currency: 'USD',
        against: 'revenue',
        reason: 'x',
      });
      expect(status).toBe(409);
    }
    await desk.booksAreExact(adjusted.accountId, 10n);
  });
});

describe('E17: changes beside charges', () => {
  test(
    'changing names, limits and budgets undoes no charge, and no charge undoes a change',
    async () => {
      const toppedUp = 1_000_000_000n;
      const { accountId, apiKey, apiKeyId } = await desk.watched.gateway.fundedKey(toppedUp);
      const statuses = await Promise.all(
        Array.from({ length: 120 }, async (_, index) => {
          if (index % 3 === 0)
            return (
              await desk.watched.gateway.admin('PATCH', `/accounts/${accountId}`, {
                name: `name ${index}`,
                limits: { requestsPerMinute: 10_000 + index },
              })
            ).status;
          if (index % 3 === 1)
            return (
              await desk.watched.gateway.admin('PATCH', `/api-keys/${apiKeyId}`, {
                name: `key ${index}`,
                budgets: { total: { capNano: (toppedUp + BigInt(index)).toString() } },
              })
            ).status;
          return (await desk.send(apiKey, chatBody(`call ${index}`))).status;
        }),
      );
      expect(statuses.every((status) => status === 200)).toBe(true);
      expect(await desk.records(accountId)).toHaveLength(40);
      await desk.booksAreExact(accountId, toppedUp);
      await desk.watched.gateway.admin('PATCH', `/accounts/${accountId}`, { name: 'last' });
      const [account, key] = [
        await desk.watched.gateway.admin('GET', `/accounts/${accountId}`),
        await desk.watched.gateway.admin('GET', `/api-keys/${apiKeyId}`),
      ];
      expect([account.body['name'], account.body['status'], key.body['revokedAt']]).toEqual(['last', 'active', null]);
      expect(JSON.stringify(account.body)).toContain('"requestsPerMinute":10');
    },
    limitMs,
  );
});
