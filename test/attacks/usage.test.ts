// Attacks on what is counted: cases E5, E6 and E8 of the attack catalogue. Each call has one record, its
// charge follows from the record alone, and no upstream's claim makes it negative, doubled, or more than the
// model can do.

import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { field, testRates, textField } from '../support/gateway.ts';
import {
  chargeOf,
  contextTokens,
  hostileUsage,
  openMoneyDesk,
  outputTokensMax,
  type MoneyDesk,
} from './money-desk.ts';
import { chatBody } from './raw-http.ts';

let desk: MoneyDesk;
beforeAll(async () => {
  desk = await openMoneyDesk();
});
afterAll(() => desk.watched.stop());

describe('E5: everything that is generated is counted', () => {
  const tools = [
    { type: 'function', function: { name: 'look', parameters: {} } },
    { type: 'function', function: { name: 'find', parameters: {} } },
  ];
  const cases: readonly (readonly [name: string, path: string, body: Readonly<Record<string, unknown>>])[] = [
    ['three choices', '/chat/completions', { messages: [{ role: 'user', content: 'one two three' }], n: 3 }],
    ['best_of', '/completions', { prompt: 'one two three', best_of: 4, n: 2 }],
    ['many prompts', '/completions', { prompt: ['one', 'two two', 'three three three'], n: 2 }],
    [
      'parallel tool calls',
      '/chat/completions',
      { messages: [{ role: 'user', content: 'call look and call find' }], tools },
    ],
    [
      'reasoning and cached input',
      '/chat/completions',
      { messages: [{ role: 'user', content: `${'long '.repeat(100)}[[sim: reasoning=40 cached=30]]` }] },
    ],
  ];
  for (const stream of [false, true]) {
    test.each(cases.map(([name, path, body]) => ({ name, path, body })))(
      `$name (streamed: ${stream})`,
      async ({ path, body }) => {
        const { accountId, apiKey } = await desk.watched.gateway.fundedKey(1_000_000_000n);
        const response = await desk.send(
          apiKey,
          JSON.stringify({
            model: 'sim/fast',
            stream,
            ...(stream ? { stream_options: { include_usage: true } } : {}),
            ...body,
          }),
          path,
        );
        const text = await response.text();
        expect(response.status).toBe(200);
        const reported = /"usage":(\{.*?\}\}|\{[^{}]*\})/.exec(text.slice(text.lastIndexOf('"usage":{')))?.[1] ?? '';
        const stated: unknown = JSON.parse(reported);
        const [record] = await desk.records(accountId);
        const detail = await desk.detailOf(record);
        const usage = Object.values(field(record, 'usage') ?? {}).reduce<number>(
          (sum, part) => sum + Number(part),
          0,
        );
        expect([usage, field(record, 'usageSource')]).toEqual([Number(field(stated, 'total_tokens')), 'upstream']);
        expect(textField(detail, 'charge', 'recomputedNano')).toBe(textField(record, 'chargeNano'));
        expect(chargeOf(record)).toBeGreaterThan(0n);
        await desk.booksAreExact(accountId, 1_000_000_000n);
      },
    );
  }
});

describe('E6: a client that wants no usage', () => {
  test.each([
    '',
    '"stream_options":null,',
    '"stream_options":{},',
    '"stream_options":{"include_usage":false},',
    '"stream_options":{"include_usage":null},',
    '"stream_options":{"include_obfuscation":false},',
  ])('%s pays all the same, and sees none', async (options) => {
    const { accountId, apiKey } = await desk.watched.gateway.fundedKey(1_000_000_000n);
    const response = await desk.send(
      apiKey,
      `{"model":"sim/fast","stream":true,${options}"messages":[{"role":"user","content":"a b c"}]}`,
    );
    const text = await response.text();
    expect([response.status, text.includes('"usage":{'), text.endsWith('data: [DONE]\n\n')]).toEqual([
      200,
      false,
      true,
    ]);
    const sent: unknown = JSON.parse(Buffer.from(desk.watched.seen.at(-1)?.body ?? []).toString());
    expect(field(sent, 'stream_options', 'include_usage')).toBe(true);
    const [record] = await desk.records(accountId);
    expect([field(record, 'usageSource'), chargeOf(record) > 0n]).toEqual(['upstream', true]);
  });

  test('odd shapes are refused', async () => {
    const before = desk.watched.seen.length;
    for (const options of [
      '[]',
      'true',
      '"x"',
      '1',
      '{"include_usage":"false"}',
      '{"include_usage":0}',
      '{"include_usage":[]}',
      '{"Include_Usage":false}',
    ]) {
      const response = await desk.send(
        desk.watched.gateway.apiKey,
        `{"model":"sim/fast","stream":true,"stream_options":${options},"messages":[{"role":"user","content":"x"}]}`,
      );
      expect([options, response.status]).toEqual([options, 400]);
    }
    for (const stream of ['"true"', '1', '[]']) {
      expect(
        (
          await desk.send(
            desk.watched.gateway.apiKey,
            `{"model":"sim/fast","stream":${stream},"messages":[{"role":"user","content":"x"}]}`,
          )
        ).status,
      ).toBe(400);
    }
    expect(desk.watched.seen.length).toBe(before);
  });
});

describe('E8: an upstream that lies about usage', () => {
  const content = 'word '.repeat(60).trim();
  /** Nobody can be charged for more than the model can take and make. */
  const capNano =
    (BigInt(contextTokens) * testRates.input + BigInt(outputTokensMax) * testRates.output) / 1_000n + 1n;
  const honest = new Set(['forged', 'twice', 'early', 'doubles']);

  for (const stream of [false, true]) {
    test.each(hostileUsage)(`%s (streamed: ${stream})`, async (variant) => {
      const { accountId, apiKey } = await desk.watched.gateway.fundedKey(1_000_000_000n);
      const response = await desk.send(apiKey, chatBody(content, { model: `sim/u23-${variant}`, stream }));
      const text = await response.text();
      const [record, ...others] = await desk.records(accountId);
      expect(others).toEqual([]);
      await desk.booksAreExact(accountId, 1_000_000_000n);
      const charge = chargeOf(record);
      expect(charge).toBeLessThanOrEqual(capNano);
      expect(textField(await desk.detailOf(record), 'charge', 'recomputedNano')).toBe(charge.toString());
      for (const quantity of Object.values(field(record, 'usage') ?? {}))
        expect(Number.isSafeInteger(quantity) && Number(quantity) >= 0).toBe(true);
      if (response.status !== 200) {
        expect([charge, text.includes('upstream_failed')]).toEqual([0n, true]);
        return;
      }
      // A quarter of the bytes that were delivered, as output alone, is the least.
      const flags = field(record, 'flags');
      expect(charge).toBeGreaterThanOrEqual((BigInt(Math.floor(content.length / 8)) * testRates.output) / 1_000n);
      if (!honest.has(variant) && variant !== 'over' && variant !== 'growing')
        expect([variant, Array.isArray(flags) && flags.length > 0]).toEqual([variant, true]);
      expect(field(record, 'outcome')).toBe('finished');
    });
  }
});
