// An operator adds an upstream, a model and its price while the gateway runs, and changes the price: calls are charged
// by the version in force when they were admitted, streams that were open before included.

import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { startSimulator, type Simulator, type SimulatorRequest } from '../../src/simulator/server.ts';
import { newMasterKeyText } from '../../src/core/envelope.ts';
import { systemRandomBytes } from '../../src/core/secrets.ts';
import { scratchFolders } from '../store/scratch.ts';
import { field, startTestGateway, textField, type TestGateway } from '../support/gateway.ts';

const secret = 'sk-live-of-the-second-simulator-4711';
const model = 'vendor/fast';
const place = `/models/${encodeURIComponent(model)}`;
const firstRates = { input: '1000000', cacheRead: '0', output: '2000000' };
const secondRates = { input: '3000000', cacheRead: '0', output: '5000000' };

let gateway: TestGateway;
let second: Simulator;
const seen: SimulatorRequest[] = [];

beforeAll(async () => {
  second = startSimulator({ observe: (request) => void seen.push(request) });
  gateway = await startTestGateway();
});
afterAll(async () => {
  await gateway.stop();
  second.close();
});

const message = (content: string) => ({ model, messages: [{ role: 'user', content }] });

interface Charged {
  readonly priceVersionId: string;
  readonly chargeNano: bigint;
  readonly usage: unknown;
}

async function lastCharges(count: number): Promise<readonly Charged[]> {
  const { body } = await gateway.admin('GET', `/usage?limit=${count}`);
  const items = body['items'];
  if (!Array.isArray(items)) throw new Error('no list');
  return Promise.all(
    items.map(async (item: unknown) => {
      const detail = await gateway.admin('GET', `/usage/${textField(item, 'requestId')}`);
      return {
        priceVersionId: textField(detail.body, 'charge', 'priceVersionId'),
        chargeNano: BigInt(textField(detail.body, 'chargeNano')),
        usage: field(detail.body, 'usage'),
      };
    }),
  );
}

/** What the usage costs by these rates: micro-units per million are pico-units per token, rounded up once to nano. */
function expectedNano(usage: unknown, rates: Readonly<Record<string, string>>): bigint {
  let pico = 0n;
  for (const [part, quantity] of Object.entries(typeof usage === 'object' && usage !== null ? usage : {})) {
    pico += BigInt(Number(quantity)) * BigInt(rates[part === 'reasoning' ? 'output' : part] ?? '0');
  }
  return (pico + 999n) / 1000n;
}

async function until(holds: () => Promise<boolean>, deadlineMs: number): Promise<void> {
  const end = Date.now() + deadlineMs;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error('it never came true');
    await Bun.sleep(20);
  }
}

describe('a model of an upstream that an operator adds', () => {
  let firstPrice = '';

  test('is served and charged once it has a price', async () => {
    const upstream = await gateway.admin('POST', '/upstreams', {
      name: 'second',
      provider: 'simulator',
      baseUrl: second.url,
      addresses: 'any',
      credential: secret,
    });
    expect(upstream).toMatchObject({
      status: 201,
      body: { hasCredential: true, credentialHint: '...4711', source: 'admin' },
    });
    const made = await gateway.admin('POST', '/models', {
      name: model,
      contextTokens: 128_000,
      outputTokensMax: 16_384,
      offers: [{ upstream: 'second', model: 'sim/fast' }],
    });
    expect(made).toMatchObject({
      status: 201,
      body: { name: model, priceVersionId: null, problem: 'it has no price in force' },
    });
    expect((await gateway.client('/chat/completions', message('too early'))).status).toBe(404);
    const unpriced = await gateway.admin('POST', `${place}/prices`, { currency: 'USD', rates: { input: '1' } });
    expect(unpriced).toMatchObject({ status: 400, body: { field: 'rates.cacheRead' } });
    const price = await gateway.admin('POST', `${place}/prices`, { currency: 'USD', rates: firstRates });
    expect(price).toMatchObject({ status: 201, body: { status: 'in-force', rates: firstRates } });
    firstPrice = textField(price.body, 'id');
    const answer = await gateway.client('/chat/completions', message('Hello there'));
    expect(answer.status).toBe(200);
    await answer.text();
    expect(seen.at(-1)?.headers).toContainEqual(['authorization', `Bearer ${secret}`]);
    const [charged] = await lastCharges(1);
    expect(charged?.priceVersionId).toBe(firstPrice);
    expect(charged?.chargeNano).toBe(expectedNano(charged?.usage, firstRates));
    expect(charged?.chargeNano).toBeGreaterThan(0n);
  });

  test('keeps its price for a stream that was open before, and charges the next call by the new one', async () => {
    const opened = await gateway.client('/chat/completions', {
      ...message('[[sim: chunks=150 gap=10]]'),
      stream: true,
    });
    expect(opened.status).toBe(200);
    const validFrom = new Date(Date.now() + 500).toISOString();
    const price = await gateway.admin('POST', `${place}/prices`, { currency: 'USD', rates: secondRates, validFrom });
    expect(price).toMatchObject({ status: 201, body: { status: 'scheduled', validFrom } });
    const secondPrice = textField(price.body, 'id');
    await until(async () => (await gateway.admin('GET', place)).body['priceVersionId'] === secondPrice, 10_000);
    const next = await gateway.client('/chat/completions', message('Hello there'));
    expect(next.status).toBe(200);
    await next.text();
    expect(await opened.text()).toContain('[DONE]');
    const charges = await lastCharges(2);
    const byPrice = new Map(charges.map((charged) => [charged.priceVersionId, charged]));
    expect([...byPrice.keys()].toSorted()).toEqual([firstPrice, secondPrice].toSorted());
    const old = byPrice.get(firstPrice);
    expect(old?.chargeNano).toBe(expectedNano(old?.usage, firstRates));
    const fresh = byPrice.get(secondPrice);
    expect(fresh?.chargeNano).toBe(expectedNano(fresh?.usage, secondRates));
    const history = await gateway.admin('GET', `${place}/prices`);
    expect(history.body['items']).toMatchObject([
      { id: secondPrice, status: 'in-force' },
      { id: firstPrice, status: 'past' },
    ]);
  });

  test('leaves its secret in no answer, no log line and no file', async () => {
    const answers = await Promise.all(
      ['/upstreams', '/upstreams/second', '/models', '/audit-events?target=upstream/second'].map((path) =>
        gateway.admin('GET', path),
      ),
    );
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    expect(JSON.stringify(answers)).not.toContain(secret);
    expect(answers[3]?.body['items']).toMatchObject([{ action: 'upstream.create', target: 'upstream/second' }]);
    expect(gateway.log.join('')).not.toContain(secret);
    for (const file of new Bun.Glob('*').scanSync({ cwd: gateway.dataFolder, absolute: true })) {
      expect(Buffer.from(await Bun.file(file).arrayBuffer()).includes(secret)).toBe(false);
    }
  });

  test('is taken away by disabling its upstream, but not from those under way, and comes back', async () => {
    const opened = await gateway.client('/chat/completions', { ...message('[[sim: chunks=30 gap=10]]'), stream: true });
    expect((await gateway.admin('PATCH', '/upstreams/second', { enabled: false })).status).toBe(200);
    expect((await gateway.client('/chat/completions', message('gone'))).status).toBe(503);
    expect(await opened.text()).toContain('[DONE]');
    await gateway.admin('PATCH', '/upstreams/second', { enabled: true, credential: `${secret}-rotated` });
    const back = await gateway.client('/chat/completions', message('back'));
    expect(back.status).toBe(200);
    await back.text();
    expect(seen.at(-1)?.headers).toContainEqual(['authorization', `Bearer ${secret}-rotated`]);
  });
});

describe('a master key of the environment', () => {
  const scratch = scratchFolders();

  test('is needed at every start once a credential is stored; another one stops the start', async () => {
    const dataFolder = scratch();
    const start = (TOLLGATE_MASTER_KEY: string) =>
      startTestGateway({
        dataFolder,
        environment: { TOLLGATE_MASTER_KEY, TOLLGATE_OPERATOR_KEY: 'an-operator-key-of-a-test-51c0d9b7e2f4' },
      });
    const masterKey = newMasterKeyText(systemRandomBytes);
    const first = await start(masterKey);
    const upstream = {
      name: 'second',
      provider: 'simulator',
      baseUrl: second.url,
      addresses: 'any',
      credential: secret,
    };
    expect((await first.admin('POST', '/upstreams', upstream)).status).toBe(201);
    await first.stop();
    const other = newMasterKeyText(systemRandomBytes);
    await expect(start(other)).rejects.toMatchObject({
      name: 'MasterKeyError',
      message: expect.stringContaining('upstream second'),
    });
    await expect(start('rubbish')).rejects.toMatchObject({ name: 'MasterKeyError' });
    const again = await start(masterKey);
    expect((await again.admin('GET', '/upstreams/second')).body['hasCredential']).toBe(true);
    await again.stop();
    for (const file of new Bun.Glob('*').scanSync({ cwd: dataFolder, absolute: true })) {
      expect(Buffer.from(await Bun.file(file).arrayBuffer()).includes(masterKey)).toBe(false);
    }
  });
});
