import { describe, expect, test } from 'bun:test';
import { newId } from '../../../src/core/ids.ts';
import { generateKey, sha256Hex, systemRandomBytes } from '../../../src/core/secrets.ts';
import { createAuditReader } from '../../../src/domain/audit/audit-store.ts';
import { memoryIdempotencyStore } from '../../../src/http/admin/idempotency.ts';
import { auditRoutes } from '../../../src/http/admin/routes/audit-events.ts';
import { modelsRoutes } from '../../../src/http/admin/routes/models.ts';
import { pricesRoutes } from '../../../src/http/admin/routes/prices.ts';
import { upstreamsRoutes } from '../../../src/http/admin/routes/upstreams.ts';
import { noLines } from '../../../src/config/config-lines.ts';
import { adminApp } from '../../../src/http/admin/shell.ts';
import { catalogRig, credential, type RigOptions } from '../../domain/catalog/catalog-rig.ts';

const operatorKey = generateKey('operator-key', systemRandomBytes);

async function catalogApp(options: RigOptions = {}) {
  const rig = { ...(await catalogRig(options)), lines: async () => noLines };
  const app = adminApp({
    routes: [
      upstreamsRoutes(rig),
      modelsRoutes(rig),
      pricesRoutes(rig),
      auditRoutes({ audit: createAuditReader(rig.database) }),
    ],
    services: {
      operatorKeys: {
        find: (sha256) => (sha256 === sha256Hex(operatorKey) ? { id: 'opk_1', scopes: ['admin'] } : undefined),
      },
      clock: rig.clock,
      addressOf: () => '192.0.2.1',
      newId,
      log: { info: () => {}, warn: () => {}, error: () => {} },
      idempotency: memoryIdempotencyStore(rig.clock),
    },
  });
  const call = async (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) => {
    const response = await app.handle(
      new Request(`http://localhost/admin/v1${path}`, {
        method,
        headers: {
          authorization: `Bearer ${operatorKey}`,
          ...(body !== undefined && { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      }),
    );
    const text = await response.text();
    const json: unknown = JSON.parse(text);
    return {
      status: response.status,
      text,
      body: typeof json === 'object' && json !== null ? ({ ...json } as Record<string, unknown>) : {},
    };
  };
  return { ...rig, call };
}

const upstream = { name: 'own', provider: 'simulator', baseUrl: 'http://127.0.0.1:8/v1', addresses: 'any', credential };
const model = { name: 'own/model', contextTokens: 1_000, outputTokensMax: 100, offers: [{ upstream: 'own' }] };
const rates = { input: '100', cacheRead: '10', output: '400' };
const own = '/models/own%2Fmodel';

async function withModel() {
  const app = await catalogApp();
  expect((await app.call('POST', '/upstreams', upstream)).status).toBe(201);
  expect((await app.call('POST', '/models', model)).status).toBe(201);
  return app;
}

describe('/upstreams', () => {
  test('makes, shows, changes and lists; the credential is in no answer', async () => {
    const { call } = await catalogApp();
    const made = await call('POST', '/upstreams', upstream);
    expect(made.body).toEqual({
      name: 'own',
      source: 'admin',
      declaredAt: null,
      provider: 'simulator',
      baseUrl: 'http://127.0.0.1:8/v1',
      addresses: 'any',
      hasCredential: true,
      credentialHint: '...9876',
      weight: 100,
      priority: 0,
      onClientLeaving: 'cancel',
      enabled: true,
      problem: null,
      createdAt: '2026-01-15T12:00:00.000Z',
    });
    const changed = await call('PATCH', '/upstreams/own', {
      weight: 7,
      baseUrl: 'http://127.0.0.1:9/v1',
      credential: `${credential}5`,
    });
    expect(changed.body).toMatchObject({ weight: 7, baseUrl: 'http://127.0.0.1:9/v1', credentialHint: '...8765' });
    expect((await call('GET', '/upstreams/own')).text).toBe(changed.text);
    const first = await call('GET', '/upstreams?limit=1');
    expect(first.body['items']).toMatchObject([{ name: 'declared', source: 'config', createdAt: null }]);
    const second = await call('GET', `/upstreams?limit=1&cursor=${String(first.body['nextCursor'])}`);
    expect(second.body).toMatchObject({ items: [{ name: 'own' }], nextCursor: null });
    const audit = await call('GET', '/audit-events');
    for (const { text } of [made, changed, first, second, audit]) expect(text).not.toContain(credential.slice(0, 20));
  });

  test('takes no credential along to another address', async () => {
    const { call } = await catalogApp();
    await call('POST', '/upstreams', upstream);
    const refused = await call('PATCH', '/upstreams/own', { baseUrl: 'https://evil.example/v1' });
    expect(refused).toMatchObject({ status: 400, body: { field: 'credential' } });
    expect((await call('GET', '/upstreams/own')).body['baseUrl']).toBe(upstream.baseUrl);
  });

  test('answers 409 for the config and for a taken name, 404 for nobody, and replays without the secret', async () => {
    const { call } = await catalogApp();
    for (const refused of [
      await call('PATCH', '/upstreams/declared', { enabled: false }),
      await call('POST', '/upstreams', { ...upstream, name: 'declared' }),
    ]) {
      expect(refused.status).toBe(409);
      expect(refused.body['detail']).toContain('the config declares');
    }
    const once = { 'idempotency-key': 'once' };
    const first = await call('POST', '/upstreams', upstream, once);
    expect((await call('POST', '/upstreams', upstream, once)).text).toBe(first.text);
    expect((await call('POST', '/upstreams', upstream)).status).toBe(409);
    for (const name of ['nobody', '__proto__', 'constructor', '%2e%2e', 'own%2F..'])
      expect((await call('GET', `/upstreams/${name}`)).status).toBe(404);
    expect((await call('DELETE', '/upstreams/own')).status).toBe(405);
  });

  test.each([
    ['name', { name: 'UPPER' }],
    ['weight', { weight: 0.1 + 0.2 }],
    ['weight', { weight: '5' }],
    ['credential', { credential: 'a b c d e f' }],
    ['credential', { credential: '' }],
    ['baseUrl', { baseUrl: 'http://[fd00:ec2::254]/' }],
    ['addresses', { addresses: 'private' }],
    ['id', { id: 'ups_1' }],
    ['source', { source: 'config' }],
  ])('answers 400 naming %s, without what was sent', async (field, wrong) => {
    const { call } = await catalogApp();
    const refused = await call('POST', '/upstreams', { ...upstream, ...wrong });
    expect(refused).toMatchObject({ status: 400, body: { field } });
    expect(refused.text).not.toContain(credential);
    expect((await call('GET', '/upstreams/own')).status).toBe(404);
  });
});

describe('/models', () => {
  test('takes names with slashes, URL-encoded, and shows what a patch left alone', async () => {
    const { call } = await withModel();
    const shown = await call('GET', own);
    expect(shown.body).toEqual({
      name: 'own/model',
      source: 'admin',
      declaredAt: null,
      operations: ['chat'],
      contextTokens: 1_000,
      outputTokensMax: 100,
      rule: 'token-price',
      strategy: 'priority',
      multiplierPpm: 1_000_000,
      groups: null,
      offers: [{ upstream: 'own', model: null, cost: null }],
      enabled: true,
      priceVersionId: null,
      problem: 'it has no price in force',
      createdAt: '2026-01-15T12:00:00.000Z',
    });
    expect((await call('GET', '/models/own/model')).status).toBe(404);
    const cost = { currency: 'EUR', rates: { input: '5' }, perCallNano: '0' };
    const changed = await call('PATCH', own, {
      groups: ['friends'],
      offers: [{ upstream: 'declared', model: 'sim/fast', cost }, { upstream: 'own' }],
    });
    expect(changed.body).toMatchObject({
      groups: ['friends'],
      contextTokens: 1_000,
      offers: [
        { upstream: 'declared', model: 'sim/fast', cost },
        { upstream: 'own', model: null, cost: null },
      ],
    });
    expect((await call('PATCH', own, { groups: null })).body['groups']).toBeNull();
    expect((await call('GET', '/models?limit=1')).body).toMatchObject({
      items: [{ name: 'declared/model', source: 'config' }],
    });
    expect((await call('PATCH', '/models/declared%2Fmodel', { enabled: false })).status).toBe(409);
  });

  test('lists long names to the end', async () => {
    const { call } = await withModel();
    for (const letter of ['x', 'y', 'z']) await call('POST', '/models', { ...model, name: letter.repeat(256) });
    const names: unknown[] = [];
    let cursor: unknown = '';
    while (cursor !== null) {
      const page = await call('GET', `/models?limit=1${cursor === '' ? '' : `&cursor=${String(cursor)}`}`);
      expect(page.status).toBe(200);
      names.push(...(Array.isArray(page.body['items']) ? page.body['items'] : []));
      cursor = page.body['nextCursor'];
    }
    expect(names).toHaveLength(5);
  });

  test.each([
    ['multiplierPpm', '{"multiplierPpm":-1}'],
    ['multiplierPpm', '{"multiplierPpm":1e-15}'],
    ['multiplierPpm', '{"multiplierPpm":0.30000000000000004}'],
    ['multiplierPpm', '{"multiplierPpm":1e400}'],
    ['multiplierPpm', '{"multiplierPpm":"NaN"}'],
    ['contextTokens', '{"contextTokens":0}'],
    ['outputTokensMax', '{"outputTokensMax":1e12}'],
    ['operations[0]', '{"operations":["admin"]}'],
    ['offers[0].upstream', '{"offers":[{"upstream":"nobody"}]}'],
    ['offers[0].cost', '{"offers":[{"upstream":"own","cost":{"currency":"USD","rates":{"input":5}}}]}'],
    ['name', '{"name":"other"}'],
  ])('answers 400 naming %s', async (field, body) => {
    const { call } = await withModel();
    const before = (await call('GET', own)).text;
    const refused = await call('PATCH', own, body);
    expect(refused.status).toBe(400);
    // A schema names the field itself or the one around it.
    expect(field.startsWith(String(refused.body['field']))).toBe(true);
    expect((await call('GET', own)).text).toBe(before);
  });
});

describe('/models/{name}/prices', () => {
  test('grow at the front, are explained, and are withdrawn while they are to come', async () => {
    const { call, time } = await withModel();
    const now = await call('POST', `${own}/prices`, { currency: 'USD', rates });
    expect(now.body).toEqual({
      id: now.body['id'],
      model: 'own/model',
      source: 'admin',
      declaredAt: null,
      status: 'in-force',
      currency: 'USD',
      rates,
      perCallNano: '0',
      validFrom: '2026-01-15T12:00:00.000Z',
      closedAt: null,
    });
    const soon = await call('POST', `${own}/prices`, {
      currency: 'USD',
      rates,
      perCallNano: '5',
      validFrom: '2026-02-01T00:00:00Z',
    });
    expect(soon).toMatchObject({ status: 201, body: { status: 'scheduled', perCallNano: '5' } });
    const page = await call('GET', `${own}/prices?limit=1`);
    expect(page.body).toMatchObject({ items: [{ id: soon.body['id'] }] });
    const rest = await call('GET', `${own}/prices?limit=1&cursor=${String(page.body['nextCursor'])}`);
    expect(rest.body).toMatchObject({ items: [{ id: now.body['id'] }], nextCursor: null });
    time.now += 1_000;
    const gone = await call('DELETE', `${own}/prices/${String(soon.body['id'])}`);
    expect(gone).toMatchObject({ status: 200, body: { status: 'withdrawn', closedAt: '2026-01-15T12:00:01.000Z' } });
    expect((await call('DELETE', `${own}/prices/${String(now.body['id'])}`)).status).toBe(409);
    expect((await call('DELETE', `${own}/prices/rubbish`)).status).toBe(404);
    expect((await call('PATCH', `${own}/prices/${String(now.body['id'])}`, { rates })).status).toBe(405);
    expect((await call('GET', own)).body['priceVersionId']).toBe(now.body['id']);
    const audit = await call('GET', '/audit-events?target=model/own%2Fmodel');
    expect(audit.body['items']).toMatchObject([
      { action: 'price.withdraw' },
      { action: 'price.create' },
      { action: 'price.create' },
      { action: 'model.create' },
    ]);
  });

  test('of the config are shown, and added to nowhere but there', async () => {
    const { call } = await catalogApp();
    const shown = await call('GET', '/models/declared%2Fmodel/prices');
    expect(shown.body['items']).toMatchObject([{ source: 'config', status: 'in-force' }]);
    expect((await call('POST', '/models/declared%2Fmodel/prices', { currency: 'USD', rates })).status).toBe(409);
    expect((await call('POST', '/models/nobody/prices', { currency: 'USD', rates })).status).toBe(404);
    expect((await call('GET', '/models/nobody/prices')).status).toBe(404);
  });

  test.each([
    ['rates.input', { rates: { ...rates, input: '-1' } }],
    ['rates.input', { rates: { ...rates, input: 'NaN' } }],
    ['rates.input', { rates: { ...rates, input: '0.30000000000000004' } }],
    ['rates.input', { rates: { ...rates, input: '1e-15' } }],
    ['rates.input', { rates: { ...rates, input: '0x10' } }],
    ['rates.input', { rates: { ...rates, input: '01' } }],
    ['rates.input', { rates: { ...rates, input: '' } }],
    ['rates.input', { rates: { ...rates, input: 100 } }],
    ['rates.input', { rates: { ...rates, input: null } }],
    ['rates.input', { rates: { ...rates, input: '9'.repeat(16) } }],
    ['rates.output', { rates: { input: '1', cacheRead: '1' } }],
    ['rates.soul', { rates: { ...rates, soul: '1' } }],
    ['perCallNano', { perCallNano: '-1' }],
    ['currency', { currency: 'dollars' }],
    ['validFrom', { validFrom: '2026-01-15T11:59:59Z' }],
    ['validFrom', { validFrom: '2026-02-31T00:00:00Z' }],
    ['validFrom', { validFrom: '2026-02-01' }],
    ['validFrom', { validFrom: 1_800_000_000_000 }],
    ['id', { id: 'prc_1' }],
  ])('answer 400 naming %s', async (field, wrong) => {
    const { call } = await withModel();
    const refused = await call('POST', `${own}/prices`, { currency: 'USD', rates, ...wrong });
    expect(refused).toMatchObject({ status: 400, body: { field } });
    expect((await call('GET', `${own}/prices`)).body['items']).toEqual([]);
  });
});

describe('/audit-events', () => {
  test('come newest first, in pages, and by target', async () => {
    const { call } = await withModel();
    const first = await call('GET', '/audit-events?limit=1');
    expect(first.body['items']).toMatchObject([
      { seq: '2', action: 'model.create', actor: 'operator:opk_1', target: 'model/own/model' },
    ]);
    const second = await call('GET', `/audit-events?limit=1&cursor=${String(first.body['nextCursor'])}`);
    expect(second.body).toMatchObject({ items: [{ seq: '1', action: 'upstream.create' }], nextCursor: null });
    expect((await call('GET', '/audit-events?target=nobody')).body['items']).toEqual([]);
    for (const query of ['cursor=MS54', 'cursor=x', 'limit=0', 'order=asc'])
      expect((await call('GET', `/audit-events?${query}`)).status).toBe(400);
  });
});
