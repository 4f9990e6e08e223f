// Attacks on charges by time and by chance: cases E7, E12, E13 and E15 of the attack catalogue. E16, kill -9
// between the steps, is `test/faults/kill-ledger.test.ts`.

import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { tokenPrice } from '../../plugins/index.ts';
import { resolveConfig } from '../../src/config/resolve.ts';
import { roundUpToNano } from '../../src/core/money.ts';
import type { GatewayConfig, PriceConfig, PriceTerms, UsageParts } from '../../src/plugin/index.ts';
import { eventually, exchange } from '../simulator/raw-client.ts';
import { field, simulatorModel, testConfig, testRates, textField } from '../support/gateway.ts';
import { startImpatientGateway, type ImpatientGateway } from './impatient-gateway.ts';
import { chatBody, reply, requestBytes } from './raw-http.ts';

const limitMs = 60_000;
const minuteMs = 60_000;
const startAt = Date.parse('2026-11-22T12:00:00Z');
const dearer = { input: 200_000n, cacheRead: 20_000n, output: 800_000n };

let now = startAt;
let timed: ImpatientGateway;
beforeAll(async () => {
  const price = [
    { currency: 'USD', rates: testRates },
    { from: new Date(startAt + 10 * minuteMs).toISOString(), currency: 'USD', rates: dearer },
  ];
  timed = await startImpatientGateway({
    now: () => now,
    config: { models: [simulatorModel('sim/fast', { price })] },
  });
});
afterAll(() => timed.stop());

const request = (content: string, stream: boolean, more: Readonly<Record<string, unknown>> = {}) =>
  requestBytes(
    'POST /v1/chat/completions HTTP/1.1',
    ['host: 127.0.0.1', `authorization: Bearer ${timed.apiKey}`, 'content-type: application/json'],
    chatBody(content, { stream, ...more }),
  );

async function balance() {
  const [account] = await timed.gateway.accounts.accounts.list({ limit: 1 });
  const found = account === undefined ? undefined : await timed.gateway.ledger.balance(account.id);
  if (found === undefined) throw new Error('there is no balance');
  return found;
}

/** The records that were added since there were so many, once there are `more` of them; newest first. */
async function addedSince(before: number, more: number): Promise<readonly unknown[]> {
  let all = await timed.usage();
  const deadline = performance.now() + 10_000;
  while (all.length < before + more && performance.now() < deadline) {
    await Bun.sleep(20);
    all = await timed.usage();
  }
  return all.slice(0, all.length - before);
}

const chargeOf = (record: unknown): bigint => BigInt(textField(record, 'chargeNano'));

describe('E7: a client that leaves', () => {
  const content = 'leave [[sim: chunks=12 gap=40]]';
  const eventsIn = (raw: Buffer): number => raw.toString().split('data: ').length - 1;
  const moments: readonly (readonly [name: string, prompt: string, enough: (raw: Buffer) => boolean])[] = [
    ['before any byte', 'leave [[sim: delay=400 chunks=12]]', () => timed.simulator.counters().open > 0],
    ['after the head', content, (raw) => raw.includes('\r\n\r\n')],
    ['after one token', content, (raw) => eventsIn(raw) >= 2],
    ['one token before the end', content, (raw) => eventsIn(raw) >= 12],
    ['after the last token', content, (raw) => eventsIn(raw) >= 13],
  ];
  const ways = ['FIN', 'RST', 'half-close'] as const;

  for (const way of ways) {
    test.each(moments.map(([name, prompt, enough]) => ({ name, prompt, enough })))(
      `$name, by ${way}: one record, one charge, upstream let go`,
      async ({ prompt, enough }) => {
        const before = (await timed.usage()).length;
        const posted = (await balance()).postedNano;
        const open = exchange(timed.port, request(prompt, true));
        await eventually('the moment has come', () => enough(open.received()));
        if (way === 'RST') open.socket.resetAndDestroy();
        else if (way === 'FIN') open.socket.destroy();
        else open.socket.end();
        const [record, ...others] = await addedSince(before, 1);
        expect(others).toEqual([]);
        await eventually('the upstream is let go', () => timed.simulator.counters().open === 0);
        const charge = chargeOf(record);
        // All that could ever be charged: 12 pieces and the input, which is no longer than the body.
        const full = (BigInt(request(prompt, true).length) * testRates.input + 40n * testRates.output) / 1_000n;
        expect(charge).toBeGreaterThan(0n);
        expect(charge).toBeLessThanOrEqual(full);
        expect(['client-left', 'finished']).toContain(textField(record, 'outcome'));
        expect(await balance()).toMatchObject({ postedNano: posted - charge, heldNano: 0n });
        open.socket.destroy();
      },
      limitMs,
    );
  }

  test(
    'leaving at the very end, many times over: each call has one ending (E15)',
    async () => {
      const before = (await timed.usage()).length;
      const posted = (await balance()).postedNano;
      const calls = 40;
      await Promise.all(
        Array.from({ length: calls }, async (_, index) => {
          const open = exchange(timed.port, request(`end ${index}`, true));
          await open.until((raw) => raw.includes('"finish_reason":"stop"') || raw.includes('[DONE]'));
          if (index % 2 === 0) open.socket.resetAndDestroy();
          else open.socket.destroy();
        }),
      );
      const records = await addedSince(before, calls);
      expect(new Set(records.map((record) => textField(record, 'requestId'))).size).toBe(calls);
      const charged = records.reduce<bigint>((sum, record) => sum + chargeOf(record), 0n);
      expect(records.every((record) => chargeOf(record) > 0n)).toBe(true);
      expect(await balance()).toMatchObject({ postedNano: posted - charged, heldNano: 0n });
    },
    limitMs,
  );
});

describe('E12: prices that change, and prices that are none', () => {
  test(
    'a call is charged by the price under which it was admitted, however long it runs',
    async () => {
      const before = (await timed.usage()).length;
      const open = exchange(timed.port, request('priced [[sim: chunks=6 gap=60]]', true));
      await eventually('it runs', () => open.received().includes('data: '));
      now = startAt + 20 * minuteMs;
      await open.until((raw) => raw.includes('[DONE]'));
      open.socket.destroy();
      expect((await reply(timed.port, request('priced', false))).status).toBe(200);
      const [later, earlier] = await addedSince(before, 2);
      const due = (record: unknown, rates: typeof testRates) =>
        roundUpToNano(
          BigInt(Number(field(record, 'usage', 'input'))) * rates.input +
            BigInt(Number(field(record, 'usage', 'output'))) * rates.output,
          [],
        );
      expect(chargeOf(earlier)).toBe(due(earlier, testRates));
      expect(chargeOf(later)).toBe(due(later, dearer));
    },
    limitMs,
  );

  const sound = testConfig({
    upstreams: [{ name: 'simulator', provider: 'simulator', baseUrl: 'http://127.0.0.1:1/v1', addresses: 'any' }],
  });
  const priced = (price: unknown, multiplierPpm: unknown = 1_000_000): unknown => ({
    ...sound,
    models: [{ ...simulatorModel('sim/fast'), price, multiplierPpm }],
  });
  const problemsOf = (config: unknown) => {
    // What a hand-written config may hold is more than its type allows.
    const result = resolveConfig(config as GatewayConfig, { secret: () => undefined, preset: undefined });
    return result.ok ? [] : result.problems.map(({ path }) => path);
  };

  test('no price that is negative, fractional, text, endless or beyond 64 bits can be declared', () => {
    for (const rate of [
      -1n,
      2n ** 63n,
      -(2n ** 63n),
      0.1 + 0.2,
      1e-15,
      Number.NaN,
      Infinity,
      -0.5,
      1,
      '1',
      null,
      {},
      true,
    ]) {
      for (const part of ['input', 'output', 'cacheRead']) {
        const problems = problemsOf(priced({ currency: 'USD', rates: { ...testRates, [part]: rate } }));
        expect([String(rate), problems.length > 0]).toEqual([String(rate), true]);
      }
      expect(problemsOf(priced({ currency: 'USD', rates: testRates, perCallNano: rate })).length).toBeGreaterThan(0);
    }
    for (const price of [
      undefined,
      {},
      { currency: 'USD' },
      { currency: 'USD', rates: {} },
      { currency: 'usd', rates: testRates },
      { currency: 'USD', rates: { ...testRates, tokens: 1n } },
      [],
    ]) {
      expect(problemsOf(priced(price)).length).toBeGreaterThan(0);
    }
  });

  test('no multiplier below zero, fractional or endless can be declared', () => {
    const price: PriceConfig = { currency: 'USD', rates: testRates };
    for (const multiplier of [-1, -1_000_000, 0.5, Number.NaN, Infinity, 1e10, '1', 1n, null]) {
      expect([String(multiplier), problemsOf(priced(price, multiplier)).length > 0]).toEqual([
        String(multiplier),
        true,
      ]);
      expect(problemsOf({ ...sound, groups: [{ name: 'g', multiplierPpm: multiplier }] }).length).toBeGreaterThan(0);
    }
    expect(problemsOf(priced(price))).toEqual([]);
  });
});

describe('E13: many small calls', () => {
  const rule = tokenPrice().create({});
  const termsOf = (rates: PriceTerms['rates'], multipliersPpm: readonly number[]): PriceTerms => ({
    priceVersionId: 'prc_1',
    currency: 'USD',
    rates,
    perCallNano: 0n,
    multipliersPpm,
  });

  test.each([1n, 333n, 999n, 1_000n, 1_001n, 100_000n])(
    '100,000 calls of one token at %d pico: never below the raw cost, never a nano above for a call',
    (rate) => {
      const terms = termsOf({ input: rate, output: rate }, []);
      let charged = 0n;
      for (let call = 0; call < 100_000; call += 1)
        charged += rule.charge(terms, call % 2 === 0 ? { input: 1 } : { output: 1 }).totalNano;
      const rawPico = 100_000n * rate;
      expect(charged * 1_000n).toBeGreaterThanOrEqual(rawPico);
      expect(charged * 1_000n - rawPico).toBeLessThan(100_000n * 1_000n);
    },
  );

  test('any usage at any price and factors: rounded once, upward, by less than a nano', () => {
    const quantity = fc.integer({ min: 0, max: 2_000_000 });
    const rate = fc.bigInt({ min: 0n, max: 10n ** 9n });
    const ppm = fc.integer({ min: 0, max: 10_000_000 });
    fc.assert(
      fc.property(
        quantity,
        quantity,
        rate,
        rate,
        fc.array(ppm, { maxLength: 3 }),
        (input, output, inputRate, outputRate, multipliers) => {
          const usage: UsageParts = { input, output };
          const total = rule.charge(termsOf({ input: inputRate, output: outputRate }, multipliers), usage).totalNano;
          const factor = multipliers.reduce((product, each) => product * BigInt(each), 1n);
          const rawTimes = (BigInt(input) * inputRate + BigInt(output) * outputRate) * factor;
          const unit = 1_000n * 1_000_000n ** BigInt(multipliers.length);
          expect(total * unit >= rawTimes && total * unit - rawTimes < unit).toBe(true);
        },
      ),
    );
  });
});

describe('E15: two endings of one hold', () => {
  test(
    'a hold that has expired is not settled as well',
    async () => {
      const before = (await timed.usage()).length;
      const posted = (await balance()).postedNano;
      const open = exchange(timed.port, request('slow [[sim: chunks=30 gap=100]]', true));
      await eventually('it runs', () => open.received().includes('data: '));
      now += 3 * 60 * minuteMs;
      await open.until((raw) => raw.includes('[DONE]') || raw.includes('"error"'));
      open.socket.destroy();
      const records = await addedSince(before, 1);
      expect(records).toHaveLength(1);
      expect(await balance()).toMatchObject({ postedNano: posted - chargeOf(records[0]), heldNano: 0n });
      expect((await timed.usage()).length).toBe(before + 1);
    },
    limitMs,
  );
});
