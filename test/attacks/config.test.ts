// Configs that are wrong in every way that a file can be wrong, handed to a gateway that serves: each is refused whole,
// with all that is wrong and where, and the gateway goes on with the one before. (Attack G3: validated, versioned, all
// or nothing.)

import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '../../src/cli/load-config.ts';
import { field, startTestGateway, testConfig, textField, type TestGateway } from '../support/gateway.ts';
import { configText, echo } from '../journeys/reload-stage.ts';

const modules = {
  'tollgate/plugin': () => import('../../src/plugin/index.ts'),
  'tollgate/plugins': () => import('../../plugins/index.ts'),
};

const folder = mkdtempSync(join(tmpdir(), 'tollgate-bad-configs-'));
const configFile = join(folder, 'gateway.config.ts');
const write = (text: string, file = configFile) => writeFileSync(file, text);
const terms = (text: string) => configText({ more: `terms: [{ file: 'terms.md', text: ${JSON.stringify(text)} }],` });
const document = (words: string) =>
  ['---', 'document: house-rules', 'version: 1', 'title: House rules', 'effective: 2026-01-01T00:00:00Z', 'locale: en']
    .concat(['acceptance: use', '---', '', '## R1 Rules {declared}', '', words, ''])
    .join('\n');

let gateway: TestGateway;
beforeAll(async () => {
  write("export const groups = [{ name: 'friends' }];\n", join(folder, 'groups.ts'));
  write(configText());
  gateway = await startTestGateway({ argv: ['--config', configFile], modules, configEvaluationMs: 150 });
});
afterAll(async () => {
  await gateway.stop();
  rmSync(folder, { recursive: true, force: true });
});

interface Bad {
  readonly name: string;
  readonly text: string;
  readonly path: string;
  readonly message: string;
  /** Left out: nobody can tell a line. */
  readonly at?: string;
}

const bad: readonly Bad[] = [
  { name: 'a syntax error', text: `${configText()}const = 1;\n`, path: 'config', message: 'Expected', at: ':15' },
  {
    name: 'a throw',
    text: configText({ head: "throw new Error('no luck');" }),
    path: 'config',
    message: 'no luck',
    at: ':1',
  },
  { name: 'a throw of nothing', text: configText({ head: 'throw undefined;' }), path: 'config', message: 'throws' },
  {
    name: 'a promise that never comes',
    text: configText({ head: 'await new Promise(() => {});' }),
    path: 'config',
    message: 'never comes',
    at: ':1',
  },
  {
    name: 'an import of nothing',
    text: configText({ head: "import './gone.ts';" }),
    path: 'config',
    message: 'gone.ts',
    at: ':1',
  },
  { name: 'no default export', text: 'export const a = 1;\n', path: 'config', message: 'no default export', at: ':1' },
  { name: 'an empty file', text: '', path: 'providers', message: 'Expected' },
  {
    name: 'a field that is none',
    text: configText({ more: 'modles: [],' }),
    path: 'modles',
    message: 'Unexpected',
    at: ':13',
  },
  {
    name: 'a float for a price',
    text: configText().replace('100000n', '0.1'),
    path: 'models[0].price.rates.input',
    message: 'bigint',
    at: ':10',
  },
  {
    name: 'a secret that is not there',
    text: configText({
      upstream: "{ name: 'far', provider: 'openai-compatible', credential: { fromEnvironment: 'NO_SUCH_KEY' } }",
    }).replace("upstream: 'simulator'", "upstream: 'far'"),
    path: 'upstreams[0].credential',
    message: 'NO_SUCH_KEY',
    at: ':8',
  },
  {
    name: 'an offer on nothing',
    text: configText().replace("upstream: 'simulator' }", "upstream: 'nobody' }"),
    path: 'models[0].offers[0].upstream',
    message: 'nobody',
    at: ':6',
  },
  {
    name: 'a part without a price',
    text: configText().replace(', cacheRead: 1n', ''),
    path: 'models[0].price.rates.cacheRead',
    message: 'no price',
    at: ':10',
  },
  {
    name: 'a proxy that is no range',
    text: configText({ more: "proxy: { trusted: ['10.0.0.0/99'], header: 'x-real-ip' }," }),
    path: 'proxy.trusted',
    message: '10.0.0.0/99',
    at: ':13',
  },
  {
    name: 'a country database that is none',
    text: configText({ more: "country: { kind: 'mmdb', file: '/nowhere/x.mmdb' }," }),
    path: 'country',
    message: '/nowhere/x.mmdb',
    at: ':13',
  },
  { name: 'terms that are none', text: terms('no front matter'), path: 'terms', message: 'terms.md:1', at: ':13' },
];

describe('a config with', () => {
  test.each(bad.map((one) => [one.name, one] as const))('%s changes nothing and says why', async (_, one) => {
    write(configText());
    await gateway.admin('POST', '/config/reload');
    const before = await gateway.admin('GET', '/config');
    write(one.text);
    const refused = await gateway.admin('POST', '/config/reload');
    expect({ status: refused.status, code: refused.body['code'] }).toEqual({ status: 422, code: 'config_refused' });
    const problems = Array.isArray(refused.body['problems']) ? refused.body['problems'] : [];
    const found = problems.find((problem) => field(problem, 'path') === one.path);
    expect(textField(found, 'message')).toContain(one.message);
    expect(field(found, 'declaredAt')).toBe(one.at === undefined ? undefined : `gateway.config.ts${one.at}`);
    const after = await gateway.admin('GET', '/config');
    const untouched: unknown = { ...after.body, lastFailure: null };
    expect(untouched).toEqual(before.body);
    expect(field(after.body, 'lastFailure', 'problems')).toHaveLength(problems.length);
    expect((await gateway.client('/chat/completions', echo('still here'))).status).toBe(200);
  });

  test('a published text that was changed is refused, and nothing of the rest is kept', async () => {
    write(terms(document('Be kind.')));
    expect((await gateway.admin('POST', '/config/reload')).status).toBe(200);
    const prices = async () => (await gateway.admin('GET', '/models/sim%2Fecho/prices')).body['items'];
    const before = await prices();
    write(terms(document('Be quick.')).replace('100000n', '123n'));
    const refused = await gateway.admin('POST', '/config/reload');
    expect(refused.status).toBe(422);
    expect(JSON.stringify(refused.body['problems'])).toContain('A published version never changes');
    expect(await prices()).toEqual(before);
    write(configText());
    expect((await gateway.admin('POST', '/config/reload')).status).toBe(200);
  });

  test('a directory in its place, or no file at all, is refused', async () => {
    rmSync(configFile);
    expect(JSON.stringify((await gateway.admin('POST', '/config/reload')).body['problems'])).toContain(
      'there is no file',
    );
    mkdirSync(configFile);
    expect((await gateway.admin('POST', '/config/reload')).status).toBe(422);
    rmSync(configFile, { recursive: true });
    write(configText());
    expect((await gateway.admin('POST', '/config/reload')).status).toBe(200);
  });

  test('a form that is not code is not taken', async () => {
    const file = join(folder, 'gateway.yaml');
    write('providers: []\nmodels: []\n', file);
    const starting = startTestGateway({ argv: ['--config', file], modules });
    await expect(starting).rejects.toThrow('no TypeScript or JavaScript file');
  });
});

test('a reload asks for an operator, and the same key answers the same', async () => {
  expect((await fetch(`${gateway.url}/admin/v1/config/reload`, { method: 'POST' })).status).toBe(401);
  write(configText({ input: 77 }));
  const headers = { 'idempotency-key': 'once' };
  const first = await gateway.admin('POST', '/config/reload', undefined, headers);
  expect(first.body['changes']).toHaveLength(2);
  expect(await gateway.admin('POST', '/config/reload', undefined, headers)).toEqual(first);
});

test('what a reload brings is in the document of the admin API, and what it takes is not', async () => {
  const isDescribed = async () => {
    const text = await (await fetch(`${gateway.url}/admin/docs/openapi.json`)).text();
    return text.includes('BillingRuleOptions.by-the-token');
  };
  expect(await isDescribed()).toBe(false);
  write(configText({ billing: "{ ...tokenPrice(), name: 'by-the-token' }, requestPrice()" }));
  expect((await gateway.admin('POST', '/config/reload')).status).toBe(200);
  expect(await isDescribed()).toBe(true);
  write(configText());
  expect((await gateway.admin('POST', '/config/reload')).status).toBe(200);
  expect(await isDescribed()).toBe(false);
});

test('a config that was read before is let go, however often it is read again', async () => {
  const own = join(folder, 'often.config.ts');
  const read: WeakRef<object>[] = [];
  for (let round = 0; round < 20; round += 1) {
    write(configText({ input: 1_000 + round }), own);
    read.push(new WeakRef((await loadConfig(own, testConfig(), modules)).config));
  }
  // What was just looked at may still stand somewhere on the stack.
  const kept = () => read.filter((one) => one.deref() !== undefined).length;
  for (let round = 0; round < 20 && kept() > 5; round += 1) {
    await Bun.sleep(0);
    Bun.gc(true);
  }
  expect(kept()).toBeLessThanOrEqual(5);
});

test('a secret of the environment is in no answer, no event and no log', async () => {
  const secret = 'sk-very-secret-0123456789';
  const own = join(folder, 'secret.config.ts');
  const upstream = "{ name: 'simulator', provider: 'simulator', baseUrl: simulatorAddress, addresses: 'any' }";
  const far = `${upstream}, { name: 'far', provider: 'openai-compatible', credential: { fromEnvironment: 'FAR_KEY' } }`;
  write(configText({ upstream: far }), own);
  const other = await startTestGateway({ argv: ['--config', own], modules, environment: { FAR_KEY: secret } });
  try {
    write(configText({ upstream: far, head: `throw new Error(${JSON.stringify(secret)});` }), own);
    await other.admin('POST', '/config/reload');
    write(configText({ upstream: far, input: 5 }), own);
    const texts = [
      await other.admin('POST', '/config/reload'),
      await other.admin('GET', '/config'),
      await other.admin('GET', '/audit-events'),
      other.log,
    ].map((answer) => JSON.stringify(answer));
    for (const text of texts) expect(text).not.toContain(secret);
    expect(texts[2]).toContain('config.start');
  } finally {
    await other.stop();
  }
  const late = other.serving.gateway.config.reload('signal');
  await expect(late).rejects.toMatchObject({ code: 'shutting_down' });
});
