// Cases B14, D2, D3, D4 and F4 of the attack catalogue, for operator keys with scopes: what each may do on each route,
// that none gives itself more, that a key is seen once, and that nobody locks everybody out (B11).

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { sha256Hex } from '../../src/core/secrets.ts';
import { listRoutes } from '../../src/http/admin/route-inventory.ts';
import { scratchFolders } from '../store/scratch.ts';
import { startTestGateway, textField, type TestGateway } from '../support/gateway.ts';

setDefaultTimeout(60_000);
const scratch = scratchFolders();
const dataFolder = scratch();

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startTestGateway({ dataFolder });
});
afterAll(() => gateway.stop());

async function make(scopes: readonly string[], more: object = {}) {
  const { status, body } = await gateway.admin('POST', '/operator-keys', { name: 'k', scopes, ...more });
  expect([status, body]).toMatchObject([201, { scopes, revokedAt: null }]);
  return { id: textField(body, 'id'), key: textField(body, 'key') };
}

const ask = (key: string, method: string, path: string, body = '{}') =>
  fetch(`${gateway.url}${path}`, {
    method,
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    ...(method === 'GET' || method === 'HEAD' ? {} : { body }),
  }).then(async (response) => ({ status: response.status, text: await response.text() }));

describe('B14: scopes', () => {
  test('on every route: reading reads, metrics open nothing here, changing is for admins', async () => {
    const { admin } = await gateway.serving.gateway.describedApps();
    const named = (path: string) => path.replace(/:[a-zA-Z]+/g, 'none');
    const routes = listRoutes(admin).map(({ method, path }) => ({ method, path: named(path) }));
    expect(routes.length).toBeGreaterThan(40);
    const keys = { admin: await make(['admin']), read: await make(['read']), metrics: await make(['metrics']) };
    for (const { method, path } of routes) {
      const reads = method === 'GET' || method === 'HEAD';
      const found = [
        (await ask(keys.admin.key, method, path)).status,
        (await ask(keys.read.key, method, path)).status,
        (await ask(keys.metrics.key, method, path)).status,
      ];
      const mayNot = found.map((status) => status === 401 || status === 403);
      expect([method, path, mayNot, found[2]]).toEqual([method, path, [false, !reads, true], 403]);
    }
  });

  test('no other way to ask makes a change of what reads', async () => {
    const { key } = await make(['read']);
    for (const name of ['x-http-method-override', 'x-method-override', 'x-http-method']) {
      const response = await fetch(`${gateway.url}/admin/v1/groups?_method=POST`, {
        headers: { authorization: `Bearer ${key}`, [name]: 'POST' },
      });
      expect([200, 400]).toContain(response.status);
    }
    expect((await ask(key, 'POST', '/admin/v1/groups', '{"name":"evil"}')).status).toBe(403);
    expect((await gateway.admin('GET', '/groups/evil')).status).toBe(404);
  });
});

describe('D2, D3: more than one has', () => {
  test('cannot be taken: a key that reads makes no key, and deletes none', async () => {
    const { key, id } = await make(['read', 'metrics']);
    const other = await make(['admin']);
    const body = '{"name":"up","scopes":["admin"]}';
    expect((await ask(key, 'POST', '/admin/v1/operator-keys', body)).status).toBe(403);
    for (const each of [id, other.id]) {
      expect((await ask(key, 'DELETE', `/admin/v1/operator-keys/${each}`)).status).toBe(403);
      for (const method of ['PATCH', 'PUT']) {
        expect((await ask(other.key, method, `/admin/v1/operator-keys/${each}`, body)).status).toBe(405);
      }
    }
  });

  test.each([
    ['no scope', { scopes: [] }],
    ['an unknown scope', { scopes: ['owner'] }],
    ['a scope twice', { scopes: ['read', 'read'] }],
    ['scopes in a text', { scopes: 'admin' }],
    ['an end that is over', { expiresAt: '2020-01-01T00:00:00Z' }],
    ['an end that is no date', { expiresAt: '2031-02-30T00:00:00Z' }],
    ['a key of one\'s own', { key: 'tgo_mine' }],
    ['a hash of one\'s own', { sha256: 'a'.repeat(64) }],
    ['an id of one\'s own', { id: 'opk_mine' }],
    ['a name with a line break', { name: 'a\nb' }],
    ['a name that turns its direction', { name: 'a\u202eb' }],
  ])('%s makes none', async (_, fields) => {
    const before = JSON.stringify((await gateway.admin('GET', '/operator-keys?limit=200')).body);
    const asked = { name: 'k', scopes: ['read'], ...fields };
    expect((await gateway.admin('POST', '/operator-keys', asked)).status).toBe(400);
    expect(JSON.stringify((await gateway.admin('GET', '/operator-keys?limit=200')).body)).toBe(before);
  });
});

describe('B11: who deletes keys', () => {
  test('ends them at once, also its own, and locks nobody out who started the process', async () => {
    const { key, id } = await make(['admin']);
    expect((await ask(key, 'GET', '/admin/v1/accounts')).status).toBe(200);
    expect((await ask(key, 'DELETE', `/admin/v1/operator-keys/${id}`)).status).toBe(200);
    expect((await ask(key, 'GET', '/admin/v1/accounts')).status).toBe(401);
    const all = (await gateway.admin('GET', '/operator-keys?limit=200')).body['items'];
    for (const each of Array.isArray(all) ? all : []) {
      const deleted = await gateway.admin('DELETE', `/operator-keys/${textField(each, 'id')}`);
      expect([deleted.status, typeof deleted.body['revokedAt']]).toEqual([200, 'string']);
    }
    expect((await gateway.admin('GET', '/accounts')).status).toBe(200);
    // Its id stands in the audit, and names nothing that could be deleted.
    const own = gateway.serving.operator.keys.find(sha256Hex(gateway.operatorKey));
    expect((await gateway.admin('DELETE', `/operator-keys/${own?.id ?? ''}`)).status).toBe(404);
    expect((await gateway.admin('GET', '/accounts')).status).toBe(200);
  });

  test('leaves a trace of each, and a repetition leaves no second', async () => {
    const { id } = await make(['metrics']);
    for (const _ of [1, 2]) expect((await gateway.admin('DELETE', `/operator-keys/${id}`)).status).toBe(200);
    const events = (await gateway.admin('GET', `/audit-events?target=operator-key/${id}`)).body['items'];
    expect(events).toMatchObject([{ action: 'operator-key.delete' }, { action: 'operator-key.create' }]);
  });

  test('does so for good: after a new start what was deleted or has ended opens nothing, and the rest does', async () => {
    const [kept, deleted, ended] = [
      await make(['read']), await make(['read']),
      await make(['read'], { expiresAt: new Date(Date.now() + 400).toISOString() }),
    ];
    await gateway.admin('DELETE', `/operator-keys/${deleted.id}`);
    await gateway.stop();
    gateway = await startTestGateway({ dataFolder });
    const status = async (key: string) => (await ask(key, 'GET', '/admin/v1/accounts')).status;
    for (let turn = 0; turn < 400 && (await status(ended.key)) !== 401; turn += 1) await Bun.sleep(5);
    expect([await status(kept.key), await status(deleted.key), await status(ended.key)]).toEqual([200, 401, 401]);
  });
});

describe('D4, F4: the key itself', () => {
  test('is in one answer and nowhere else, repetitions included', async () => {
    const headers = { 'idempotency-key': 'once' };
    const body = { name: 'canary', scopes: ['admin'] };
    const first = await gateway.admin('POST', '/operator-keys', body, headers);
    const again = await gateway.admin('POST', '/operator-keys', body, headers);
    const key = textField(first.body, 'key');
    expect([again.status, again.body['key'], again.body['id']]).toEqual([201, null, first.body['id']]);
    const answers = [
      JSON.stringify(await gateway.admin('GET', '/operator-keys?limit=200')),
      JSON.stringify(await gateway.admin('GET', `/operator-keys/${textField(first.body, 'id')}`)),
      JSON.stringify(await gateway.admin('GET', '/audit-events')),
    ].join('\n');
    const elsewhere = [
      answers,
      gateway.log.join('\n'),
      ...readdirSync(dataFolder, { recursive: true, encoding: 'utf8' })
        .filter((name) => name.includes('.'))
        .map((name) => readFileSync(join(dataFolder, name), 'latin1')),
    ].join('\n');
    expect(elsewhere).toContain('canary');
    expect(elsewhere).not.toContain(key.slice(4, 30));
    // Files of the config are told by their hashes; keys never are.
    const hash = new Bun.CryptoHasher('sha256').update(key).digest('hex');
    expect(answers).not.toContain(hash);
    expect(answers).not.toMatch(/"key_?sha256"/i);
  });

  test('of many made at once each is one, up to as many as may work', async () => {
    const made = await Promise.all(
      Array.from({ length: 110 }, () => gateway.admin('POST', '/operator-keys', { name: 'many', scopes: ['metrics'] })),
    );
    const keys = made.filter(({ status }) => status === 201).map(({ body }) => textField(body, 'key'));
    const refused = made.filter(({ status }) => status === 409);
    expect([keys.length + refused.length, new Set(keys).size]).toEqual([110, keys.length]);
    expect(refused.length).toBeGreaterThanOrEqual(10);
  });
});
