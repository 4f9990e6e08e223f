// `/metrics` of a whole gateway: who may read it, that it is what was done, and, as case G8 of the attack catalogue has
// it, that no tenant shows in it and nobody can make it grow.

import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { termsAcceptance } from '../../../plugins/index.ts';
import { allow, definePolicy, Type } from '../../../src/plugin/index.ts';
import { startTestGateway, simulatorModel, testConfig, textField, type TestGateway } from '../../support/gateway.ts';
import { families } from '../../../src/http/metrics/families.ts';
import { readExposition, type ReadFamily } from './read-exposition.ts';
import { eventually } from '../../pipeline/stage.ts';

/** Denies one model everywhere, and breaks at another. */
const notThere = definePolicy({
  name: 'not-there',
  version: '1.0.0',
  summary: 'Denies one model.',
  options: Type.Object({}),
  create: () => ({
    gates: ['use'],
    asks: 'upstream',
    clauses: ['N1'],
    onFailure: 'allow',
    deadlineMs: 1_000,
    judge(facts) {
      if (facts.model === 'breaks') throw new Error('broken');
      if (facts.model !== 'lonely') return allow;
      return { verdict: 'deny', code: 'policy_refused', clause: 'N1', message: 'No.', remedy: '', link: undefined };
    },
  }),
});

let metricsKey: string;
let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startTestGateway({
    config: testConfig({
      policies: [termsAcceptance(), notThere()],
      models: [
        ...['sim/echo', 'sim/fast', 'sim/u02'].map((name) => simulatorModel(name)),
        ...['lonely', 'breaks'].map((name) =>
          simulatorModel(name, { offers: [{ upstream: 'simulator', model: 'sim/fast' }] }),
        ),
      ],
    }),
  });
  const made = await gateway.admin('POST', '/operator-keys', { name: 'prometheus', scopes: ['metrics'] });
  metricsKey = textField(made.body, 'key');
});
afterAll(() => gateway.stop());

const scrape = (key: string | undefined, method = 'GET') =>
  fetch(`${gateway.url}/metrics`, { method, headers: key === undefined ? {} : { authorization: `Bearer ${key}` } });

async function page(): Promise<ReadonlyMap<string, ReadFamily>> {
  const response = await scrape(metricsKey);
  expect(response.status).toBe(200);
  expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
  return readExposition(await response.text());
}

/** The sum over all samples of a family whose labels are at least these. */
async function total(
  family: { readonly name: string },
  labels: Readonly<Record<string, string>> = {},
): Promise<number> {
  const samples = (await page()).get(family.name)?.samples ?? [];
  return samples
    .filter((sample) => Object.entries(labels).every(([name, value]) => sample.labels[name] === value))
    .reduce((sum, { value }) => sum + value, 0);
}

const chat = (model: string, more: object = {}, headers: Record<string, string> = {}) =>
  gateway.client(
    '/chat/completions',
    { model, messages: [{ role: 'user', content: 'one two three' }], ...more },
    headers,
  );

describe('G8: who may read it', () => {
  test('nobody without a key, with a wrong one, or with an API key', async () => {
    for (const key of [undefined, 'wrong', gateway.apiKey, `${metricsKey}x`]) {
      const response = await scrape(key);
      expect(response.status).toBe(401);
      expect(response.headers.get('www-authenticate')).toBe('Bearer');
      expect(await response.text()).not.toContain('tollgate_');
    }
  });

  test('the operator, and the key for metrics, which opens nothing else', async () => {
    expect((await scrape(gateway.operatorKey)).status).toBe(200);
    expect((await scrape(metricsKey)).status).toBe(200);
    const admin = await fetch(`${gateway.url}/admin/v1/accounts`, {
      headers: { authorization: `Bearer ${metricsKey}` },
    });
    expect(admin.status).toBe(403);
    const client = await gateway.client('/chat/completions', {}, { authorization: `Bearer ${metricsKey}` });
    expect(client.status).toBe(401);
  });

  test('HEAD has the same head and no body', async () => {
    const response = await scrape(metricsKey, 'HEAD');
    expect([response.status, await response.text()]).toEqual([200, '']);
    expect((await scrape(undefined, 'HEAD')).status).toBe(401);
    expect((await scrape(metricsKey, 'POST')).status).toBe(404);
  });
});

describe('what it says', () => {
  test('has every family that is declared, with the labels that are declared', async () => {
    await chat('sim/fast');
    const read = await page();
    const declared = Object.values(families);
    expect([...read.keys()].toSorted()).toEqual(declared.map(({ name }) => name).toSorted());
    for (const { name, labels } of declared) {
      const allowed = new Set<string>([...labels, 'le']);
      for (const sample of read.get(name)?.samples ?? []) {
        for (const label of Object.keys(sample.labels)) expect(allowed).toContain(label);
      }
    }
  });

  test('counts requests as they ended, their tokens, and their charges to the nano-unit', async () => {
    const before = {
      ok: await total(families.requests, { model: 'sim/echo' }),
      firstByte: await total(families.firstByte),
    };
    for (const stream of [false, true, false]) await (await chat('sim/echo', { stream })).text();
    expect(await total(families.requests, { model: 'sim/echo', outcome: 'finished', status: '2xx' })).toBe(
      before.ok + 3,
    );
    expect(await total(families.firstByte)).toBeGreaterThan(before.firstByte);
    const { body } = await gateway.admin('GET', '/usage?limit=200&model=sim%2Fecho');
    const items = Array.isArray(body['items']) ? body['items'] : [];
    const nano = items.reduce<bigint>((sum, item) => sum + BigInt(textField(item, 'chargeNano')), 0n);
    const charged = (await page())
      .get(families.charges.name)
      ?.samples.filter(({ labels }) => labels['model'] === 'sim/echo');
    expect(nano).toBeGreaterThan(0n);
    expect(charged?.map(({ text, labels }) => [text, labels['currency']])).toEqual([
      [`0.${nano.toString().padStart(9, '0')}`, 'USD'],
    ]);
  });

  test('counts refusals by code, failed attempts by fault, and keeps holds and streams in sight', async () => {
    await chat('sim/nobody-has-this');
    await chat('sim/fast', {}, { authorization: 'Bearer nonsense' });
    expect(await total(families.refusals, { code: 'model_not_found' })).toBe(1);
    expect(await total(families.refusals, { code: 'unauthenticated' })).toBeGreaterThanOrEqual(1);
    await (await chat('sim/u02')).text();
    expect(await total(families.requests, { model: 'sim/u02', outcome: 'upstream-failed' })).toBe(1);
    expect(await total(families.requests, { model: 'sim/u02', status: '2xx' })).toBe(0);
    const attempts = (await page()).get(families.attempts.name)?.samples ?? [];
    expect(attempts.filter(({ labels }) => labels['fault'] !== 'none').length).toBeGreaterThan(0);
    const stop = new AbortController();
    const open = await gateway.client(
      '/chat/completions',
      { model: 'sim/echo', stream: true, messages: [{ role: 'user', content: '[[sim: chunks=500 gap=20]]' }] },
      {},
      stop.signal,
    );
    expect(open.status).toBe(200);
    expect(await total(families.streams)).toBe(1);
    expect(await total(families.holds)).toBe(1);
    expect(await total(families.running)).toBe(1);
    stop.abort();
    await eventually('the stream is settled', async () => (await total(families.holds)) === 0);
    expect(await total(families.requests, { outcome: 'client-left' })).toBe(1);
    // A stream is over when its settlement is durable, which comes after it.
    await eventually('no stream is open', async () => (await total(families.streams)) === 0);
  });

  test('counts a request once, also one that fails between its hold and its first attempt', async () => {
    const refused = await total(families.refusals);
    for (const model of ['lonely', 'lonely', 'lonely']) expect((await chat(model)).status).toBe(503);
    expect((await chat('breaks')).status).toBe(200);
    expect(await total(families.requests, { model: 'lonely', status: '5xx' })).toBe(3);
    expect(await total(families.refusals)).toBe(refused);
  });

  test('counts denials by policy and clause, and policies that fail', async () => {
    expect(await total(families.policyDenials, { policy: 'not-there', clause: 'N1' })).toBe(3);
    const policies = (await page())
      .get(families.policyFaults.name)
      ?.samples.map(({ labels, value }) => [labels, value]);
    expect(policies).toEqual([[{ policy: 'not-there', because: 'threw' }, 1]]);
  });

  test('counts limits by kind and scope', async () => {
    const { apiKey } = await gateway.fundedKey(1_000_000_000n, { limits: { requestsPerMinute: 1 } });
    const authorization = `Bearer ${apiKey}`;
    for (const expected of [200, 429, 429])
      expect((await chat('sim/fast', {}, { authorization })).status).toBe(expected);
    expect(await total(families.limitRefusals, { limit: 'requests', scope: 'API key' })).toBe(2);
  });

  test('says how the ledger, the upstreams and the process do', async () => {
    for (const [family, labels, least] of [
      [families.ledgerAvailable, {}, 1],
      [families.upstreamState, { upstream: 'simulator' }, 1],
      [families.journalWritten, {}, 1],
      [families.journalSync, {}, 1],
      [families.journalDisk, {}, 1],
      [families.configGeneration, {}, 1],
      [families.build, {}, 1],
      [families.cpu, {}, 0.001],
      [families.resident, {}, 1_000_000],
      [families.started, {}, 1_700_000_000],
    ] as const) {
      expect(await total(family, labels)).toBeGreaterThanOrEqual(least);
    }
    await eventually('a sample of the event loop', async () => (await total(families.loopLag)) > 0);
  });
});

describe('G8: whom it does not name', () => {
  test('no account, key, address, request or secret stands in it', async () => {
    const secrets = [
      gateway.apiKey,
      gateway.operatorKey,
      metricsKey,
      '127.0.0.1',
      gateway.dataFolder,
      'First account',
    ];
    const text = await (await scrape(metricsKey)).text();
    expect(text).not.toMatch(/\b(?:acc|key|usr|req|opk|mov)_[0-9a-f]{8}/);
    for (const secret of secrets) expect(text).not.toContain(secret);
  });

  test('names that clients make up do not enter it, however many and however odd', async () => {
    const linesBefore = (await (await scrape(metricsKey)).text()).split('\n').length;
    const refused = await total(families.refusals, { code: 'model_not_found' });
    const odd = ['a"} 1\nforged_total 1\n#', 'x\\', '\u2028\u0000', '名前', 'x'.repeat(5_000), 'sim/fast\n'];
    const names = [...odd, ...Array.from({ length: 400 }, (_, index) => `made-up-${index}`)];
    const statuses = await Promise.all(names.map(async (name) => (await chat(name)).status));
    const notFound = statuses.filter((status) => status === 404).length;
    expect(notFound).toBeGreaterThan(400);
    expect(statuses.every((status) => status === 404 || status === 400)).toBe(true);
    const text = await (await scrape(metricsKey)).text();
    readExposition(text);
    expect(text).not.toContain('forged');
    expect(text).not.toContain('made-up');
    expect(await total(families.refusals, { code: 'model_not_found' })).toBe(refused + notFound);
    expect(text.split('\n').length - linesBefore).toBeLessThan(50);
  });
});
