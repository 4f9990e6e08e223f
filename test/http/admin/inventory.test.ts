// The whole gateway's admin API, as it is served: each of its routes is closed without an operator's right, and none
// answers a stranger with anything but a refusal.

import { afterAll, describe, expect, test } from 'bun:test';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import builtIn from '../../../plugins/gateway.config.ts';
import { resolvedOrRefused } from '../../../src/cli/read-config.ts';
import { placeNowhere } from '../../../src/cli/simulator-place.ts';
import { systemClock } from '../../../src/core/clock.ts';
import { createLog } from '../../../src/core/log.ts';
import { sha256Hex } from '../../../src/core/secrets.ts';
import { readEnvironment } from '../../../src/environment.ts';
import { createGateway } from '../../../src/gateway.ts';
import { listRoutes } from '../../../src/http/admin/route-inventory.ts';
import { keys } from './admin-harness.ts';

const dataFolder = await mkdtemp(join(tmpdir(), 'tollgate-inventory-'));
let strangers = 0;
const gateway = await createGateway({
  resolved: await resolvedOrRefused(
    placeNowhere(builtIn),
    { preset: undefined },
    { environment: readEnvironment(), modules: {} },
  ),
  dataFolder,
  version: '0.0.0',
  operatorKeys: {
    find: (sha256) => (sha256 === sha256Hex(keys.metrics) ? { id: 'opk_metrics', scopes: ['metrics'] } : undefined),
  },
  publicUrl: () => '',
  trustedProxies: [],
  clock: systemClock,
  chance: Math.random,
  log: createLog(
    systemClock,
    () => {},
    (text) => text,
  ),
  // Always another one, so that nobody is slowed for guessing.
  peerOf: () => `10.0.${(strangers += 1) >> 8}.${strangers & 255}`,
  connections: { mayBeQuiet: () => {}, replyEnds: () => {} },
});
const { admin } = await gateway.describedApps();

afterAll(async () => {
  await gateway.close();
  await rm(dataFolder, { recursive: true });
});

const routes = listRoutes(admin).map(({ method, path }) => ({
  method,
  path: path.replace(/:[a-zA-Z]+/g, 'some-name'),
}));

test('the inventory is that of a whole API', () => {
  expect(routes.length).toBeGreaterThan(30);
  expect(routes.every(({ path }) => path.startsWith('/admin/v1/'))).toBe(true);
});

describe('every route', () => {
  const cases: readonly (readonly [name: string, headers: Readonly<Record<string, string>>, status: number])[] = [
    ['no key', {}, 401],
    ['an API key', { authorization: `Bearer ${keys.api}` }, 401],
    ['an API key in another header', { 'x-api-key': keys.api }, 401],
    ['an operator key that is not known', { authorization: `Bearer ${keys.unknown}` }, 401],
    ['an operator key without the scope', { authorization: `Bearer ${keys.metrics}` }, 403],
  ];

  test.each(cases.map(([name, headers, status]) => ({ name, headers, status })))(
    'is closed to $name',
    async ({ headers, status }) => {
      const answers: string[] = [];
      for (const { method, path } of routes) {
        const response = await admin.handle(
          new Request(`http://localhost${path}`, {
            method,
            headers: { ...headers, 'content-type': 'application/json' },
            ...(method === 'GET' ? {} : { body: '{}' }),
          }),
        );
        if (response.status !== status) {
          answers.push(`${method} ${path}: ${response.status}`);
        }
        expect(response.headers.get('content-type')).toBe('application/problem+json');
      }
      expect(answers).toEqual([]);
    },
  );
});
