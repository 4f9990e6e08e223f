// An executable of the operator's own, made by the released one alone: on a PATH without Bun and Node, with an empty
// home. What it is built from is all in it, it builds the next one, and whatever is wrong leaves nothing half done.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import OpenAI from 'openai';
import { scratchFolders } from '../store/scratch.ts';
import { runBare } from '../support/bare-run.ts';
import { builtExecutable, startExecutable, type RunningExecutable } from '../support/executable.ts';
import { field } from '../support/gateway.ts';
import { addOwnPlugins, changed, variantOf } from './own-plugins.ts';

setDefaultTimeout(120_000);
const scratch = scratchFolders();

let released: string;
let home: string;
let temporary: string;
beforeAll(async () => {
  [released, home, temporary] = [await builtExecutable(), scratch(), scratch()];
});

const bare = (environment: Readonly<Record<string, string>> = {}) => ({
  PATH: '/usr/bin:/bin',
  HOME: home,
  TMPDIR: temporary,
  ...environment,
});

const run = (
  file: string,
  words: readonly string[],
  folder: string,
  environment: Readonly<Record<string, string>> = {},
) => runBare(file, words, folder, bare(environment));

/** Nothing is left where a build works: neither beside --out nor among temporary files. */
const expectTidy = (folder: string) => {
  expect(readdirSync(temporary)).toEqual([]);
  expect(readdirSync(folder).filter((name) => name.includes('build-'))).toEqual([]);
};

const hasTwins = (files: readonly string[]) =>
  new Set(files.map((file) => Bun.hash(readFileSync(file)))).size < files.length;

describe('from the released executable alone', () => {
  const build = ['build', '--config', 'gateway.config.ts', '--out'];
  let folder: string;
  let own: string;
  let running: RunningExecutable | undefined;
  beforeAll(() => {
    folder = scratch();
    own = join(folder, 'my-gateway');
  });
  afterAll(async () => {
    await running?.stop();
  });

  test('a folder to begin with passes its own check and serves', async () => {
    expect(await run(released, ['init'], folder)).toMatchObject({ exitCode: 0, errors: '' });
    const checked = await run(released, ['check', '--config', 'gateway.config.ts'], folder);
    expect(checked).toMatchObject({ exitCode: 0, output: expect.stringContaining('Nothing is wrong.') });
    const served = await startExecutable({ argv: ['--config', join(folder, 'gateway.config.ts')] });
    const messages = [{ role: 'user', content: 'Hello' }];
    const answer = await served.client('/chat/completions', { model: 'sim/echo', messages });
    expect([answer.status, await served.stop()]).toEqual([200, 0]);
  });

  test('four plugins of the operator are compiled in, and what the environment lacks is a remark', async () => {
    addOwnPlugins(folder);
    const atHome = readdirSync(home);
    const built = await run(released, [...build, 'my-gateway'], folder);
    expect(built.errors).toBe('');
    expect(built.exitCode).toBe(0);
    expect(built.output).toContain('upstreams[1].credential: ACME_API_KEY is not in the environment');
    expect(statSync(own).mode & 0o111).toBe(0o111);
    expectTidy(folder);
    expect(readdirSync(home)).toEqual(atHome);
  });

  test('the new executable shows them in `check`', async () => {
    const { exitCode, output } = await run(own, ['check'], folder, { ACME_API_KEY: 'secret' });
    const shown = ['acme 2.1.0  Acme by its own signature', 'last-first 1.0.0', 'tariff 1.0.0', 'no-nights 1.0.0'];
    expect(shown.filter((text) => !output.includes(text))).toEqual([]);
    expect(exitCode).toBe(0);
  });

  test('serves with them: a call of the official client, stream and not, is charged by the rule', async () => {
    running = await startExecutable({ file: own, environment: { ACME_API_KEY: 'secret' } });
    const client = new OpenAI({ apiKey: running.apiKey, baseURL: `${running.url}/v1`, maxRetries: 0 });
    const messages = [{ role: 'user' as const, content: 'Hello' }];
    const whole = await client.chat.completions.create({ model: 'acme-one', messages });
    expect(whole.choices[0]?.message.content).toContain('Hello');
    const stream = await client.chat.completions.create({ model: 'acme-one', messages, stream: true });
    let text = '';
    for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? '';
    expect(text).toContain('Hello');
    const refused = client.chat.completions.create({ model: 'night/one', messages });
    await expect(refused.then(String)).rejects.toThrow('Not at night.');
    const usage = await running.admin('GET', '/usage');
    const charged = { model: 'acme-one', chargeNano: '7000000' };
    expect(field(usage.body, 'items')).toEqual([expect.objectContaining(charged), expect.objectContaining(charged)]);
  });

  test('builds the next one over the file that is running, and the same inputs give the same bytes', async () => {
    const files = [own];
    const inode = statSync(own).ino;
    // On a busy machine the bundler now and then names a few variables otherwise, so two in a row may differ; what
    // differed every time (a clock, the name of a temporary folder) is what this finds.
    while (files.length < 5 && !hasTwins(files)) {
      const kept = `${own}-${files.length}`;
      copyFileSync(own, kept);
      files.push(kept);
      const built = await run(own, [...build, 'my-gateway'], folder, { ACME_API_KEY: 'secret' });
      expect(built).toMatchObject({ exitCode: 0, errors: '', output: expect.stringContaining('nothing is wrong') });
    }
    expect(hasTwins(files)).toBe(true);
    expect(statSync(own).ino).not.toBe(inode);
    expect((await running?.admin('GET', '/usage'))?.status).toBe(200);
    expectTidy(folder);
  });
});

describe('what is wrong leaves what stands at --out as it was', () => {
  let initialised: string;
  beforeAll(async () => {
    initialised = scratch();
    await run(released, ['init', initialised], initialised);
  });

  /** Builds a changed copy over an executable that stands there already. */
  async function refusal(pairs: Parameters<typeof variantOf>[2], words: readonly string[] = []): Promise<string> {
    const folder = scratch();
    variantOf(initialised, folder, pairs);
    const out = join(folder, 'gateway');
    writeFileSync(out, 'what stood there', { mode: 0o755 });
    const built = await run(released, ['build', '--config', 'gateway.config.ts', '--out', out, ...words], folder);
    expect(built).toMatchObject({ exitCode: 2, output: '' });
    expect(readFileSync(out, 'utf8')).toBe('what stood there');
    expectTidy(folder);
    return built.errors;
  }

  test('a misspelt option and a policy among the providers do not compile', async () => {
    const errors = await refusal([
      ['openAiCompatible(),', 'openAiCompatible({ baseURL: "https://x.example/v1" }), termsAcceptance(),'],
    ]);
    expect(errors).toMatch(/^ {2}gateway\.config\.ts:\d+:\d+: TS2561: .*'baseURL' does not exist/m);
    expect(errors).toMatch(/^ {2}gateway\.config\.ts:\d+:\d+: TS2322: .*"policy".*"provider"/m);
  });

  test('left unchecked, they are refused by the config itself', async () => {
    const errors = await refusal([['openAiCompatible(),', 'openAiCompatible(), termsAcceptance(),']], ['--no-types']);
    expect(errors).toContain("providers[2]: 'terms-acceptance' is a policy plugin; this list takes provider plugins");
  });

  test('a config that throws when it is loaded', async () => {
    const errors = await refusal([
      ['export default', "export const never = (() => { throw new Error('a slip'); })();\n\nexport default"],
    ]);
    expect(errors).toContain('with this config the executable does not start');
    expect(errors).toMatch(/a slip[\s\S]*gateway\.config\.ts:\d+/);
  });
});

describe('a folder to begin with', () => {
  const checkedBy = (file: string, folder: string) => run(file, ['check', '--no-script'], folder, { BUN_BE_BUN: '1' });

  test('type-checks as an editor would, with plugins of its own as well', async () => {
    const folder = join(scratch(), 'new');
    expect(await run(released, ['init', folder], home)).toMatchObject({ exitCode: 0 });
    expect(await checkedBy(released, folder)).toMatchObject({ exitCode: 0, output: '' });
    addOwnPlugins(folder);
    const withPlugins = await checkedBy(released, folder);
    expect(withPlugins.output).toMatch(/^plugins\/tariff\.ts\(1,26\): error TS7016: [^\n]*\n$/);
  });

  test('shows mistakes to the editor', async () => {
    const folder = join(scratch(), 'new');
    await run(released, ['init', folder], home);
    const config = join(folder, 'gateway.config.ts');
    const mistakes = [['simulator(),', 'simulator({ fault: true }), termsAcceptance(),']] as const;
    writeFileSync(config, changed(readFileSync(config, 'utf8'), mistakes));
    const { exitCode, output } = await checkedBy(released, folder);
    expect(exitCode).toBe(1);
    expect(output).toMatch(/^gateway\.config\.ts\(\d+,\d+\): error TS\d+: .*'fault' does not exist/m);
    expect(output).toMatch(/^gateway\.config\.ts\(\d+,\d+\): error TS2322: .*"policy".*"provider"/m);
  });

  test('touches nothing that stands there, and renews the types alone when asked', async () => {
    const folder = scratch();
    writeFileSync(join(folder, '.gitignore'), 'mine');
    symlinkSync('nowhere', join(folder, 'tsconfig.json'));
    const refused = await run(released, ['init', '.'], folder);
    expect(refused).toMatchObject({
      exitCode: 2,
      errors: expect.stringContaining('has tsconfig.json, .gitignore already'),
    });
    expect(readdirSync(folder).toSorted()).toEqual(['.gitignore', 'tsconfig.json']);
    const contract = join(folder, 'tollgate-types/src/plugin/index.ts');
    mkdirSync(join(folder, 'tollgate-types'));
    writeFileSync(join(folder, 'tollgate-types/of-an-old-release.ts'), '');
    expect(await run(released, ['init', '--types'], folder)).toMatchObject({ exitCode: 0 });
    expect(existsSync(contract)).toBe(true);
    expect(readdirSync(folder).toSorted()).toEqual(['.gitignore', 'tollgate-types', 'tsconfig.json']);
    expect(readdirSync(join(folder, 'tollgate-types'))).not.toContain('of-an-old-release.ts');
  });
});

describe('a system whose runtime is not here', () => {
  const build = ['build', '--config', 'gateway.config.ts', '--target', 'bun-linux-arm64', '--no-types'];
  let folder: string;
  beforeAll(async () => {
    folder = scratch();
    await run(released, ['init', '.'], folder);
  });

  test('is refused where no registry can be reached, with what would help', async () => {
    const closed = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data() {} } });
    const proxy = `http://127.0.0.1:${closed.port}`;
    closed.stop(true);
    const built = await run(released, build, folder, { HTTPS_PROXY: proxy });
    expect(built).toMatchObject({ exitCode: 2, output: '' });
    expect(built.errors).toContain('--target bun-linux-arm64: its runtime could not be fetched');
    expect(existsSync(join(folder, 'dist/tollgate-linux-arm64'))).toBe(false);
    expectTidy(join(folder, 'dist'));
  });

  test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    'waiting for it ends at %s, and leaves nothing',
    async (signal) => {
      const { promise: asked, resolve: ask } = Promise.withResolvers<void>();
      const silent = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { open: () => ask(), data() {} } });
      const child = Bun.spawn([released, ...build], {
        cwd: folder,
        env: bare({ HTTPS_PROXY: `http://127.0.0.1:${silent.port}` }),
        stdio: ['ignore', 'ignore', 'pipe'],
      });
      try {
        await Promise.race([asked, child.exited]);
        child.kill(signal);
        expect(await child.exited).toBe(128 + constants.signals[signal]);
        expect(await new Response(child.stderr).text()).toBe('');
        expectTidy(join(folder, 'dist'));
      } finally {
        child.kill('SIGKILL');
        silent.stop(true);
      }
    },
  );
});

describe('words that are no build', () => {
  const cases: readonly (readonly [words: readonly string[], error: string])[] = [
    [[], '--config: name the config file to compile in'],
    [['--config', 'nowhere.ts'], '--config: there is no file'],
    [['--config', '.'], 'is no file'],
    [['--config', 'notes.txt'], 'is no TypeScript file'],
    [['--config', 'a.ts', '--out', 'a.ts'], 'exists and is no executable'],
    [['--config', 'a.ts', '--out', '.'], 'is a folder'],
    [['--config', 'a.ts', '--out', 'a.ts/b'], '--out: ENOTDIR'],
    [['--config', 'a.ts', '--target', 'bun-amiga'], "'bun-amiga' is not known; choose one of bun-linux-x64"],
    [['--config', 'a.ts', '--minify'], "Unknown option '--minify'"],
    [['a.ts'], 'Unexpected argument'],
  ];

  test.each(cases)('%p', async (words, error) => {
    const folder = scratch();
    for (const name of ['a.ts', 'notes.txt']) writeFileSync(join(folder, name), 'export default {};\n');
    const built = await run(released, ['build', ...words], folder);
    expect(built).toMatchObject({ exitCode: 2, output: '', errors: expect.stringContaining(error) });
    expect(readdirSync(folder).toSorted()).toEqual(['a.ts', 'notes.txt']);
  });
});
