// Attacks of one tenant on another, and on itself, over HTTP: cases D1 to D4 of the attack catalogue, as far
// as the faces of a whole gateway answer for them. `accounts.test.ts` has those of the accounts domain alone.

import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { newId } from '../../src/core/ids.ts';
import { sha256Hex } from '../../src/core/secrets.ts';
import { listRoutes } from '../../src/http/admin/route-inventory.ts';
import { simulatorModel, testConfig, testRates, textField } from '../support/gateway.ts';
import { chatBody } from './raw-http.ts';
import { startWatchedGateway, type WatchedGateway } from './watched-gateway.ts';

const CREDENTIAL = 'canary-upstream-credential-0815';

let watched: WatchedGateway;
let one: { readonly accountId: string; readonly apiKey: string; readonly apiKeyId: string };
let two: typeof one;
beforeAll(async () => {
  const models = [
    ...testConfig().models,
    simulatorModel('sim/hidden', { groups: ['inner'], offers: [{ upstream: 'simulator', model: 'sim/fast' }] }),
  ];
  watched = await startWatchedGateway({
    upstream: { name: 'canary-upstream', credential: { fromEnvironment: 'CANARY' } },
    environment: { CANARY: CREDENTIAL },
    config: {
      groups: [{ name: 'inner' }],
      models: models.map((model) => ({
        ...model,
        offers: model.offers.map((offer) => ({
          ...offer,
          upstream: 'canary-upstream',
          cost: { currency: 'USD', rates: testRates },
        })),
      })),
    },
  });
  one = await watched.gateway.fundedKey(1_000_000_000n);
  two = await watched.gateway.fundedKey(1_000_000_000n, { models: ['sim/fast'] });
});
afterAll(() => watched.stop());

async function call(key: string, method: string, path: string, body?: string) {
  const response = await fetch(`${watched.gateway.url}${path}`, {
    method,
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body }),
  });
  const text = await response.text();
  return {
    status: response.status,
    text: text.replace(/req_[0-9a-f]{32}/g, 'req_'),
    headers: [...response.headers].flat().join('\n'),
  };
}

describe('D1: what belongs to others', () => {
  test('a model of another group is as unknown as one that never was', async () => {
    const paths = ['/v1/chat/completions', '/v1/completions', '/v1/embeddings', '/openai/v1/chat/completions'];
    for (const path of paths) {
      const hidden = await call(one.apiKey, 'POST', path, chatBody('x', { model: 'sim/hidden' }));
      const unknown = await call(one.apiKey, 'POST', path, chatBody('x', { model: 'sim/never' }));
      expect([hidden.status, hidden.text]).toEqual([404, unknown.text]);
    }
    expect((await call(one.apiKey, 'GET', '/v1/models/sim/hidden')).text).toBe(
      (await call(one.apiKey, 'GET', '/v1/models/sim/never')).text,
    );
    expect((await call(one.apiKey, 'GET', '/v1/models')).text).not.toContain('hidden');
    // A key with a list does not see beyond it either.
    expect((await call(two.apiKey, 'GET', '/v1/models')).text).not.toContain('sim/echo');
    expect((await call(two.apiKey, 'GET', '/v1/models/sim/echo')).status).toBe(404);
    expect(
      (await call(two.apiKey, 'POST', '/v1/chat/completions', chatBody('x', { model: 'sim/echo' }))).status,
    ).toBe(403);
  });

  test("acceptances are one's own alone", async () => {
    const current = await call(one.apiKey, 'GET', '/terms');
    const [document] = JSON.parse(current.text).items;
    const name = textField(document, 'document');
    const version = JSON.parse((await call(one.apiKey, 'GET', `/terms/${name}`)).text);
    const acceptance = JSON.stringify({ document: name, version: version.version, sha256: version.sha256 });
    expect([200, 201]).toContain((await call(one.apiKey, 'POST', '/terms/acceptances', acceptance)).status);
    const others = await call(two.apiKey, 'GET', '/terms/acceptances');
    expect([others.status, others.text.includes(one.accountId), others.text.includes(one.apiKeyId)]).toEqual([
      200,
      false,
      false,
    ]);
    for (const query of [
      `accountId=${one.accountId}`,
      `account=${one.accountId}`,
      'limit=100000',
      'cursor=%00',
      'cursor=dGFjXzE',
    ]) {
      const asked = await call(two.apiKey, 'GET', `/terms/acceptances?${query}`);
      expect([query, asked.status === 400 || !asked.text.includes(one.accountId)]).toEqual([query, true]);
    }
  });

  test('money routes answer for a foreign, a malformed and an unknown id alike', async () => {
    const bodies: Readonly<Record<string, unknown>> = {
      'top-ups': { amountNano: '1', currency: 'USD', source: 'cash', reason: 'x' },
      adjustments: { amountNano: '1', currency: 'USD', against: 'revenue', reason: 'x' },
      refunds: { amountNano: '1', currency: 'USD', topUp: newId('mov'), reason: 'x' },
    };
    const shapes = new Set<string>();
    for (const id of [
      newId('acc'),
      one.apiKeyId,
      'acc_',
      'x',
      '__proto__',
      `${one.accountId}x`,
      one.accountId.toUpperCase(),
      "' OR 1=1",
    ]) {
      for (const [kind, body] of Object.entries(bodies)) {
        const { status, body: problem } = await watched.gateway.admin(
          'POST',
          `/accounts/${encodeURIComponent(id)}/${kind}`,
          body,
        );
        shapes.add(`${kind} ${status} ${String(problem['detail'])}`);
      }
      for (const path of [
        `/accounts/${encodeURIComponent(id)}/balance`,
        `/accounts/${encodeURIComponent(id)}/movements`,
      ]) {
        expect((await watched.gateway.admin('GET', path)).status).toBe(404);
      }
    }
    expect([...shapes].every((shape) => shape.includes(' 404 '))).toBe(true);
    expect(shapes.size).toBe(3);
  });

  test("a refund cannot take another account's top-up", async () => {
    const mine = await watched.gateway.fundedKey(0n);
    const topUp = await watched.gateway.admin('POST', `/accounts/${one.accountId}/top-ups`, {
      amountNano: '5',
      currency: 'USD',
      source: 'cash',
      reason: 'x',
    });
    const stolen = { topUp: topUp.body['id'], amountNano: '5', currency: 'USD', reason: 'x' };
    const [foreign, unknown] = [
      await watched.gateway.admin('POST', `/accounts/${mine.accountId}/refunds`, stolen),
      await watched.gateway.admin('POST', `/accounts/${mine.accountId}/refunds`, { ...stolen, topUp: newId('mov') }),
    ];
    expect([400, 404]).toContain(foreign.status);
    expect([foreign.status, foreign.body['detail']]).toEqual([unknown.status, unknown.body['detail']]);
  });
});

describe('D2: fields that nobody may set', () => {
  test('every write of every face refuses a field that it does not know, and nothing is written', async () => {
    const { admin } = await watched.gateway.serving.gateway.describedApps();
    const writes = listRoutes(admin).filter(({ method }) => method !== 'GET' && method !== 'DELETE');
    expect(writes.length).toBeGreaterThan(15);
    const before = await watched.gateway.admin('GET', `/accounts/${one.accountId}/movements`);
    for (const { method, path } of writes) {
      for (const field of [
        'role',
        'balance',
        'postedNano',
        'account_id',
        'multiplier',
        'verified',
        'createdAt',
        'id',
        '__proto__',
        'constructor',
      ]) {
        const target = path
          .replace('/admin/v1', '')
          .replace(':id', one.accountId)
          .replace(/:[a-zA-Z]+/g, one.accountId);
        const { status } = await watched.gateway.admin(method, target, JSON.parse(`{"${field}":1}`));
        expect([method, path, field, status >= 400 && status < 500]).toEqual([method, path, field, true]);
      }
    }
    const whole = { amountNano: '7', currency: 'USD', source: 'cash', reason: 'x' };
    for (const field of [
      'id',
      'at',
      'kind',
      'actor',
      'entries',
      'idempotencyKey',
      'accountId',
      'against',
      'balance',
    ]) {
      const { status } = await watched.gateway.admin('POST', `/accounts/${one.accountId}/top-ups`, {
        ...whole,
        [field]: 'x',
      });
      expect([field, status]).toEqual([field, 400]);
    }
    expect((await watched.gateway.admin('GET', `/accounts/${one.accountId}/movements`)).body).toEqual(before.body);
    expect(Reflect.get({}, 'polluted')).toBeUndefined();
  });

  test('an acceptance binds the account of its key and no other', async () => {
    const body = { document: 'x', version: '1', sha256: '0'.repeat(64) };
    for (const field of ['accountId', 'account_id', 'at', 'address', 'country', 'method', 'userId', '__proto__']) {
      const text = `${JSON.stringify(body).slice(0, -1)},"${field}":"${one.accountId}"}`;
      expect([field, (await call(two.apiKey, 'POST', '/terms/acceptances', text)).status]).toEqual([field, 400]);
    }
  });

  test('a request cannot name its price, its account or its group', async () => {
    const fields = {
      account_id: one.accountId,
      user: one.accountId,
      group: 'inner',
      price: 0,
      multiplier: 0,
      cost: 0,
      balance: 1,
      usage: { cost: 0 },
      metadata: { accountId: one.accountId },
    };
    const before = (await watched.gateway.admin('GET', `/accounts/${one.accountId}/balance`)).body;
    expect((await call(two.apiKey, 'POST', '/v1/chat/completions', chatBody('x', fields))).status).toBe(200);
    expect((await watched.gateway.admin('GET', `/accounts/${one.accountId}/balance`)).body).toEqual(before);
    const usage = await watched.gateway.admin('GET', `/usage?accountId=${two.accountId}`);
    expect(JSON.stringify(usage.body)).toContain(`"group":null`);
    expect(usage.body['items']).toMatchObject([{ chargeNano: expect.stringMatching(/^[1-9]\d*$/) }]);
  });
});

describe('D3: nobody climbs', () => {
  test('a client key changes nothing on the admin face, not even its own account', async () => {
    for (const [method, path, body] of [
      ['PATCH', `/admin/v1/accounts/${one.accountId}`, '{"overdraftNano":"1000"}'],
      ['POST', `/admin/v1/accounts/${one.accountId}/top-ups`, '{}'],
      ['PATCH', `/admin/v1/api-keys/${one.apiKeyId}`, '{"models":null}'],
      ['POST', '/admin/v1/users', '{"name":"x"}'],
      ['DELETE', `/admin/v1/api-keys/${two.apiKeyId}`, ''],
    ] as const)
      expect([401, 429]).toContain((await call(one.apiKey, method, path, body === '' ? undefined : body)).status);
    expect((await watched.gateway.admin('GET', `/accounts/${one.accountId}`)).body['overdraftNano']).toBe('0');
  });
});

describe('D4: what answers hold', () => {
  test('no hash, no credential, no address of an upstream, on any face', async () => {
    expect((await call(one.apiKey, 'POST', '/v1/chat/completions', chatBody('prompt-canary'))).status).toBe(200);
    await call(one.apiKey, 'POST', '/v1/chat/completions', chatBody('x', { stream: true }));
    const { admin, terms } = await watched.gateway.serving.gateway.describedApps();
    const answers: string[] = [];
    for (const { method, path } of [...listRoutes(admin), ...(terms === undefined ? [] : listRoutes(terms))]) {
      if (method !== 'GET') continue;
      const target = path.includes('/users')
        ? path
        : path.replace('/api-keys/:id', `/api-keys/${one.apiKeyId}`).replace(':id', one.accountId);
      const key = path.startsWith('/terms') ? one.apiKey : watched.gateway.operatorKey;
      const answer = await call(key, 'GET', target.replace(/:[a-zA-Z]+/g, 'default'));
      answers.push(`${answer.headers}\n${answer.text}`);
    }
    const list = await watched.gateway.admin('GET', '/usage');
    const [record] = Array.isArray(list.body['items']) ? list.body['items'] : [];
    answers.push(
      JSON.stringify((await watched.gateway.admin('GET', `/usage/${textField(record, 'requestId')}`)).body),
      JSON.stringify(list.body),
    );
    const all = answers.join('\n');
    expect(all).toContain(one.accountId);
    const secrets = [
      CREDENTIAL,
      sha256Hex(one.apiKey),
      sha256Hex(watched.gateway.operatorKey),
      one.apiKey,
      watched.gateway.operatorKey,
      'prompt-canary',
      'simulator:',
    ];
    for (const secret of secrets) expect(all.includes(secret)).toBe(false);
  });

  test('a client hears nothing of costs, upstreams, other tenants or house addresses', async () => {
    const answers: string[] = [];
    for (const [method, path, body] of [
      ['POST', '/v1/chat/completions', chatBody('x')],
      ['POST', '/v1/chat/completions', chatBody('x', { stream: true, stream_options: { include_usage: true } })],
      ['POST', '/v1/completions', '{"model":"sim/fast","prompt":"x"}'],
      ['POST', '/v1/embeddings', '{"model":"sim/embed","input":"x"}'],
      ['POST', '/v1/chat/completions', chatBody('x', { model: 'sim/never' })],
      ['POST', '/v1/chat/completions', chatBody('x', { n: 129 })],
      ['POST', '/v1/chat/completions', '{'],
      ['POST', '/v1/chat/completions', chatBody('x', { max_tokens: 2 ** 31 - 1, n: 128 })],
      ['GET', '/v1/models', undefined],
      ['GET', '/v1/models/sim/fast', undefined],
      ['GET', '/v1/nothing', undefined],
      ['GET', '/terms', undefined],
      ['GET', '/terms/acceptances', undefined],
      ['GET', '/status', undefined],
      ['GET', '/readyz', undefined],
    ] as const) {
      const answer = await call(one.apiKey, method, path, body);
      answers.push(`${answer.headers}\n${answer.text}`);
    }
    const all = answers.join('\n');
    const port = String(new URL(watched.gateway.url).port);
    for (const word of [
      CREDENTIAL,
      'canary-upstream',
      two.accountId,
      two.apiKeyId,
      two.apiKey.slice(3, 20),
      'house/',
      'costNano',
      '"cost"',
      'priceVersion',
      one.apiKey.slice(3),
    ]) {
      expect([word, all.includes(word)]).toEqual([word, false]);
    }
    expect(all.replaceAll(port, '')).not.toMatch(/127\.0\.0\.1:\d/);
  });
});
