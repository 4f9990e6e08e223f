// Cases B13 and B14 of the attack catalogue: every route that the gateway serves, on every face, called over
// HTTP with no credential, with wrong ones, and with those of another face. Only what stands in the list of
// open routes may answer 2xx.

import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { newId } from '../../src/core/ids.ts';
import { generateKey, systemRandomBytes } from '../../src/core/secrets.ts';
import { listRoutes } from '../../src/http/admin/route-inventory.ts';
import { publicHealthRoutes } from '../../src/http/health.ts';
import { proxyRoutes } from '../../src/http/proxy/proxy-routes.ts';
import { startTestGateway, type TestGateway } from '../support/gateway.ts';

/** Open to everybody, and why: reading terms binds nobody, and health says nothing of what is behind it. */
const openRoutes = new Set([
  'GET /healthz',
  'GET /readyz',
  'GET /status',
  'GET /terms',
  'GET /terms/:document',
  'GET /terms/:document/versions',
  'GET /terms/:document/versions/:version',
  'GET /terms/:document/clauses',
]);

interface Route {
  readonly method: string;
  readonly path: string;
  readonly face: 'admin' | 'client' | 'terms' | 'public';
}

let gateway: TestGateway;
let routes: readonly Route[];
beforeAll(async () => {
  // The header tells the address, so that each call comes from somebody who has not guessed wrongly yet.
  gateway = await startTestGateway({ argv: ['--trusted-proxy', '127.0.0.1/32'] });
  const { admin, terms } = await gateway.serving.gateway.describedApps();
  const never = () => {
    throw new Error('only the inventory is wanted');
  };
  const models = { list: never, one: never };
  const client = proxyRoutes({ served: never, models, storedReplies: never, peerOf: never });
  const open = publicHealthRoutes({ moneyAvailable: never, shuttingDown: never, metrics: never });
  const apps = [
    ['admin', admin],
    ['terms', terms],
    ['client', client],
    ['public', open],
  ] as const;
  routes = apps.flatMap(([face, app]) =>
    app === undefined ? [] : listRoutes(app).map(({ method, path }) => ({ method, path, face })),
  );
});
afterAll(() => gateway.stop());

/** What stands for the rest of a path, so that it is one that is served. */
function wildcardOf({ method, path }: Route): string {
  if (path.startsWith('/openai/deployments/')) return 'sim%2Ffast/chat/completions';
  return method === 'POST' ? 'sim/fast:generateContent' : 'sim/fast';
}

let strangers = 0;
async function call(route: Route, headers: Readonly<Record<string, string>>, query = '') {
  strangers += 1;
  const path = route.path.replace(/:[a-zA-Z]+/g, 'default').replace('*', wildcardOf(route));
  const response = await fetch(`${gateway.url}${path}${query}`, {
    method: route.method,
    redirect: 'manual',
    headers: {
      'content-type': 'application/json',
      'x-forwarded-for': `198.51.${strangers >> 8}.${strangers & 255}`,
      ...headers,
    },
    ...(route.method === 'GET' || route.method === 'HEAD'
      ? {}
      : { body: '{"model":"sim/fast","messages":[{"role":"user","content":"x"}],"input":"x"}' }),
  });
  return { status: response.status, text: await response.text() };
}

/** Routes that take operator keys. */
const isOperators = ({ face, path }: Route): boolean => face === 'admin' || path === '/metrics';
const nameOf = ({ method, path }: Route): string => `${method} ${path}`;

test('the inventory holds every face', () => {
  for (const face of ['admin', 'client', 'terms', 'public'] as const)
    expect(routes.some((route) => route.face === face)).toBe(true);
  expect(routes.length).toBeGreaterThan(45);
  expect(new Set(routes.map(nameOf)).size).toBe(routes.length);
  for (const name of openRoutes) expect(routes.map(nameOf)).toContain(name);
});

describe('B14: every route', () => {
  const unknownKey = generateKey('api-key', systemRandomBytes);
  const unknownOperator = generateKey('operator-key', systemRandomBytes);
  const strangersKeys: readonly (readonly [
    name: string,
    headers: Readonly<Record<string, string>>,
    query?: string,
  ])[] = [
    ['no credential', {}],
    ['an empty bearer', { authorization: 'Bearer ' }],
    ['Basic', { authorization: `Basic ${btoa('admin:admin')}` }],
    ['an unknown API key', { authorization: `Bearer ${unknownKey}` }],
    [
      'an unknown API key in other headers',
      { 'x-api-key': unknownKey, 'api-key': unknownKey, 'x-goog-api-key': unknownKey },
    ],
    ['an unknown API key in the query', {}, `?key=${unknownKey}`],
    ['an unknown operator key', { authorization: `Bearer ${unknownOperator}` }],
    ['an unsigned token', { authorization: 'Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiIsInJvbGUiOiJvd25lciJ9.' }],
    [
      'the words of a proxy',
      { 'x-forwarded-user': 'admin', 'x-remote-user': 'admin', 'x-original-url': '/healthz', 'x-admin': 'true' },
    ],
  ];

  test.each(strangersKeys.map(([name, headers, query = '']) => ({ name, headers, query })))(
    'is closed to $name',
    async ({ headers, query }) => {
      const wrong: string[] = [];
      for (const route of routes.filter((each) => !openRoutes.has(nameOf(each)))) {
        const { status, text } = await call(route, headers, query);
        // /terms takes no query beside its own fields.
        if (route.face === 'terms' && query !== '' && status === 400) continue;
        if (status !== 401 || !text.includes('"unauthenticated"')) wrong.push(`${nameOf(route)}: ${status}`);
      }
      expect(wrong).toEqual([]);
    },
  );

  test('that is open answers without a credential, and no better with a wrong one', async () => {
    for (const route of routes.filter((each) => openRoutes.has(nameOf(each)))) {
      const [without, withWrong] = [
        await call(route, {}),
        await call(route, { authorization: `Bearer ${unknownKey}` }),
      ];
      expect([nameOf(route), without.status < 500, withWrong.status]).toEqual([nameOf(route), true, without.status]);
    }
  });

  test('of a deleted key, an expired one and a suspended account is closed', async () => {
    const [deleted, expired, suspended] = [
      await gateway.fundedKey(1_000n),
      await gateway.fundedKey(1_000n),
      await gateway.fundedKey(1_000n),
    ];
    expect((await gateway.admin('DELETE', `/api-keys/${deleted.apiKeyId}`)).status).toBeLessThan(300);
    const soon = new Date(Date.now() + 1_500).toISOString();
    expect((await gateway.admin('PATCH', `/api-keys/${expired.apiKeyId}`, { expiresAt: soon })).status).toBe(200);
    expect((await gateway.admin('PATCH', `/accounts/${suspended.accountId}`, { status: 'suspended' })).status).toBe(
      200,
    );
    while (Date.now() <= Date.parse(soon)) await Bun.sleep(50);
    const guarded = routes.filter((each) => each.face !== 'public' && !openRoutes.has(nameOf(each)));
    for (const route of guarded) {
      for (const [{ apiKey }, status] of [
        [deleted, 401],
        [expired, 401],
        [suspended, isOperators(route) ? 401 : 403],
      ] as const) {
        expect([nameOf(route), (await call(route, { authorization: `Bearer ${apiKey}` })).status]).toEqual([
          nameOf(route),
          status,
        ]);
      }
    }
  });
});

describe('B13: keys on the wrong face', () => {
  test('an API key opens no admin route, wherever it stands', async () => {
    const { apiKey } = gateway;
    for (const route of routes.filter(isOperators)) {
      for (const [headers, query] of [
        [{ authorization: `Bearer ${apiKey}` }, ''],
        [{ 'x-api-key': apiKey }, ''],
        [{}, `?key=${apiKey}`],
        [{ cookie: `session=${apiKey}` }, ''],
      ] as const) {
        expect([nameOf(route), (await call(route, headers, query)).status]).toEqual([nameOf(route), 401]);
      }
    }
  });

  test('an operator key opens no client route, wherever it stands, nor an admin route but as a bearer', async () => {
    const { operatorKey } = gateway;
    const places = [
      [{ authorization: `Bearer ${operatorKey}` }, ''],
      [{ 'x-api-key': operatorKey }, ''],
      [{ 'x-goog-api-key': operatorKey }, ''],
      [{}, `?key=${operatorKey}`],
      [{ cookie: `session=${operatorKey}` }, ''],
    ] as const;
    for (const route of routes.filter((each) => !openRoutes.has(nameOf(each)))) {
      for (const [headers, query] of places) {
        if (isOperators(route) && 'authorization' in headers) continue;
        const { status } = await call(route, headers, query);
        expect([nameOf(route), status === 401 || (route.face === 'terms' && query !== '' && status === 400)]).toEqual(
          [nameOf(route), true],
        );
      }
    }
  });

  test('paths beside the routes are nothing to anybody', async () => {
    for (const path of [
      '/admin',
      '/admin/v2/accounts',
      '/admin/v1/secrets',
      '/v1',
      '/v1/',
      '/v1/keys',
      '/v1/admin',
      '/metrics/all',
      '/debug',
      '/.env',
      '/config',
      `/terms/${newId('acc')}`,
    ]) {
      for (const key of [undefined, gateway.apiKey, gateway.operatorKey]) {
        const { status, text } = await call(
          { method: 'GET', path, face: 'public' },
          key === undefined ? {} : { authorization: `Bearer ${key}` },
        );
        expect([path, status, text.includes(key ?? 'Bearer')]).toEqual([path, 404, false]);
      }
    }
  });
});
