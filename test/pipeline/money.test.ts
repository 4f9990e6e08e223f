// Money while a request runs: the hold that grows with a stream, the well-formed end when it can grow no more, the
// refusal that names what would fit, and a balance for one that admits one.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { field } from '../support/gateway.ts';
import { bodyOf, chatBody, leavingClient, newestRecord, openHolds, startStage, type Stage } from './stage.ts';

setDefaultTimeout(60_000);

const holdTokens = 200;
const outputRateNano = 400n;

let stage: Stage;
beforeAll(async () => {
  stage = await startStage({ surroundings: { streamHoldTokens: holdTokens } });
});
afterAll(() => stage.stop());

const ask = (apiKey: string, body: object) =>
  stage.gateway.client('/chat/completions', body, { authorization: `Bearer ${apiKey}` });
const balanceOf = async (accountId: string) =>
  (await stage.gateway.admin('GET', `/accounts/${accountId}/balance`)).body;
const eventsIn = (text: string): readonly unknown[] =>
  text
    .split('\n\n')
    .filter((event) => event.startsWith('data: {'))
    .map((event): unknown => JSON.parse(event.slice('data: '.length)));

describe('a long stream', () => {
  test('extends its hold as it goes, to its end', async () => {
    const { apiKey, accountId } = await stage.gateway.fundedKey(10_000_000n);
    const text = await (await ask(apiKey, chatBody('[[sim: chunks=3000]] x', { stream: true }))).text();
    expect(text.trimEnd()).toEndWith('data: [DONE]');
    const record = await newestRecord(stage.gateway, 1, accountId);
    expect(record).toMatchObject({
      outcome: 'finished',
      usageSource: 'upstream',
      usage: { output: 3000 },
      lossNano: '0',
    });
    // What was held at first would have carried 200.
    expect(BigInt(String(record['heldNano']))).toBeGreaterThanOrEqual(2_700n * outputRateNano);
    expect(BigInt(String(record['heldNano']))).toBeLessThan(4_000n * outputRateNano);
    expect(await balanceOf(accountId)).toMatchObject({
      heldNano: '0',
      postedNano: (10_000_000n - BigInt(String(record['chargeNano']))).toString(),
    });
  });

  test('that has a limit holds no more than that', async () => {
    const { apiKey, accountId } = await stage.gateway.fundedKey(10_000_000n);
    await (await ask(apiKey, chatBody('[[sim: chunks=3000]] x', { stream: true, max_tokens: 500 }))).text();
    const record = await newestRecord(stage.gateway, 1, accountId);
    expect(record).toMatchObject({ outcome: 'finished', usage: { output: 500 } });
    expect(BigInt(String(record['heldNano']))).toBeLessThanOrEqual(500n * outputRateNano + 2_000n * 100n);
  });

  test.each([1_000n, 777n, 260n])('ends well-formed when the money is out: %d tokens of output', async (affordable) => {
    const amountNano = affordable * outputRateNano + 200_000n;
    const { apiKey, accountId } = await stage.gateway.fundedKey(amountNano);
    const answer = await ask(apiKey, chatBody('[[sim: chunks=20000 gap=1]] x', { stream: true }));
    const text = await answer.text();
    expect([answer.status, text.split('data: [DONE]').length - 1]).toEqual([200, 1]);
    expect(text.trimEnd()).toEndWith('data: [DONE]');
    const events = eventsIn(text);
    expect(field(events.at(-1), 'object')).toBe('chat.completion.chunk');
    const choices = field(events.at(-1), 'choices');
    expect(Array.isArray(choices) ? field(choices[0], 'finish_reason') : undefined).toBe('length');
    const record = await newestRecord(stage.gateway, 1, accountId);
    expect(record).toMatchObject({ outcome: 'money-out', usageSource: 'estimated', status: 200, lossNano: '0' });
    // What could be paid for was served, but for less than two looks' worth.
    const output = BigInt(String(field(record, 'usage', 'output')));
    expect(output).toBeLessThanOrEqual(BigInt(events.length));
    expect(output).toBeGreaterThan(affordable / 2n);
    const balance = await balanceOf(accountId);
    expect(balance['heldNano']).toBe('0');
    expect(BigInt(String(balance['postedNano']))).toBeGreaterThanOrEqual(0n);
    expect(amountNano - BigInt(String(balance['postedNano']))).toBe(BigInt(String(record['chargeNano'])));
    expect(stage.simulator.counters().open).toBe(0);
  });
});

describe('what does not fit is refused', () => {
  const limitIn = (text: string) => Number(/max_completion_tokens of at most (\d+)/.exec(text)?.[1]);

  test.each([
    ['whole', {}],
    ['streamed', { stream: true }],
    ['two choices', { n: 2 }],
  ])('naming the largest limit that would fit, and it does: %s', async (_name, more) => {
    const { apiKey, accountId } = await stage.gateway.fundedKey('stream' in more ? 60_000n : 900_000n);
    const body = chatBody('How long may this be?', more);
    const refused = await ask(apiKey, body);
    expect([refused.status, refused.headers.get('x-should-retry'), refused.headers.get('retry-after')]).toEqual([
      429,
      'false',
      null,
    ]);
    const error = field(await refused.json(), 'error');
    expect(field(error, 'code')).toBe('insufficient_balance');
    const limit = limitIn(String(field(error, 'message')));
    expect(limit).toBeGreaterThan(10);
    const above = await ask(apiKey, { ...body, max_completion_tokens: limit + 60 });
    expect([above.status, await above.text()]).toEqual([429, expect.any(String)]);
    const within = await ask(apiKey, { ...body, max_completion_tokens: limit });
    expect(within.status).toBe(200);
    await within.text();
    await newestRecord(stage.gateway, 1, accountId);
  });

  test('without a limit that would, where not even the input fits', async () => {
    const { apiKey } = await stage.gateway.fundedKey(1n);
    const refused = await ask(apiKey, chatBody('hi'));
    expect(await refused.text()).not.toContain('at most');
  });

  test('a picture is not bounded by the words around it', async () => {
    const content = [
      { type: 'text', text: 'What is this?' },
      { type: 'image_url', image_url: { url: 'https://example.com/a.png' } },
    ];
    // Enough for the text and the output, but not for the context that a picture may fill.
    const { apiKey } = await stage.gateway.fundedKey(1_000_000n);
    const refused = await ask(apiKey, { model: 'sim/fast', messages: [{ role: 'user', content }], max_tokens: 10 });
    expect(refused.status).toBe(429);
  });

  test('by a budget of the key, which names the budget', async () => {
    const { apiKey } = await stage.gateway.fundedKey(100_000_000n, { budgets: { day: { capNano: '1000000' } } });
    const refused = await ask(apiKey, chatBody('hi'));
    const text = await refused.text();
    expect([refused.status, refused.headers.get('x-should-retry')]).toEqual([429, 'false']);
    expect(text).toContain('day budget of this key');
    expect((await ask(apiKey, chatBody('hi', { max_tokens: limitIn(text) }))).status).toBe(200);
  });
});

describe('500 calls at once on a balance for exactly one', () => {
  test.each([
    ['whole', {}],
    ['streamed', { stream: true }],
  ])(
    'admit one, %s',
    async (_name, more) => {
      // The one that is admitted outlasts the counting of all the others: once it has ended, its unused hold is free
      // again, and a call that is still being counted may rightly have it.
      const body = chatBody('[[sim: delay=4500]] hello', { max_tokens: 100, ...more });
      // What one of them holds is seen on an account that has plenty.
      const trial = await stage.gateway.fundedKey(1_000_000_000n);
      await (await ask(trial.apiKey, body)).text();
      const heldNano = BigInt(String((await newestRecord(stage.gateway, 1, trial.accountId))['heldNano']));
      const chargeNano = BigInt(String((await newestRecord(stage.gateway, 1, trial.accountId))['chargeNano']));
      const { apiKey, accountId } = await stage.gateway.fundedKey(heldNano);
      const before = stage.simulator.counters().requests;
      const statuses = await Promise.all(
        Array.from({ length: 500 }, async () => {
          const answer = await ask(apiKey, body);
          await answer.text();
          return answer.status;
        }),
      );
      expect(statuses.filter((status) => status === 200)).toHaveLength(1);
      expect(statuses.filter((status) => status === 429)).toHaveLength(499);
      expect(stage.simulator.counters().requests - before).toBe(1);
      await newestRecord(stage.gateway, 1, accountId);
      expect(await balanceOf(accountId)).toMatchObject({
        heldNano: '0',
        postedNano: (heldNano - chargeNano).toString(),
      });
      expect(openHolds(stage.gateway)).toBe(0);
    },
    30_000,
  );
});

test('a client that leaves while its hold grows is charged no more than came', async () => {
  const { apiKey, accountId } = await stage.gateway.fundedKey(10_000_000n);
  const client = leavingClient(
    { url: stage.gateway.url, apiKey },
    chatBody('[[sim: chunks=20000 gap=1]] x', { stream: true }),
  );
  await client.until((raw) => raw.length > 100_000);
  client.socket.destroy();
  const record = await newestRecord(stage.gateway, 1, accountId);
  expect(record['outcome']).toBe('client-left');
  expect(Number(field(record, 'usage', 'output'))).toBeGreaterThan(
    bodyOf(client.received()).split('"content":" tok').length / 2,
  );
  expect(await balanceOf(accountId)).toMatchObject({ heldNano: '0' });
});
