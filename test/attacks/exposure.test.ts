// Case G8 of the attack catalogue: what a stranger can see. Everything that answers without a key is on a list here,
// with the reason; it says nothing of who is served, by what, and in which release. There is nothing to debug from
// afar. That the routes of all faces are closed otherwise is shown with B14.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve as resolvePath } from 'node:path';
import { refuseDebugger } from '../../src/cli/debugger-off.ts';
import { version } from '../../src/cli/version.ts';
import { readEnvironment } from '../../src/environment.ts';
import { listRoutes } from '../../src/http/admin/route-inventory.ts';
import { simulatorAddress } from '../../src/plugin/index.ts';
import { builtExecutable, startExecutable } from '../support/executable.ts';
import { simulatorModel, startTestGateway, testConfig, type TestGateway } from '../support/gateway.ts';

setDefaultTimeout(60_000);
const project = resolvePath(import.meta.dir, '../..');

/** Path and why strangers may read it. */
const open: Readonly<Record<string, string>> = {
  '/healthz': 'a supervisor asks whether the process lives',
  '/readyz': 'a load balancer asks whether to send traffic',
  '/status': 'customers ask whether the service is up',
  '/terms': 'whoever may accept terms reads them first',
  '/terms/basic-terms': 'the same',
  '/terms/basic-terms/versions': 'the same',
  '/terms/basic-terms/clauses': 'the same',
  '/admin/docs': 'a browser loads a page before anybody can enter a key into it',
  '/admin/docs/': 'the same',
  '/admin/docs/init.js': 'the page needs it',
  '/admin/docs/openapi.json': 'the page needs it; of this gateway it has its plugins, by name and options',
  '/admin/docs/swagger-ui-bundle.js': 'the page needs it',
  '/admin/docs/swagger-ui.css': 'the page needs it',
};

/** What tools, frameworks and other gateways have. None of it is here. */
const elsewhere = [
  '/debug', '/debug/pprof', '/debug/pprof/heap', '/debug/vars', '/_bun/client', '/_bun/src/main.ts', '/bun:info',
  '/json', '/json/version', '/json/list', '/inspector', '/heap', '/heapdump', '/profile', '/profiler', '/trace',
  '/actuator', '/actuator/env', '/server-status', '/server-info', '/info', '/version', '/env', '/config',
  '/config.json', '/.env', '/.git/config', '/.well-known/security.txt', '/openapi.json', '/openapi', '/swagger',
  '/swagger/json', '/docs', '/redoc', '/graphql', '/console', '/ui', '/dashboard', '/api', '/api/status',
  '/api/models', '/health', '/health/readiness', '/health/liveliness', '/routes', '/stats', '/prometheus',
  '/admin/openapi.json', '/admin/metrics', '/admin/debug', '/admin/v1/debug', '/admin/v1/env',
  '/admin/v1/heap', '/v1/health', '/v1/status', '/v1/metrics',
];

/** Names that no stranger may learn. */
const canary = {
  upstream: 'canary-upstream', model: 'canary/model', account: 'Canary Account GmbH', group: 'canary-group',
};

let gateway: TestGateway;
let paths: readonly string[];
beforeAll(async () => {
  gateway = await startTestGateway({
    argv: ['--trusted-proxy', '127.0.0.1/32'],
    config: testConfig({
      upstreams: [{ name: canary.upstream, provider: 'simulator', baseUrl: simulatorAddress, addresses: 'any' }],
      models: [simulatorModel(canary.model, { offers: [{ upstream: canary.upstream, model: 'sim/fast' }] })],
    }),
  });
  await gateway.admin('POST', '/groups', { name: canary.group });
  await gateway.admin('POST', '/accounts', { kind: 'company', name: canary.account, group: canary.group });
  const messages = [{ role: 'user', content: 'x' }];
  const called = await gateway.client('/chat/completions', { model: canary.model, messages });
  expect(called.status).toBe(200);
  const { admin, terms } = await gateway.serving.gateway.describedApps();
  const routes = [admin, terms].flatMap((app) => (app === undefined ? [] : listRoutes(app)));
  const read = routes.filter(({ method }) => method === 'GET');
  const served = read.map(({ path }) => path.replace(/:[a-zA-Z]+/g, 'default'));
  paths = [...new Set([...Object.keys(open), ...served, ...elsewhere, '/v1/models', '/', '/metrics'])];
});
afterAll(() => gateway.stop());

let strangers = 0;
async function ask(path: string, key?: string, method = 'GET') {
  strangers += 1;
  const response = await fetch(`${gateway.url}${path}`, {
    method,
    redirect: 'manual',
    headers: {
      'x-forwarded-for': `198.51.${strangers >> 8}.${strangers & 255}`,
      ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
    },
  });
  return { status: response.status, text: await response.text(), headers: [...response.headers].join('\n') };
}

describe('G8: without a key', () => {
  test('what is on the list answers, and nothing else does', async () => {
    const answering: string[] = [];
    for (const path of paths) {
      const { status } = await ask(path);
      if (status === 200) answering.push(path);
      else expect([path, [401, 404].includes(status)]).toEqual([path, true]);
    }
    expect(answering.toSorted()).toEqual(Object.keys(open).toSorted());
  });

  test('no answer, refusals included, names customers, upstreams, models, the release, the runtime or a path', async () => {
    const secrets = [
      ...Object.values(canary), gateway.dataFolder, 'acc_', 'key_', 'opk_', gateway.operatorKey.slice(0, 12),
      gateway.apiKey.slice(0, 12),
    ];
    for (const path of paths) {
      for (const method of ['GET', 'POST', 'OPTIONS', 'TRACE']) {
        const { text, headers } = await ask(path, undefined, method);
        // The page's document shows the forms of identifiers; the bundle is a library as it was published.
        const isForAll = path.endsWith('openapi.json') || path.endsWith('bundle.js');
        const found = secrets.filter((secret) => text.includes(secret) && !(isForAll && /^\w+_$/.test(secret)));
        expect([method, path, found]).toEqual([method, path, []]);
        expect([method, path, /^(?:server|x-powered-by|via|x-runtime)/im.test(headers)]).toEqual([method, path, false]);
        if (path.includes('swagger-ui')) continue;
        expect([method, path, /\bbun\b|elysia|node_modules|\bat .+:\d+:\d+/i.test(text)]).toEqual([method, path, false]);
        // Terms have versions of their own.
        if (!path.startsWith('/terms')) expect([path, text.includes(`"${version}"`)]).toEqual([path, false]);
      }
    }
  });

  test('the release is for operators', async () => {
    expect((await gateway.admin('GET', '/health')).body['version']).toBe(version);
  });
});

describe('G8: with a key', () => {
  test('nothing to debug, dump or configure from afar is anywhere', async () => {
    for (const key of [gateway.apiKey, gateway.operatorKey]) {
      for (const path of elsewhere) {
        expect([path, [401, 404].includes((await ask(path, key)).status)]).toEqual([path, true]);
      }
    }
  });

  // Holds from the day on which metrics are served: until then there is nothing at their path.
  test('metrics are for operators, and name no customer', async () => {
    const served = (await ask('/metrics', gateway.operatorKey)).status !== 404;
    expect((await ask('/metrics')).status).toBe(served ? 401 : 404);
    expect((await ask('/metrics', gateway.apiKey)).status).toBe(served ? 401 : 404);
    const { status, text } = await ask('/metrics', gateway.operatorKey);
    expect(status).toBe(served ? 200 : 404);
    for (const name of [canary.account, 'acc_', 'key_', 'usr_', gateway.apiKey.slice(0, 12), gateway.dataFolder]) {
      expect([name, text.includes(name)]).toEqual([name, false]);
    }
    expect(text).not.toMatch(/(?:account|user|api_key|tenant|address|request_id)="/);
  });
});

test('G8: every server of ours is started without the runtime\'s own pages', async () => {
  const files = [...new Bun.Glob('{src,plugins}/**/*.ts').scanSync(project)];
  const read = async (path: string) => [path, await Bun.file(join(project, path)).text()] as const;
  const texts = await Promise.all(files.map(read));
  const serving = texts.filter(([, text]) => text.includes('Bun.serve('));
  expect(serving.length).toBeGreaterThan(0);
  for (const [path, text] of serving) {
    expect([path, text.split('Bun.serve(').length]).toEqual([path, text.split('development: false').length]);
  }
});

test('G8: the executable keeps the runtime\'s own pages to itself', async () => {
  const running = await startExecutable({ environment: { NODE_ENV: 'development' } });
  for (const path of ['/bun:info', '/_bun/', '/json/version']) {
    expect([path, (await fetch(`${running.url}${path}`)).status]).toEqual([path, 404]);
  }
  await running.stop();
});

describe('G8: a debugger', () => {
  test.each([
    { BUN_INSPECT: 'ws://127.0.0.1:6499/x' },
    { BUN_INSPECT: '1' },
    { BUN_INSPECT_CONNECT_TO: 'ws://127.0.0.1:1/' },
    { BUN_INSPECT_NOTIFY: 'unix:///tmp/x' },
    { BUN_OPTIONS: '--smol --inspect=0.0.0.0:6499' },
    { BUN_OPTIONS: '--inspect-wait' },
    { BUN_OPTIONS: '--inspect-brk' },
  ])('asked for by %p is refused', (variables) => {
    expect(() => refuseDebugger(readEnvironment(variables))).toThrow(Object.keys(variables)[0]);
  });

  test('nothing else is', () => {
    const harmless = readEnvironment({ BUN_OPTIONS: '--smol', BUN_INSPECT: '', PATH: '/bin' });
    expect(() => refuseDebugger(harmless)).not.toThrow();
  });

  test('does not come up in the executable: it ends with a word, before it has a data folder', async () => {
    const executable = await builtExecutable();
    const port = await freePort();
    const work = mkdtempSync(join(tmpdir(), 'tollgate-test-'));
    const child = Bun.spawn([executable, 'serve', '--port', '0', '--data', join(work, 'data')], {
      env: { BUN_INSPECT: `ws://127.0.0.1:${port}/x` }, stdin: 'ignore', stdout: 'ignore', stderr: 'pipe',
    });
    const errors = await new Response(child.stderr).text();
    expect([await child.exited, errors]).toEqual([2, expect.stringContaining('BUN_INSPECT: opens a debugger')]);
    await expect(fetch(`http://127.0.0.1:${port}/json/version`)).rejects.toThrow();
    rmSync(work, { recursive: true });
  });
});

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer();
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}
