// The whole way of a drop-in, on the executable: the files of the READMEs as a reader types them, tested, pinned, put
// into a config, and after a restart called through /v1 with OpenAI's own client; charged exactly, listed, described.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { appendFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import OpenAI, { type APIError } from 'openai';
import { sha256Hex } from '../../src/core/secrets.ts';
import { findBrowser, launchClosed } from '../browser/browser.ts';
import { eventually } from '../pipeline/stage.ts';
import { acmeKey, fewWords, muchWords, startAcmeVendor, type AcmeVendor } from '../support/acme-vendor.ts';
import { runBare } from '../support/bare-run.ts';
import { builtExecutable, startExecutable } from '../support/executable.ts';
import { field, gatewayCalls, textField, type GatewayCalls } from '../support/gateway.ts';
import { folderWith, pinned, readmeFiles } from '../support/plugin-files.ts';

setDefaultTimeout(60_000);
const browser = await findBrowser();
const optionsOf: Readonly<Record<string, string>> = {
  'acme.ts': '{"region":"eu"}',
  'least-busy.ts': '{}',
  'minimum-charge.ts': '{"minimumNano":"50000"}',
  'company-models.ts': '{"prefix":"acme/board"}',
};
const plugins = Object.keys(optionsOf);
const minimumNano = 50_000n;

let vendor: AcmeVendor;
let folder: string;
let environment: Record<string, string>;
beforeAll(async () => {
  vendor = startAcmeVendor();
  folder = folderWith(await readmeFiles());
  environment = { ACME_EAST_URL: vendor.url('east'), ACME_WEST_URL: vendor.url('west'), ACME_KEY: acmeKey };
});
afterAll(() => {
  vendor.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** The executable on a PATH with nothing on it. */
const run = async (...argv: readonly string[]) => runWith(await builtExecutable(), argv);
const runWith = (program: string, argv: readonly string[]) =>
  runBare(program, argv, folder, { ...environment, PATH: '/nowhere' });

test.each(plugins)('%s of the README passes the suite of its kind', async (file) => {
  const { exitCode, output, errors } = await run('plugin', 'test', file, '--options', optionsOf[file] ?? '{}');
  expect({ exitCode, errors }).toEqual({ exitCode: 0, errors: '' });
  expect(output).toMatch(/ {2}pass {2}leaves the process as it was\n\d+ checks passed\n$/);
});

test('is pinned by the line that the executable prints', async () => {
  const pins = new Map<string, string>();
  for (const file of plugins) {
    const { output } = await run('plugin', 'pin', file);
    const [, sha256 = ''] = /^dropIn\(\{ file: '\.\/[a-z-]+\.ts', sha256: '([0-9a-f]{64})' \}\),\n$/.exec(output) ?? [];
    expect(sha256).toBe(sha256Hex(await Bun.file(join(folder, file)).text()));
    pins.set(file, sha256);
  }
  const config = await Bun.file(join(folder, 'my.config.ts')).text();
  await Bun.write(join(folder, 'my.config.ts'), pinned(config, (file) => pins.get(file) ?? ''));
  const checked = await run('check', '--config', 'my.config.ts');
  expect(checked).toMatchObject({ exitCode: 0, errors: '' });
  for (const [file, sha256] of pins) expect(checked.output).toContain(`(drop-in ./${file}, pinned ${sha256})`);
  expect(checked.output).toContain('acme/talk  minimum-charge');
});

test('the same four serve a config that imports them, as one does that is compiled in', async () => {
  const config = await Bun.file(join(folder, 'my.config.ts')).text();
  const imported = config.replaceAll(
    /dropIn\(\{ file: '\.\/([a-z-]+)\.ts', sha256: '[0-9a-f]{64}'(?:, options: (\{[^}]*\}))? \}\)/g,
    (_, name: string, options = '') => `${name.replaceAll('-', '_')}(${options})`,
  );
  const imports = plugins.map((file) => `import ${file.slice(0, -3).replaceAll('-', '_')} from './${file}';\n`);
  await Bun.write(join(folder, 'imports.config.ts'), imports.join('') + imported);
  const checked = await run('check', '--config', 'imports.config.ts');
  expect(checked).toMatchObject({ exitCode: 0, errors: '' });
  for (const name of ['acme', 'least-busy', 'minimum-charge', 'company-models'])
    expect(checked.output).toContain(`  ${name} 1.0.0  `);
  expect(checked.output).not.toContain('drop-in ');
});

const compiled = (): string => join(folder, 'my-gateway');
const ways = [
  { way: 'dropped in', source: 'drop-in', program: builtExecutable, config: ['--config', 'my.config.ts'] },
  {
    way: 'compiled in by the executable alone',
    source: 'config',
    async program() {
      const built = await run('build', '--config', 'imports.config.ts', '--out', 'my-gateway');
      expect(built).toMatchObject({ exitCode: 0, errors: '' });
      return compiled();
    },
    config: [],
  },
] as const;

describe.each(ways)('after a restart, $way', ({ source, program: programOf, config }) => {
  let program = '';
  let child: Bun.Subprocess<'ignore', 'pipe', 'pipe'>;
  let calls: GatewayCalls;
  let client: OpenAI;
  let url = '';
  let dataFolder = '';

  beforeAll(async () => {
    dataFolder = folderWith([]);
    const first = await startExecutable({ argv: ['--data', dataFolder], environment });
    // Once it answers, its keys were printed for good.
    await first.admin('GET', '/health');
    await first.stop();
    program = await programOf();
    child = Bun.spawn([program, 'serve', '--port', '0', '--data', dataFolder, ...config], {
      cwd: folder,
      env: environment,
      stdin: 'ignore',
      stdout: 'pipe',
      stderr: 'pipe',
    });
    for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
      url = /serves on (http:\S+)/.exec(text)?.[1] ?? '';
      if (url !== '') break;
    }
    calls = gatewayCalls(url, first.apiKey, first.operatorKey);
    client = new OpenAI({ baseURL: `${url}/v1`, apiKey: first.apiKey, maxRetries: 0 });
  });
  afterAll(async () => {
    child.kill('SIGTERM');
    await child.exited;
    rmSync(dataFolder, { recursive: true, force: true });
  });

  const ask = (content: string, model = 'acme/talk', using = client) =>
    using.chat.completions.create({ model, messages: [{ role: 'user', content }] });

  async function newestCharge(count: number) {
    let items: readonly unknown[] = [];
    await eventually(`record ${count}`, async () => {
      const { body } = await calls.admin('GET', '/usage?limit=100');
      items = Array.isArray(body['items']) ? body['items'] : [];
      return items.length === count;
    });
    const { body } = await calls.admin('GET', `/usage/${textField(items[0], 'requestId')}`);
    return { chargeNano: BigInt(textField(body, 'chargeNano')), usage: field(body, 'usage'), record: body };
  }

  test('a call is answered by the vendor and charged by the rule, to the last unit', async () => {
    const reply = await ask('much to say');
    expect(reply.choices[0]?.message.content).toBe('Well said.');
    expect(vendor.calls.at(-1)).toMatchObject({ query: '?region=eu', key: acmeKey, body: { model: 'talk-1' } });
    const { chargeNano, usage } = await newestCharge(1);
    const input = muchWords.words_in - muchWords.words_reused;
    expect(usage).toEqual({ input, cacheRead: muchWords.words_reused, output: muchWords.words_out });
    const pico = input * 1_000_000 + muchWords.words_reused * 100_000 + muchWords.words_out * 3_000_000;
    expect(chargeNano).toBe(BigInt(pico / 1_000));
  });

  test('a stream too, at the least that a call costs', async () => {
    const stream = await client.chat.completions.create({
      model: 'acme/talk',
      messages: [{ role: 'user', content: 'little to say' }],
      stream: true,
    });
    let text = '';
    for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? '';
    expect(text).toBe('Well said.');
    expect(vendor.calls.at(-1)?.body.stream_options).toBeUndefined();
    const { chargeNano, usage } = await newestCharge(2);
    const { words_in, words_reused, words_out } = fewWords;
    expect(usage).toEqual({ input: words_in - words_reused, cacheRead: words_reused, output: words_out });
    expect(chargeNano).toBe(minimumNano);
  });

  test("the vendor's refusal reaches the client in the client's own form", async () => {
    const refused: APIError = await ask('rude').then(
      () => Promise.reject(new Error('it was answered')),
      (error: APIError) => error,
    );
    expect(refused.status).toBe(400);
    expect(refused.message).toContain('we do not talk like that');
    expect((await newestCharge(3)).chargeNano).toBe(0n);
  });

  test('the strategy sends a call where less is running', async () => {
    const before = vendor.calls.length;
    const held = ask('wait');
    await eventually('the held call', () => vendor.calls.length === before + 1);
    await ask('go on');
    vendor.letGo();
    await held;
    expect(new Set(vendor.calls.slice(before).map(({ region }) => region)).size).toBe(2);
  });

  test('the policy keeps a model for companies', async () => {
    const before = vendor.calls.length;
    const refused: APIError = await ask('hello', 'acme/board-room').then(
      () => Promise.reject(new Error('it was answered')),
      (error: APIError) => error,
    );
    expect(refused).toMatchObject({ status: 403, code: 'policy_refused' });
    expect(vendor.calls.length).toBe(before);
    const account = await calls.admin('POST', '/accounts', { kind: 'company', name: 'Board', currency: 'USD' });
    const accountId = textField(account.body, 'id');
    const money = { amountNano: '1000000000', currency: 'USD', source: 'promotion', reason: 'test' };
    await calls.admin('POST', `/accounts/${accountId}/top-ups`, money);
    const key = await calls.admin('POST', '/api-keys', { accountId, name: 'board' });
    const ours = client.withOptions({ apiKey: textField(key.body, 'key') });
    expect((await ask('hello', 'acme/board-room', ours)).choices[0]?.message.content).toBe('Well said.');
  });

  test('the admin API lists all four, and the schemas of their options', async () => {
    const { status, body } = await calls.admin('GET', '/plugins');
    const items: readonly unknown[] = Array.isArray(body['items']) ? body['items'] : [];
    expect(status).toBe(200);
    const dropIns = items.filter((item) => field(item, 'source') === source).map((item) => field(item, 'name'));
    expect(dropIns).toEqual(['acme', 'least-busy', 'minimum-charge', 'company-models']);
    const builtIns = items.filter((item) => field(item, 'source') === 'built-in').map((item) => field(item, 'name'));
    expect(builtIns).toEqual(['weighted', 'token-price', 'terms-acceptance']);
    if (source === 'drop-in') expect(field(items[0], 'file')).toBe('./acme.ts');
    expect(field(items[0], 'optionsSchema', 'properties', 'region', 'pattern')).toBe('^(?:eu|us)$');
  });

  // What a page shows needs a browser to be seen.
  test.skipIf('missing' in browser)('Swagger UI shows their options (skipped without a browser)', async () => {
    if ('missing' in browser) return;
    const closed = await launchClosed(browser);
    try {
      const page = await closed.browser.newPage();
      page.setDefaultTimeout(20_000);
      await page.goto(`${url}/admin/docs`, { waitUntil: 'load' });
      await page.waitForSelector('#operations-Plugins-listPlugins');
      await page.waitForSelector('section.models button');
      await page.click('section.models button');
      await page.waitForSelector('section.models .json-schema-2020-12__title');
      const shown = await page.$$eval('section.models .json-schema-2020-12__title', (titles) =>
        titles.map((title) => title.textContent?.trim() ?? ''),
      );
      expect(shown).toEqual(
        expect.arrayContaining([
          'ProviderOptions.acme',
          'RoutingStrategyOptions.least-busy',
          'BillingRuleOptions.minimum-charge',
          'PolicyOptions.company-models',
        ]),
      );
      expect(closed.escapes).toEqual([]);
    } finally {
      await closed.close();
    }
  });

  test('the books are in order by the same rule, which verify loads as well', async () => {
    child.kill('SIGTERM');
    expect(await child.exited).toBe(0);
    const { exitCode, errors } = await runWith(program, ['verify', ...config, '--data', dataFolder]);
    expect({ exitCode, errors }).toEqual({ exitCode: 0, errors: '' });
  });

  test('a file that was changed since it was pinned is not run', async () => {
    appendFileSync(join(folder, 'acme.ts'), '\n// a change\n');
    const { exitCode, errors } = await run('check', '--config', 'my.config.ts');
    expect(exitCode).toBe(1);
    expect(errors).toMatch(/providers\[0\]: drop-in ".\/acme.ts": sha256: what is there has [0-9a-f]{64}, which is not/);
    expect(errors).toContain('tollgate plugin pin ./acme.ts');
  });
});
