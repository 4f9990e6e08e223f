// Every route is closed without an operator's right, before its body is read, however its resource was put together.

import { describe, expect, test } from 'bun:test';
import { Elysia } from 'elysia';
import { bounds } from '../../../src/core/bounds.ts';
import { actorOf } from '../../../src/http/admin/actor.ts';
import { listRoutes } from '../../../src/http/admin/route-inventory.ts';
import { accountId, adminHarness, keys } from './admin-harness.ts';

/** A resource that says who asks, and one that takes a body. */
const ownRoutes = () =>
  new Elysia({ name: 'own-routes' })
    .get('/whoami', ({ request }) => ({ actor: actorOf(request).name }))
    .post('/items', ({ body }) => ({ taken: body !== null }));

const harness = () => adminHarness([ownRoutes()]);

describe('the guard', () => {
  const everyRoute = listRoutes(harness().app).map(({ method, path }) => ({
    method,
    path: path.replace(':requestId', 'req_1').replace(/:[a-zA-Z]+/g, accountId),
  }));

  test('there are routes to check', () => {
    expect(everyRoute.length).toBeGreaterThan(10);
  });

  test.each(everyRoute)('$method $path is closed without a right', async ({ method, path }) => {
    const { call } = harness();
    const body = method === 'GET' ? undefined : '{not json';
    expect((await call(method, path, { key: null, body })).status).toBe(401);
    expect((await call(method, path, { key: keys.api, body })).status).toBe(401);
    expect((await call(method, path, { key: keys.unknown, body })).status).toBe(401);
    expect((await call(method, path, { key: keys.metrics, body })).status).toBe(403);
    expect((await call(method, path, { key: null, body, headers: { 'x-api-key': keys.admin } })).status).toBe(401);
    expect((await call(method, `${path}?key=${keys.admin}`, { key: null, body })).status).toBe(401);
  });

  test('nothing happens on behalf of a stranger', async () => {
    const { call, ledger } = harness();
    await call('POST', `/admin/v1/accounts/${accountId}/top-ups`, {
      key: keys.metrics,
      body: { amountNano: '1', currency: 'USD', source: 'cash', reason: 'x' },
    });
    expect(ledger.movements).toEqual([]);
  });

  test('the actor is the key that was sent', async () => {
    expect((await harness().call('GET', '/admin/v1/whoami')).json).toEqual({ actor: 'operator:opk_admin' });
  });

  test('several keys are refused, whichever is right', async () => {
    const { call } = harness();
    const answer = await call('GET', '/admin/v1/whoami', {
      key: null,
      headers: { authorization: `Bearer ${keys.admin}, Bearer ${keys.unknown}` },
    });
    expect(answer.status).toBe(400);
    expect(answer.json['code']).toBe('ambiguous_credentials');
    expect(answer.text).not.toContain(keys.admin);
  });

  test('guessing is slowed by address, and a right key still works', async () => {
    const { call, clock } = harness();
    const guess = (peer: string) => call('GET', '/admin/v1/whoami', { key: keys.unknown, peer });
    for (let round = 0; round < 20; round++) expect((await guess('2001:db8:1:2::1')).status).toBe(401);
    const held = await guess('2001:db8:1:2:ffff::9');
    expect(held.status).toBe(429);
    expect(Number(held.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await guess('2001:db8:1:3::1')).status).toBe(401);
    expect((await call('GET', '/admin/v1/whoami', { peer: '2001:db8:1:2::1' })).status).toBe(200);
    clock.move(60_001);
    expect((await guess('2001:db8:1:2::1')).status).toBe(401);
  });

  test("a stranger's body is not read", async () => {
    let pulled = 0;
    const { app } = harness();
    const body = new ReadableStream<Uint8Array>(
      {
        pull(controller) {
          pulled += 1;
          controller.enqueue(new Uint8Array(1024));
        },
      },
      { highWaterMark: 0 },
    );
    const response = await app.handle(
      new Request('http://localhost/admin/v1/items', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
      }),
    );
    expect(response.status).toBe(401);
    expect(pulled).toBe(0);
  });

  test('a body without a length is cut at the limit', async () => {
    let sent = 0;
    const { app } = harness();
    const body = new ReadableStream<Uint8Array>(
      {
        pull(controller) {
          sent += 64 * 1024;
          controller.enqueue(new Uint8Array(64 * 1024).fill(0x20));
        },
      },
      { highWaterMark: 0 },
    );
    const response = await app.handle(
      new Request('http://localhost/admin/v1/items', {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${keys.admin}` },
        body,
      }),
    );
    expect(response.status).toBe(413);
    expect(sent).toBeLessThan(bounds.adminBodyBytes + 256 * 1024);
  });
});

describe('a resource that the guard could not hold', () => {
  const secret = () => new Response('secret');

  test.each([
    ['an onRequest hook', new Elysia({ name: 'early' }).onRequest(secret).get('/static', secret)],
    ['a websocket', new Elysia({ name: 'socket' }).ws('/socket', {})],
  ])('with %s stops the start', (_, resource) => {
    expect(() => adminHarness([resource])).toThrow(/guard/);
  });

  test.each([
    ['a mounted handler', '/mounted/x', new Elysia({ name: 'mounted' }).mount('/mounted', secret)],
    ['a static reply', '/static', new Elysia({ name: 'static' }).get('/static', new Response('secret'))],
    ['a static text', '/text', new Elysia({ name: 'text' }).get('/text', 'secret')],
    ['every method', '/all', new Elysia({ name: 'all' }).all('/all', secret)],
    ['a group', '/group/in', new Elysia({ name: 'group' }).group('/group', (group) => group.get('/in', secret))],
    [
      'a hook of its own',
      '/own',
      new Elysia({ name: 'own' }).onBeforeHandle({ as: 'global' }, secret).get('/own', secret),
    ],
  ])('with %s is guarded all the same', async (_, path, resource) => {
    const { call } = adminHarness([resource]);
    const answer = await call('GET', `/admin/v1${path}`, { key: null });
    expect(answer.status).toBe(401);
    expect(answer.text).not.toContain('secret');
  });
});
