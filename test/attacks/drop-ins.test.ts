// G1: where a drop-in's file stands, and what is pinned of it. G2 at the start: what a drop-in does while it is tried.
// The start goes on without it, or, for a policy, does not; nothing else is broken, and one line says why.

import { afterAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ownCommand } from '../../src/cli/own-command.ts';
import { sha256Hex } from '../../src/core/secrets.ts';
import { resolveConfig } from '../../src/config/resolve.ts';
import { bundleDropIn, listingOf } from '../../src/drop-ins/bundle.ts';
import { loadDropIns } from '../../src/drop-ins/load.ts';
import { placeOf } from '../../src/drop-ins/place.ts';
import { DropInRefused } from '../../src/drop-ins/refusal.ts';
import { tryDropIn, trialLimits } from '../../src/drop-ins/trial.ts';
import { dropIn, named, type DropInConfig, type GatewayConfig } from '../../src/plugin/index.ts';
import { priority, weighted } from '../../plugins/index.ts';
import { simulatorModel, startTestGateway, testConfig } from '../support/gateway.ts';
import { folderWith, readmeFiles } from '../support/plugin-files.ts';

setDefaultTimeout(60_000);
const modules = {
  'tollgate/plugin': () => import('../../src/plugin/index.ts'),
  'tollgate/plugins': () => import('../../plugins/index.ts'),
};
const readme = await readmeFiles();
const strategy = readme.get('least-busy.ts') ?? '';
const folder = folderWith([
  ['least-busy.ts', strategy],
  ['inner/one.ts', strategy],
  ['policy.ts', readme.get('company-models.ts') ?? ''],
]);
const outside = folderWith([['outside.ts', strategy]]);
afterAll(() => {
  rmSync(folder, { recursive: true });
  rmSync(outside, { recursive: true });
});

function put(name: string, text: string): string {
  mkdirSync(join(folder, name, '..'), { recursive: true });
  writeFileSync(join(folder, name), text);
  return name;
}

const load = (config: GatewayConfig) =>
  loadDropIns(config, {
    folder,
    preset: undefined,
    modules,
    trialCommand: ownCommand('plugin', 'trial'),
    limits: { ...trialLimits, timeMs: 20_000 },
  });

/** Loads one drop-in behind a built-in strategy, and says why it was refused. */
async function refusalOf(config: DropInConfig): Promise<string | undefined> {
  const { refusals } = await load(testConfig({ routing: [priority(), dropIn(config)] }));
  expect(refusals.map(({ path }) => path)).toEqual(['routing[1]']);
  expect(refusals[0]?.message).not.toContain('\n');
  return refusals[0]?.message;
}

const pinOf = async (file: string): Promise<string> =>
  (await bundleDropIn(placeOf(file, folder), folder, Object.keys(modules))).sha256;
const anyPin = 'a'.repeat(64);

describe('G1: a file that may not be one', () => {
  symlinkSync(join(outside, 'outside.ts'), join(folder, 'link.ts'));
  symlinkSync(outside, join(folder, 'linked'));
  mkdirSync(join(folder, 'a-folder.ts'));
  put('large.ts', `export default 1; // ${'x'.repeat(4 * 1024 * 1024)}`);

  const cases: readonly (readonly [what: string, file: unknown, says: string])[] = [
    ['leads up', '../outside.ts', 'leads out'],
    ['leads up and back', `inner/../least-busy.ts`, 'leads out'],
    ['leads up in disguise', '%2e%2e%2foutside.ts', 'percent sign'],
    ['leads up with backslashes', '..\\outside.ts', 'backslash'],
    ['is absolute', join(outside, 'outside.ts'), 'not relative'],
    ['is absolute, though inside', join(folder, 'least-busy.ts'), 'not relative'],
    ['is a URL', 'file:///etc/passwd.ts', 'not relative'],
    ['is of another drive', 'C:/drop-in.ts', 'not relative'],
    ['has a NUL', 'least-busy.ts\u0000.ts', 'control characters'],
    ['is a link that leads out', 'link.ts', 'leads out of the folder'],
    ['is in a linked folder', 'linked/outside.ts', 'leads out of the folder'],
    ['is a folder', 'a-folder.ts', 'no regular file'],
    ['is no code', 'my.config.json', 'no .ts or .js file'],
    ['does not exist', 'nobody.ts', 'there is no file'],
    ['is empty', '', 'must be the path'],
    ['is no text', 7, 'must be the path'],
    ['is too long', `${'x'.repeat(600)}.ts`, 'longer than'],
    ['is huge', 'large.ts', 'comes to more than 4194304 bytes'],
  ];
  test.each(cases)('%s', async (_, file, says) => {
    // A config is only as typed as its author was careful.
    expect(await refusalOf({ file: file as string, sha256: anyPin })).toContain(says);
  });

  test('differs from another by case only: both are refused', async () => {
    const sha256 = await pinOf('least-busy.ts');
    const pair = ['./least-busy.ts', 'Least-Busy.ts'].map((file) => dropIn({ file, sha256 }));
    const { refusals } = await load(testConfig({ routing: [priority(), ...pair] }));
    expect(refusals.map(({ path }) => path)).toEqual(['routing[1]', 'routing[2]']);
    expect(refusals[0]?.message).toContain('case only');
  });
});

describe('G1: what is pinned', () => {
  test('a pin is missing, or another one: the found one is named, and what to do', async () => {
    const file = './least-busy.ts';
    expect(await refusalOf({ file } as DropInConfig)).toContain('sha256: is missing; read the file');
    const message = await refusalOf({ file, sha256: anyPin });
    expect(message).toContain(await pinOf(file));
    expect(message).toContain('`tollgate plugin pin ./least-busy.ts`');
  });

  test('the imports are part of it: code, data, texts and packages, each by the bytes that run', async () => {
    const main = `import { Type, defineRoutingStrategy } from 'tollgate/plugin';
      import { sep } from 'node:path';
      import type { Nothing } from 'nowhere';
      import { order } from './lib/order.ts';
      import data from './lib/data.json';
      import asText from './lib/text.json' with { type: 'text' };
      import words from './lib/words.md' with { type: 'text' };
      import { four } from 'four';
      export default defineRoutingStrategy({
        name: 'with-imports', version: '1.0.0', options: Type.Object({}, { additionalProperties: false }),
        summary: [order, data.two, asText, words, four, sep].join(' '),
        create: () => ({ rank: (_request, upstreams) => upstreams }),
      });`;
    const files: Readonly<Record<string, string>> = {
      'graph/lib/data.json': '{"two":"two"}',
      'graph/lib/order.ts': "export const order: string = 'one';",
      'graph/lib/text.json': '{"a":1}',
      'graph/lib/words.md': '# three',
      'graph/main.ts': main,
      'graph/node_modules/four/index.cjs': "exports.four = require('./four.cjs');",
      'graph/node_modules/four/four.cjs': "module.exports = 'four';",
      'graph/node_modules/four/package.json': '{"name":"four","version":"1.0.0","main":"index.cjs"}',
    };
    for (const [name, text] of Object.entries(files)) put(name, text);
    const before = await bundleDropIn(placeOf('graph/main.ts', folder), folder, Object.keys(modules));
    const counted = Object.keys(files).filter((name) => !name.endsWith('package.json')).map((name) => name.slice(6));
    expect(before.files.map(({ path }) => path)).toEqual(counted.toSorted());
    const inner = Bun.spawnSync(['sha256sum', ...counted.toSorted()], { cwd: join(folder, 'graph') });
    const leads = ['main.ts imports "four" from node_modules/four/index.cjs'];
    expect(before.leads).toEqual(leads);
    expect(listingOf(before)).toBe(`${inner.stdout.toString()}${leads.join('')}\n`);
    expect(sha256Hex(listingOf(before))).toBe(before.sha256);
    expect(before.code).toContain('{"a":1}');
    expect(before.code).toContain('# three');
    for (const name of counted) {
      const path = `graph/${name}`;
      put(path, `${files[path] ?? ''}\n`);
      expect([name, (await pinOf('graph/main.ts')) === before.sha256]).toEqual([name, false]);
      put(path, files[path] ?? '');
    }
    expect(await pinOf('graph/main.ts')).toBe(before.sha256);
  });

  const unpinnable: readonly (readonly [what: string, text: string, says: string])[] = [
    ['a computed import', 'const name = process.argv[0]; export default () => import(name);', 'name that is computed'],
    ['a computed require', 'export default (name) => require(name);', 'name that is computed'],
    ['a macro', "import { x } from './macro.ts' with { type: 'macro' }; export default x();", 'macro'],
    ['a macro in disguise', "import { x } from './macro.ts' with { type: 'm\\u0061cro' }; export default x();", 'macro'],
    ['a macro, the old way', "import { x } from 'macro:./macro.ts'; export default x();", 'macro'],
    ['a file as a file', "import x from './macro.ts' with { type: 'file' }; export default x;", 'as file'],
    ['a native module', "import x from './x.node'; export default x;", 'only code, JSON and text'],
    ['an import from outside', "import x from './linked/outside.ts'; export default x;", 'leads out'],
    ['an import that is not there', "import x from './nobody.ts'; export default x;", 'Could not resolve'],
    ['a package that is not there', "import x from 'nobody'; export default x;", 'Could not resolve'],
    ['no TypeScript at all', 'export default {', 'unpinnable.ts:1: '],
  ];
  test.each(unpinnable)('%s cannot be pinned, and none of it is run', async (_, text, says) => {
    const ran = join(folder, 'ran');
    put('x.node', '');
    put('macro.ts', `require('node:fs').writeFileSync(${JSON.stringify(ran)}, ''); export const x = () => 1;`);
    put('unpinnable.ts', text);
    expect(await refusalOf({ file: 'unpinnable.ts', sha256: anyPin })).toContain(says);
    expect(await Bun.file(ran).exists()).toBe(false);
  });

  test('a file that is no UTF-8 is refused, and not read as something else', async () => {
    writeFileSync(join(folder, 'latin.ts'), Buffer.from('export default "\xe9";', 'latin1'));
    await expect(pinOf('latin.ts')).rejects.toThrow(DropInRefused);
  });
});

describe('G2: what is not the plugin that its list takes', () => {
  const cannotBeMade = strategy
    .replace('create: () => ({', "create: () => { if (1 < 2) throw new Error('no\\nway'); return ({")
    .replace(/\}\),\n\}\);\s*$/, '}); },\n});\n');
  const wrong: readonly { what: string; text: string; says: string; options?: unknown }[] = [
    { what: 'exports nothing', text: 'export const x = 1;', says: 'write: export default defineRoutingStrategy(' },
    { what: 'exports what is none', text: 'export default { rank: (r, u) => u };', says: 'default export is no plugin' },
    { what: 'is of another kind', text: readme.get('acme.ts') ?? '', says: 'it is a provider; this list takes a routing' },
    {
      what: 'is two',
      text: `${strategy}\nexport { priority as second } from 'tollgate/plugins';`,
      says: "another plugin as 'second'",
    },
    { what: 'has another option', text: strategy, says: 'options.shape: Unexpected property', options: { shape: 'round' } },
    { what: 'has options that are no data', text: strategy, says: 'options: must be data', options: { call: () => 1 } },
    {
      what: 'has the name of another',
      text: strategy.replaceAll('least-busy', 'priority'),
      says: "another routing plugin called 'priority'",
    },
    { what: 'cannot be made', text: cannotBeMade, says: 'no way' },
  ];
  test.each(wrong)('it $what', async ({ text, says, options }) => {
    const file = put('wrong.ts', text);
    expect(await refusalOf({ file, sha256: await pinOf(file), options })).toContain(says);
  });

  test('a field that a drop-in does not have is an error, like any other', async () => {
    const misspelt = { file: 'least-busy.ts', sha256: anyPin, option: {} } as DropInConfig;
    expect(await refusalOf(misspelt)).toContain('option: there is no such field');
  });
});

describe('G2: what happens while it is tried', () => {
  const asked = 'rank(_request, upstreams, random) {';
  const rank = (body: string) => strategy.replace(asked, `${asked} ${body}`);
  const atLoad = (body: string) => `${body}\n${strategy}`;
  const loopMs = 2_000;
  const bad: readonly (readonly [what: string, text: string, says: RegExp])[] = [
    ['it loops when it is loaded', 'for (;;);', /did not end within 2 s, in the check 'is one plugin of its kind'/],
    ['it loops when it is asked', rank('for (;;);'), /did not end within 2 s, in the check 'returns given upstreams/],
    ['it takes two gigabytes', 'const all = []; for (;;) all.push(new Uint8Array(2 ** 26).fill(1));', /more than 640 MiB/],
    [
      'it floods the microtasks',
      atLoad('const flood = () => { Promise.resolve().then(flood).then(flood); }; flood();'),
      /did not end within 2 s|more than 640 MiB/,
    ],
    ['it writes without end', "for (;;) console.log('x'.repeat(10_000));", /wrote more than can be read/],
    ['it ends the process', 'process.exit(0);', /ended its process with exit code 0/],
    ['it kills the process', "process.kill(process.pid, 'SIGKILL');", /ended its process by SIGKILL/],
    ['it throws when it is loaded', "throw new Error('bad\\nday');", /it throws when it is loaded: bad day$/],
    ['it throws when it is asked', rank("throw new Error('bad day');"), /check 'returns given upstreams.*bad day/],
    ['it leaves a rejection', atLoad("Promise.reject(new Error('later'));"), /nobody can catch it: later/],
    ['it throws from a timer', atLoad("setTimeout(() => { throw new Error('later'); }, 0);"), /nobody can catch it: later/],
    ['it changes all objects', atLoad('Object.prototype.mine = 1;'), /it changes Object\.prototype\.mine/],
    ['it replaces a global', rank('globalThis.fetch = () => {};'), /it changes fetch, which others use/],
    ['it invents an upstream', rank("return [{ id: 'x', name: 'x' }];"), /check 'returns given upstreams/],
    ['it changes what it was given', rank('upstreams.reverse();'), /check 'returns given upstreams/],
    ['it keeps state', `let n = 0;\n${rank('if (n++ % 2) return upstreams.toReversed();')}`, /check 'keeps no state/],
    ['it wants the environment', atLoad("if (!process.env.HOME) throw new Error('no home');"), /no home/],
    ['it leaves a process behind', atLoad("Bun.spawn(['sleep', '600'], { stdio: ['ignore', 'inherit', 'inherit'] });"), /^$/],
  ];
  // All at once, as many as there are processors: each is a process of its own.
  const trials = bad.map(async ([what, text, says]) => {
    const own = folderWith([['it.ts', text]]);
    const { code } = await bundleDropIn(placeOf('it.ts', own), own, Object.keys(modules));
    rmSync(own, { recursive: true });
    const job = { code, kind: 'routing', options: undefined, name: undefined } as const;
    const limits = says.source.includes('within') ? { ...trialLimits, timeMs: loopMs } : trialLimits;
    return [what, await tryDropIn(job, ownCommand('plugin', 'trial'), limits)] as const;
  });
  test.each(bad)('%s', async (what, _, says) => {
    const report = new Map(await Promise.all(trials)).get(what);
    expect(report?.problem ?? '').toMatch(says);
    expect(report?.problem ?? '').not.toContain('\n');
  });
});

describe('G2: nothing else is broken, and nothing takes its place', () => {
  const refused = dropIn({ file: './least-busy.ts', sha256: anyPin });
  const resolvedWith = async (more: Partial<GatewayConfig>) => {
    const upstreams = testConfig().upstreams.map((one) => ({ ...one, baseUrl: 'http://127.0.0.1:9/v1' }));
    const loaded = await load(testConfig({ upstreams, ...more }));
    return resolveConfig(loaded.config, { secret: () => undefined, preset: undefined, dropIns: loaded });
  };
  const models = [
    simulatorModel('by-default'),
    simulatorModel('by-name', { strategy: 'least-busy' }),
    simulatorModel('other', { strategy: 'weighted' }),
  ];

  test('a strategy that would have been the default leaves the models out that name none', async () => {
    const result = await resolvedWith({ routing: [refused, weighted()], models });
    if (!result.ok) throw new Error(JSON.stringify(result.problems));
    expect(result.resolved.models.map(({ name }) => name)).toEqual(['other']);
    expect(result.resolved.refusals.map(({ path }) => path)).toEqual(['routing[0]']);
    expect(result.resolved.remarks.map(({ path }) => path)).toEqual(['models[0].strategy', 'models[1].strategy']);
    expect(result.resolved.defaults).toEqual({ rule: 'token-price', strategy: undefined });
  });

  test('behind the default, only what names it is left out', async () => {
    const result = await resolvedWith({ routing: [weighted(), refused], models });
    expect(result.ok && result.resolved.models.map(({ name }) => name)).toEqual(['by-default', 'other']);
  });

  test('a provider is left out with its upstreams and their models', async () => {
    const upstream = { name: 'acme', provider: 'acme', baseUrl: 'http://127.0.0.1:9/v1', addresses: 'any' } as const;
    const { providers, upstreams } = testConfig();
    const result = await resolvedWith({
      providers: [dropIn({ file: './nobody.ts', sha256: anyPin }), ...providers],
      upstreams: [upstream, ...upstreams.map((one) => ({ ...one, baseUrl: 'http://127.0.0.1:9/v1' }))],
      models: [simulatorModel('acme/talk', { offers: [{ upstream: 'acme' }] }), simulatorModel('sim')],
    });
    if (!result.ok) throw new Error(JSON.stringify(result.problems));
    expect(result.resolved.models.map(({ name }) => name)).toEqual(['sim']);
    expect(result.resolved.upstreams.map(({ name }) => name)).toEqual(['simulator']);
  });

  test('a refused policy refuses the config', async () => {
    const result = await resolvedWith({ policies: [dropIn({ file: './policy.ts', sha256: anyPin })] });
    expect(!result.ok && result.problems.map(({ path }) => path)).toEqual(['policies[0]']);
  });

  const startWith = (name: string, lists: string) => {
    const text = `import { defineGateway, dropIn, simulatorAddress } from 'tollgate/plugin';
      import { simulator, tokenPrice, weighted } from 'tollgate/plugins';
      const bad = dropIn({ file: './least-busy.ts', sha256: '${anyPin}' });
      export default defineGateway({ ${lists}, billing: [tokenPrice()], upstreams: [], models: [] });`;
    return startTestGateway({ argv: ['--config', join(folder, put(name, text))], modules });
  };

  test('a start goes on without it, and says so in one line', async () => {
    const gateway = await startWith('without.config.ts', 'providers: [], routing: [weighted(), bad], policies: []');
    try {
      const lines = gateway.log.filter((line) => line.includes('drop-in'));
      expect(lines.length).toBe(1);
      expect(lines[0]).toContain('routing[1]');
      const { body } = await gateway.admin('GET', '/plugins?kind=routing');
      expect(body).toMatchObject({ items: [{ name: 'weighted', source: 'built-in' }] });
    } finally {
      await gateway.stop();
    }
  });

  test('a start without a policy does not go on', async () => {
    const starting = startWith('policy.config.ts', 'providers: [], routing: [weighted()], policies: [bad]');
    await expect(starting).rejects.toThrow('  policies[0]: drop-in "./least-busy.ts": sha256');
  });

  test('a drop-in that was never loaded refuses the config, or is refused itself: it does not vanish', () => {
    const surroundings = { secret: () => undefined, preset: undefined };
    const upstreams = testConfig().upstreams.map((one) => ({ ...one, baseUrl: 'http://127.0.0.1:9/v1' }));
    const result = resolveConfig(testConfig({ upstreams, routing: [refused, weighted()] }), surroundings);
    expect(result.ok && result.resolved.refusals[0]?.message).toBe('this drop-in was not loaded');
  });

  test('the same file twice stands under two names', async () => {
    const sha256 = await pinOf('least-busy.ts');
    const file = 'least-busy.ts';
    const twice = [dropIn({ file, sha256 }), dropIn({ file, sha256, name: 'second' })];
    const { refusals, config } = await load(testConfig({ routing: [named('first', weighted()), ...twice] }));
    expect(refusals).toEqual([]);
    expect(config.routing.map((entry) => entry.name)).toEqual(['first', 'least-busy', 'second']);
  });
});
