// G2 in service: drop-ins of all four kinds that pass their trial and go wrong afterwards. Each request fails closed or
// is served as the contract says; no hold stays open, nobody is charged for it, and the next request is as any other.

import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { bundleDropIn } from '../../src/drop-ins/bundle.ts';
import { placeOf } from '../../src/drop-ins/place.ts';
import { newestRecord, openHolds } from '../pipeline/stage.ts';
import { startExecutable } from '../support/executable.ts';
import { field, startTestGateway, type TestGateway } from '../support/gateway.ts';
import { folderWith, pinned } from '../support/plugin-files.ts';

setDefaultTimeout(60_000);

/** What a drop-in does now; its trial has no environment, and so none of it. */
const modeVariable = 'TOLLGATE_TEST_MODE';
const head = (define: string) => `
  import { Type, ${define}, totalOf } from 'tollgate/plugin';
  import { simulator, tokenPrice, weighted } from 'tollgate/plugins';
  const options = Type.Object({}, { additionalProperties: false });
  const about = (name) => ({ name, version: '1.0.0', summary: 'Goes wrong when it is told to', options });
  const mode = (is) => process.env.${modeVariable} === is;
`;

const files: Readonly<Record<string, string>> = {
  'provider.ts': `${head('defineProvider')}
    const usual = simulator().create({});
    const usage = { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 };
    export const conformance = { samples: [
      { operation: 'chat', usage, expected: { input: 3, output: 2 } },
      { operation: 'completions', usage, expected: { input: 3, output: 2 } },
      { operation: 'embeddings', usage: { prompt_tokens: 3, total_tokens: 3 }, expected: { input: 3 } },
    ] };
    export default defineProvider({ ...about('own-provider'), create: () => ({
      ...usual,
      address(call, credential) {
        if (mode('address-throws')) throw new Error('lost');
        if (mode('address-nothing')) return undefined;
        if (mode('address-elsewhere')) return { path: '//evil.example/v1', query: '', headers: [] };
        if (mode('address-header')) return { path: '/x', query: '', headers: [['x-a', 'b\\r\\nx-c: d']] };
        return usual.address(call, credential);
      },
      usage(raw, operation, protocol) {
        if (mode('usage-throws')) throw new Error('cannot read');
        if (mode('usage-text')) return 'lots';
        if (mode('usage-flags')) return { parts: { input: 1 }, flags: 7 };
        if (mode('usage-bigint')) return { parts: { input: 1n, output: 2 }, flags: [] };
        return usual.usage(raw, operation, protocol);
      },
      classify: (failure) => (mode('classify-nonsense') ? 'whatever' : usual.classify(failure)),
    }) });`,
  'strategy.ts': `${head('defineRoutingStrategy')}
    const usual = weighted().create({});
    export default defineRoutingStrategy({ ...about('own-strategy'), create: () => ({
      rank(request, upstreams, random) {
        if (mode('rank-throws')) throw new Error('lost');
        if (mode('rank-nothing')) return undefined;
        if (mode('rank-null')) return [null];
        if (mode('rank-promise')) return Promise.resolve(upstreams);
        if (mode('rank-invents')) return [{ ...upstreams[0], id: 'ups_nobody' }];
        if (mode('rank-rejects')) void Promise.reject(new Error('left behind'));
        return usual.rank(request, upstreams, random);
      },
    }) });`,
  'rule.ts': `${head('defineBillingRule')}
    const usual = tokenPrice().create({});
    const bad = (asked, terms, usage) => {
      if (mode(asked + '-throws')) throw new Error('cannot count');
      if (mode(asked + '-nothing')) return undefined;
      if (mode(asked + '-promise')) return Promise.resolve(usual.charge(terms, usage));
      if (mode(asked + '-negative')) return { lines: [], totalNano: -5n };
      if (mode(asked + '-number')) return { lines: [], totalNano: 5 };
      if (mode(asked + '-huge')) return { lines: [{ kind: 'per-call', amountNano: 2n ** 80n }], totalNano: 2n ** 80n };
      if (mode(asked + '-other-total')) return { ...usual.charge(terms, usage), totalNano: 1n };
      if (mode(asked + '-odd-line')) return { lines: [{ kind: 'gift' }], totalNano: 0n };
      if (mode(asked + '-rewrites-usage')) { usage.input = 0; usage.output = 0; }
      if (mode(asked + '-rewrites-terms')) terms.rates.input = 0n;
      return undefined;
    };
    const either = (asked, terms, usage) => {
      const found = bad(asked, terms, usage);
      return found === undefined && !mode(asked + '-nothing') ? usual[asked](terms, usage) : found;
    };
    export default defineBillingRule({ ...about('own-rule'), create: () => ({
      missingRates: (terms, parts) => usual.missingRates(terms, parts),
      estimate: (terms, bound) => either('estimate', terms, bound),
      charge: (terms, usage) => either('charge', terms, usage),
    }) });`,
  'policy.ts': `${head('definePolicy')}
    const allow = { verdict: 'allow', obligations: [] };
    const foreign = { kind: 'record-acceptance', document: 'none', version: '1', sha256: 'a'.repeat(64) };
    export default definePolicy({ ...about('own-policy'), create: () => ({
      gates: ['use'], asks: 'request', clauses: ['S2.1'], onFailure: 'deny', deadlineMs: 50,
      judge(facts) {
        if (mode('judge-throws')) throw new Error('lost');
        if (mode('judge-nothing')) return undefined;
        if (mode('judge-yes')) return true;
        if (mode('judge-foreign')) return { verdict: 'allow', obligations: [foreign] };
        if (mode('judge-odd-code')) return { verdict: 'deny', code: 'internal_error', clause: 'S2.1', message: 'x', remedy: 'y' };
        if (mode('judge-late')) return new Promise(() => {});
        if (mode('judge-rejects')) return Promise.reject(new Error('lost'));
        return allow;
      },
    }) });`,
  'own.config.ts': `
    import { defineGateway, dropIn, simulatorAddress } from 'tollgate/plugin';
    const upstream = { provider: 'own-provider', baseUrl: simulatorAddress, addresses: 'any' };
    export default defineGateway({
      providers: [dropIn({ file: 'provider.ts', sha256: 'PIN OF provider.ts' })],
      routing: [dropIn({ file: 'strategy.ts', sha256: 'PIN OF strategy.ts' })],
      billing: [dropIn({ file: 'rule.ts', sha256: 'PIN OF rule.ts' })],
      policies: [dropIn({ file: 'policy.ts', sha256: 'PIN OF policy.ts' })],
      upstreams: [{ ...upstream, name: 'one' }, { ...upstream, name: 'two' }],
      models: ['sim/fast', 'sim/u20'].map((name) => ({
        name, contextTokens: 128_000, outputTokensMax: 1_000, operations: ['chat'],
        price: { currency: 'USD', rates: { input: 100_000n, cacheRead: 10_000n, output: 400_000n } },
        offers: [{ upstream: 'one' }, { upstream: 'two' }],
      })),
    });`,
};

const hostModules = ['tollgate/plugin', 'tollgate/plugins'];
const folder = folderWith(Object.entries(files));
const configFile = join(folder, 'own.config.ts');
let gateway: TestGateway;

beforeAll(async () => {
  const pins = new Map<string, string>();
  for (const file of ['provider.ts', 'strategy.ts', 'rule.ts', 'policy.ts'])
    pins.set(file, (await bundleDropIn(placeOf(file, folder), folder, hostModules)).sha256);
  await Bun.write(configFile, pinned(files['own.config.ts'] ?? '', (file) => pins.get(file) ?? ''));
  gateway = await startTestGateway({
    argv: ['--config', configFile],
    modules: {
      'tollgate/plugin': () => import('../../src/plugin/index.ts'),
      'tollgate/plugins': () => import('../../plugins/index.ts'),
    },
  });
  expect(gateway.log.filter((line) => line.includes('refused'))).toEqual([]);
});
afterEach(() => {
  delete process.env[modeVariable];
});
afterAll(async () => {
  await gateway?.stop();
  rmSync(folder, { recursive: true });
});

const funds = 1_000_000_000n;

interface Seen {
  readonly status: number;
  readonly text: string;
  readonly record: Record<string, unknown> | undefined;
  readonly faults: readonly string[];
}

/** One call of an account of its own in that mode; then a usual one, which must be served and charged. */
async function callIn(mode: string, more: object = {}): Promise<Seen> {
  const { apiKey, accountId } = await gateway.fundedKey(funds);
  const headers = { authorization: `Bearer ${apiKey}` };
  const body = { model: 'sim/fast', messages: [{ role: 'user', content: 'x' }] };
  const balance = async () => field((await gateway.admin('GET', `/accounts/${accountId}/balances`)).body, 'items');
  const before = await balance();
  const logged = gateway.log.length;
  process.env[modeVariable] = mode;
  const reply = await gateway.client('/chat/completions', { ...body, ...more }, headers);
  const text = await reply.text();
  delete process.env[modeVariable];
  const faults = gateway.log.slice(logged).filter((line) => /"(?:plugin-fault|policy-fault|defect)"/.test(line));
  const { body: list } = await gateway.admin('GET', `/usage?accountId=${accountId}`);
  const records = Array.isArray(list['items']) ? list['items'].length : 0;
  const record = records === 0 ? undefined : await newestRecord(gateway, records, accountId);
  expect(openHolds(gateway)).toBe(0);
  if (record === undefined || field(record, 'chargeNano') === '0') expect(await balance()).toEqual(before);
  const next = await gateway.client('/chat/completions', body, headers);
  expect(next.status).toBe(200);
  expect(BigInt(String(field(await newestRecord(gateway, records + 1, accountId), 'chargeNano')))).toBeGreaterThan(0n);
  return { status: reply.status, text, record, faults };
}

test.each(['address-throws', 'address-nothing', 'address-elsewhere', 'address-header'])(
  'a provider: %s, and nothing is sent anywhere',
  async (mode) => {
    // Addresses are kept: the model has not been asked for in this form yet.
    const { status, record, faults } = await callIn(mode, { model: 'sim/u20', stream: mode.length % 2 === 0 });
    expect(status).toBeGreaterThanOrEqual(500);
    expect(record).toMatchObject({ outcome: 'upstream-failed', chargeNano: '0' });
    expect(faults.join()).toContain('own-provider');
  },
);

test.each(['usage-throws', 'usage-text', 'usage-flags', 'usage-bigint'])(
  'a provider: %s, and we count ourselves',
  async (mode) => {
    const { status, record } = await callIn(mode);
    expect(status).toBe(200);
    expect(record).toMatchObject({ outcome: 'finished', usageSource: 'estimated' });
  },
);

test.each(['rank-throws', 'rank-nothing', 'rank-null', 'rank-promise', 'rank-invents'])(
  'a strategy: %s, and the given order holds',
  async (mode) => {
    const { status, record, faults } = await callIn(mode);
    expect(status).toBe(200);
    expect(record).toMatchObject({ outcome: 'finished', upstream: 'one' });
    expect(faults.join()).toContain('plugin-fault');
  },
);

const money = ['throws', 'nothing', 'promise', 'negative', 'number', 'huge', 'other-total', 'odd-line'];

describe.each([...money, 'rewrites-usage', 'rewrites-terms'])('a billing rule that %s', (how) => {
  test('when it estimates: nothing is held, and no upstream is asked', async () => {
    const { status, record } = await callIn(`estimate-${how}`);
    expect(status).toBe(500);
    expect(record).toBeUndefined();
  });

  test('when it charges: the reply is not given, and nothing is charged', async () => {
    const { status, text, record, faults } = await callIn(`charge-${how}`);
    expect(status).toBe(500);
    expect(text).not.toContain('choices');
    expect(record).toMatchObject({ outcome: 'finished', chargeNano: '0', usageSource: 'upstream' });
    expect(field(record, 'flags')).toContain('charge-failed');
    expect(faults.join()).toContain('own-rule');
  });

  test('when it charges a stream: the stream does not end as a complete one', async () => {
    const { status, text, record } = await callIn(`charge-${how}`, { stream: true });
    expect(status).toBe(200);
    expect(text).not.toContain('[DONE]');
    expect(text).toContain('"error"');
    expect(record).toMatchObject({ chargeNano: '0' });
  });
});

const verdicts = ['throws', 'nothing', 'yes', 'foreign', 'odd-code', 'late', 'rejects'];

test.each(verdicts)('a policy that answers "%s" refuses, and nothing is asked of an upstream', async (how) => {
  const { status, text, record, faults } = await callIn(`judge-${how}`);
  expect(status).toBe(403);
  expect(text).toContain('own-policy');
  expect(record).toBeUndefined();
  expect(faults.join()).toContain('own-policy');
});

test('a promise that is left behind does not end the process', async () => {
  const running = await startExecutable({
    argv: ['--config', configFile],
    environment: { [modeVariable]: 'rank-rejects' },
  });
  try {
    for (const _ of [1, 2]) {
      const reply = await running.client('/chat/completions', {
        model: 'sim/fast',
        messages: [{ role: 'user', content: 'x' }],
      });
      expect(reply.status).toBe(200);
      await reply.text();
    }
    expect(running.errors()).toContain('left behind');
    expect(running.child.exitCode).toBeNull();
  } finally {
    expect(await running.stop()).toBe(0);
  }
});
