// Case G9 of the attack catalogue: clocks and languages. The time of day may jump either way, the machine may be
// anywhere and speak any language: what is measured is measured by a clock that never jumps, days and months are those
// of UTC, and money, keys and records come out of it whole.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { join } from 'node:path';
import { verifyLedger } from '../../src/domain/ledger/verify.ts';
import { recomputeCharge } from '../../src/domain/ledger/recompute-charge.ts';
import { tokenPrice } from '../../plugins/index.ts';
import { resolveConfig } from '../../src/config/resolve.ts';
import { startExecutable } from '../support/executable.ts';
import { field, gatewayCalls, simulatorModel, testConfig, textField, type GatewayCalls } from '../support/gateway.ts';
import { startImpatientGateway, type ImpatientGateway } from './impatient-gateway.ts';

setDefaultTimeout(60_000);
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const chat = (more: object = {}) => ({
  model: 'sim/fast', max_tokens: 1, messages: [{ role: 'user', content: 'x' }], ...more,
});

describe('G9: a clock that jumps', () => {
  let now = Date.parse('2026-03-28T12:00:00Z');
  let running: ImpatientGateway;
  let calls: GatewayCalls;
  beforeAll(async () => {
    running = await startImpatientGateway({ now: () => now });
    calls = gatewayCalls(`http://127.0.0.1:${running.port}`, running.apiKey, running.operatorKey);
  });
  afterAll(() => running.stop());
  const at = (text: string): void => void (now = Date.parse(text));
  const statusOf = async (key: string): Promise<number> => {
    const response = await calls.client('/chat/completions', chat(), { authorization: `Bearer ${key}` });
    await response.text();
    return response.status;
  };

  test('neither forwards nor backwards gives a limit of a minute back, or takes it for longer', async () => {
    const { apiKey } = await calls.fundedKey(10_000_000n, { limits: { requestsPerMinute: 3 } });
    for (const _ of [1, 2, 3]) expect(await statusOf(apiKey)).toBe(200);
    for (const jump of [HOUR_MS, -2 * HOUR_MS, 400 * DAY_MS, -800 * DAY_MS]) {
      now += jump;
      const refused = await calls.client('/chat/completions', chat(), { authorization: `Bearer ${apiKey}` });
      expect(refused.status).toBe(429);
      expect(Number(refused.headers.get('retry-after'))).toBeLessThanOrEqual(62);
    }
    at('2026-03-28T12:00:00Z');
  });

  test('expires no hold of a running stream, cuts it by no deadline, and charges it once', async () => {
    const messages = [{ role: 'user', content: '[[sim:chunks=125]] x' }];
    for (const jump of [10 * 365 * DAY_MS, -10 * 365 * DAY_MS]) {
      const { accountId, apiKey } = await calls.fundedKey(1_000_000_000n);
      const response = await calls.client(
        '/chat/completions',
        chat({ model: 'sim/echo', stream: true, max_tokens: 400, messages }),
        { authorization: `Bearer ${apiKey}` },
      );
      expect(response.status).toBe(200);
      now += jump;
      // Longer than the ledger takes to look for holds that outlived their deadline.
      expect(await response.text()).toEndWith('data: [DONE]\n\n');
      const balance = (await calls.admin('GET', `/accounts/${accountId}/balance`)).body;
      expect(balance['heldNano']).toBe('0');
      const record: unknown = (await running.usage()).find((each) => field(each, 'accountId') === accountId);
      expect(field(record, 'outcome')).toBe('finished');
      expect(BigInt(textField(balance, 'postedNano')) + BigInt(textField(record, 'chargeNano'))).toBe(1_000_000_000n);
    }
    expect(running.log.filter((line) => line.includes('expired'))).toEqual([]);
  });

  test('budgets are of UTC days and months; a day that comes again remembers what it spent', async () => {
    for (const [window, last, next] of [
      ['day', '2026-03-28T23:59:59.999Z', '2026-03-29T00:00:00Z'],
      ['month', '2026-03-31T23:59:59.999Z', '2026-04-01T00:00:00Z'],
      ['month', '2027-12-31T23:59:59.999Z', '2028-01-01T00:00:00Z'],
      ['day', '2038-01-19T23:59:59.999Z', '2038-01-20T00:00:00Z'],
    ] as const) {
      at(last);
      const { apiKey } = await calls.fundedKey(1_000_000_000n, { budgets: { [window]: { capNano: '150000' } } });
      let allowed = 0;
      while (allowed < 500 && (await statusOf(apiKey)) === 200) allowed += 1;
      expect([window, allowed > 2 && allowed < 500]).toEqual([window, true]);
      at(next);
      expect([next, await statusOf(apiKey)]).toEqual([next, 200]);
      // An hour back, as where summer time ends, or by whoever sets the clock to spend a day's money twice.
      now -= HOUR_MS;
      expect([last, await statusOf(apiKey)]).toEqual([last, 429]);
      at(next);
      expect(await statusOf(apiKey)).toBe(200);
    }
  });

  test('a key ends at its time, and is a key again where the time comes again; a deleted one never is', async () => {
    at('2026-10-25T00:30:00Z');
    const { apiKey, apiKeyId } = await calls.fundedKey(1_000_000n, { expiresAt: '2026-10-25T01:00:00Z' });
    expect(await statusOf(apiKey)).toBe(200);
    at('2026-10-25T01:00:00Z');
    expect(await statusOf(apiKey)).toBe(401);
    at('2026-10-25T00:59:59Z');
    expect(await statusOf(apiKey)).toBe(200);
    expect((await calls.admin('DELETE', `/api-keys/${apiKeyId}`)).status).toBeLessThan(300);
    for (const time of ['2026-10-25T00:00:00Z', '1999-01-01T00:00:00Z', '2050-01-01T00:00:00Z']) {
      at(time);
      expect([time, await statusOf(apiKey)]).toEqual([time, 401]);
    }
  });

  test('repetitions do nothing twice, however far apart the clock says they are', async () => {
    at('2026-06-01T00:00:00Z');
    const { accountId } = await calls.fundedKey(0n);
    const topUp = { amountNano: '5', currency: 'USD', source: 'promotion', reason: 'r' };
    const groups = new Set<unknown>();
    for (const jump of [0, 30 * HOUR_MS, -60 * HOUR_MS, 3_000 * DAY_MS]) {
      now += jump;
      const headers = { 'idempotency-key': 'g9' };
      expect((await calls.admin('POST', `/accounts/${accountId}/top-ups`, topUp, headers)).status).toBe(201);
      const group = await calls.admin('POST', '/groups', { name: 'g9' }, { 'idempotency-key': 'g9-group' });
      groups.add(JSON.stringify([group.status, group.body]));
    }
    expect((await calls.admin('GET', `/accounts/${accountId}/balance`)).body['postedNano']).toBe('5');
    expect(groups.size).toBe(1);
  });

  test('odd times are served and recorded: 32 bits past, a leap second, centuries', async () => {
    const { accountId, apiKey } = await calls.fundedKey(10_000_000n);
    const asked = [
      '2038-01-19T03:14:07.999Z', '2038-01-19T03:14:08.000Z', '2016-12-31T23:59:59.999Z', '2016-12-31T23:59:59.000Z',
      '2106-02-07T06:28:16.000Z', '2100-02-28T23:59:59.999Z', '9999-12-31T23:59:59.000Z', '1970-01-01T00:00:00.000Z',
    ];
    for (const time of asked) {
      at(time);
      expect([time, await statusOf(apiKey)]).toEqual([time, 200]);
    }
    const records = (await running.usage()).filter((each) => field(each, 'accountId') === accountId);
    expect(records.map((each) => field(each, 'admittedAt')).toSorted()).toEqual(asked.toSorted());
    const leap = await calls.admin('PATCH', `/accounts/${accountId}`, { name: 'leap' });
    expect(leap.status).toBe(200);
    at('2026-06-01T00:00:00Z');
  });

  test('after all of that the books are in order', async () => {
    await running.gateway.ledger.settled();
    const { rule } = ruleOf();
    const chargeOf = (record: Parameters<typeof recomputeCharge>[0]) => recomputeCharge(record, () => rule);
    const { ok, faults } = verifyLedger({ folder: running.dataFolder, chargeOf });
    expect([ok, faults]).toEqual([true, []]);
  });
});

/** The rule that the models above are charged by. */
function ruleOf() {
  const baseUrl = 'http://127.0.0.1:9/v1';
  const upstreams = [{ name: 'simulator', provider: 'simulator', baseUrl, addresses: 'any' }] as const;
  const config = testConfig({ upstreams, billing: [tokenPrice()], models: [simulatorModel('sim/echo')] });
  const result = resolveConfig(config, { secret: () => undefined, preset: undefined });
  const rule = result.ok ? result.resolved.billing[0]?.plugin : undefined;
  if (rule === undefined) throw new Error('no rule');
  return { rule };
}

/** Zones at both ends, with half hours, with summer time, and none; languages with other digits and another i. */
const places: readonly Readonly<Record<string, string>>[] = [
  { TZ: 'UTC', LC_ALL: 'C' },
  { TZ: 'Pacific/Kiritimati', LC_ALL: 'tr_TR.UTF-8', LANG: 'tr_TR.UTF-8' },
  { TZ: 'Pacific/Pago_Pago', LC_ALL: 'ar_EG.UTF-8', LANGUAGE: 'ar' },
  { TZ: 'America/St_Johns', LC_ALL: 'hi_IN.UTF-8', LANG: 'hi_IN@numbers=deva' },
  { TZ: 'Europe/Berlin', LC_ALL: 'de_DE.UTF-8' },
  { TZ: 'Nowhere/Here', LC_ALL: 'xx_XX' },
];

describe('G9: a machine somewhere', () => {
  test('reads and writes dates, letters and numbers as everywhere', async () => {
    const offsets = new Set<unknown>();
    const outputs = await Promise.all(
      places.map(async (place) => {
        const child = Bun.spawn([process.execPath, join(import.meta.dir, 'clock-child.ts')], {
          env: { PATH: process.env['PATH'], ...place }, stdin: 'ignore', stdout: 'pipe', stderr: 'inherit',
        });
        const [offset, text = ''] = (await child.stdout.text()).split('\n');
        offsets.add(offset);
        return text;
      }),
    );
    // The places are real ones to the runtime.
    expect(offsets.size).toBe(5);
    const [first = ''] = outputs;
    expect(first.length).toBeGreaterThan(1_000);
    for (const [index, output] of outputs.entries()) expect([places[index], output]).toEqual([places[index], first]);
    // And what it reads is right, not only the same.
    const parsed: unknown = JSON.parse(first);
    expect(field(parsed, 'dated')).toMatchObject([
      expect.arrayContaining([[null, Date.parse('2026-03-29T02:30:00Z')]]),
      expect.arrayContaining([[null, Date.parse('2038-01-19T03:14:08Z')]]),
      [{ path: expect.stringContaining('from') }],
      [{ path: expect.stringContaining('from') }],
    ]);
    expect(field(parsed, 'periods')).toMatchObject({ 6: [20818, 683], 7: [20819, 684] });
  });

  test('the executable tells UTC, takes keys by UTC, and prints plain digits', async () => {
    for (const place of places.slice(1, 4)) {
      const running = await startExecutable({ environment: place });
      const soon = new Date(Date.now() + HOUR_MS).toISOString();
      const { apiKey } = await running.fundedKey(100_000_000n, { expiresAt: soon });
      const response = await running.client('/chat/completions', chat(), { authorization: `Bearer ${apiKey}` });
      expect(response.status).toBe(200);
      const past = new Date(Date.now() - 60_000).toISOString();
      const { accountId } = await running.fundedKey(0n);
      const late = await running.admin('POST', '/api-keys', { accountId, name: 'k', expiresAt: past });
      expect([place, late.status]).toEqual([place, 400]);
      const usage = (await running.admin('GET', '/usage')).body['items'];
      const admittedAt = textField(Array.isArray(usage) ? usage[0] : undefined, 'admittedAt');
      expect(admittedAt).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
      expect(Math.abs(Date.parse(admittedAt) - Date.now())).toBeLessThan(60_000);
      for (const line of running.errors().split('\n').filter((each) => each !== '')) {
        expect(field(JSON.parse(line), 'at')).toMatch(/^[\x20-\x7e]+Z$/);
      }
      expect(await running.stop()).toBe(0);
    }
  });
});
