// Case G6 of the attack catalogue: packages. What is locked is what is installed, no package runs code when it comes in
// but the runtime's own, nothing fresh is taken, and the executable says what is in it.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { billOfMaterials, billPath } from '../../src/cli/sbom.ts';
import { scratchFolders } from '../store/scratch.ts';
import { builtExecutable } from '../support/executable.ts';
import { field, textField } from '../support/gateway.ts';
import { startLocalRegistry, type LocalRegistry } from './local-registry.ts';

setDefaultTimeout(60_000);
const project = resolve(import.meta.dir, '../..');
const scratch = scratchFolders();
const textOf = (...path: readonly string[]): string => readFileSync(join(project, ...path), 'utf8');
const manifest: unknown = JSON.parse(textOf('package.json'));
const lock = textOf('bun.lock');
const locked = [...lock.matchAll(/\["(@?[^"@\s]+)@([^"\s]+)", (.*)\]/g)];

describe('G6: what is locked', () => {
  test('is every package, by an exact version and a hash of its archive', () => {
    expect(locked.length).toBeGreaterThan(60);
    for (const [, name, version, rest] of locked) {
      expect([name, /^\d+\.\d+\.\d+[\w.+-]*$/.test(version ?? '')]).toEqual([name, true]);
      expect([name, /"sha512-[\w+/]{86}=="$/.test(rest ?? '')]).toEqual([name, true]);
    }
    for (const group of ['dependencies', 'devDependencies']) {
      for (const [name, version] of Object.entries(field(manifest, group) ?? {})) {
        // A second major of a package goes by another name.
        const [, real = name, exact = ''] = /^(?:npm:(.+)@)?(\d+\.\d+\.\d+)$/.exec(String(version)) ?? [];
        expect([name, exact]).not.toEqual([name, '']);
        expect([name, locked.some(([, each, its]) => each === real && its === exact)]).toEqual([name, true]);
      }
    }
  });

  test('is installed frozen, wherever the project installs', () => {
    const scripts: readonly unknown[] = Object.values(field(manifest, 'scripts') ?? {});
    const installs = scripts.filter((script) => /\binstall\b/.test(String(script)));
    expect(installs.length).toBe(1);
    for (const script of installs) expect(script).toContain('install --frozen-lockfile');
  });

  test('has no name that is nearly that of another', () => {
    const names = [...new Set(locked.map(([, name = '']) => name))].filter((name) => name.length > 5);
    const pairs = names.flatMap((one, at) =>
      names
        .slice(at + 1)
        .filter((other) => differsByOne(one, other))
        .map((other) => `${one} ${other}`),
    );
    // Below one scope there is one publisher.
    const scopesOf = (pair: string): readonly string[] => pair.split(' ').map((name) => name.split('/')[0] ?? '');
    const oneScope = (pair: string): boolean => pair.startsWith('@') && new Set(scopesOf(pair)).size === 1;
    expect(pairs.filter((pair) => !oneScope(pair))).toEqual([]);
  });

  test('runs nothing when it comes in: the runtime alone may', () => {
    expect(field(manifest, 'trustedDependencies')).toEqual(['bun']);
  });
});

/** One letter more, less or another, or two that changed places. */
function differsByOne(one: string, other: string): boolean {
  if (Math.abs(one.length - other.length) > 1) return false;
  let head = 0;
  while (head < one.length && one[head] === other[head]) head += 1;
  let tail = 0;
  while (tail < Math.min(one.length, other.length) - head && one.at(-1 - tail) === other.at(-1 - tail)) tail += 1;
  const [left, right] = [one.slice(head, one.length - tail), other.slice(head, other.length - tail)];
  const swapped = left.length === 2 && right.length === 2 && left[0] === right[1] && left[1] === right[0];
  return swapped || (left.length <= 1 && right.length <= 1);
}

describe('G6: what is not locked yet', () => {
  let registry: LocalRegistry;
  beforeAll(() => {
    registry = startLocalRegistry();
  });
  afterAll(() => registry.stop());
  const daysAgo = (days: number): Date => new Date(Date.now() - days * 86_400_000);

  /** Installs into an empty project that has this one's settings and trusted list. */
  async function install(folder: string, dependencies: Readonly<Record<string, string>>, ...flags: readonly string[]) {
    cpSync(join(project, 'bunfig.toml'), join(folder, 'bunfig.toml'));
    const trustedDependencies = field(manifest, 'trustedDependencies');
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'x', dependencies, trustedDependencies }));
    const cache = join(folder, `cache-${readdirSync(folder).length}`);
    mkdirSync(cache);
    const child = Bun.spawn([process.execPath, 'install', ...flags], {
      cwd: folder,
      env: { HOME: folder, BUN_CONFIG_REGISTRY: registry.url, BUN_INSTALL_CACHE_DIR: cache, PATH: process.env['PATH'] },
      stdin: 'ignore',
      stdout: 'ignore',
      stderr: 'pipe',
    });
    const text = await new Response(child.stderr).text();
    return { exitCode: await child.exited, text };
  }

  test('runs none of its scripts', async () => {
    const canary = join(scratch(), 'ran');
    const run = `touch ${canary}`;
    const scripts = { preinstall: run, install: run, postinstall: run, prepare: run };
    registry.publish('evil-scripts', { version: '1.0.0', publishedAt: daysAgo(400), manifest: { scripts } });
    const folder = scratch();
    expect(await install(folder, { 'evil-scripts': '1.0.0' })).toMatchObject({ exitCode: 0 });
    expect(existsSync(join(folder, 'node_modules/evil-scripts/package.json'))).toBe(true);
    expect(existsSync(canary)).toBe(false);
  });

  test('is not taken in the week in which it was published, by a range or by its number', async () => {
    registry.publish('fresh', { version: '1.0.0', publishedAt: daysAgo(60) });
    registry.publish('fresh', { version: '1.0.1', publishedAt: daysAgo(1) });
    const ranged = scratch();
    expect(await install(ranged, { fresh: '^1.0.0' })).toMatchObject({ exitCode: 0 });
    expect(JSON.parse(readFileSync(join(ranged, 'node_modules/fresh/package.json'), 'utf8'))).toMatchObject({
      version: '1.0.0',
    });
    const numbered = scratch();
    expect((await install(numbered, { fresh: '1.0.1' })).exitCode).not.toBe(0);
    expect(existsSync(join(numbered, 'node_modules/fresh'))).toBe(false);
  });

  test('and what is locked installs as before, but not with another archive, nor from a changed list', async () => {
    registry.publish('steady', { version: '2.0.0', publishedAt: daysAgo(60) });
    const folder = scratch();
    expect((await install(folder, { steady: '2.0.0' })).exitCode).toBe(0);
    const again = scratch();
    cpSync(join(folder, 'bun.lock'), join(again, 'bun.lock'));
    expect((await install(again, { steady: '2.0.0' }, '--frozen-lockfile')).exitCode).toBe(0);
    // Published over: same name, same version, other code.
    registry.publish('steady', { version: '2.0.0', publishedAt: daysAgo(60), code: 'module.exports = "evil";\n' });
    const tampered = scratch();
    cpSync(join(folder, 'bun.lock'), join(tampered, 'bun.lock'));
    const refused = await install(tampered, { steady: '2.0.0' }, '--frozen-lockfile');
    expect([refused.exitCode === 0, refused.text.includes('ntegrity')]).toEqual([false, true]);
    const drifted = scratch();
    cpSync(join(folder, 'bun.lock'), join(drifted, 'bun.lock'));
    expect((await install(drifted, { steady: '2.0.0', fresh: '1.0.0' }, '--frozen-lockfile')).exitCode).not.toBe(0);
  });
});

/** Files of packages that a program names: an executable does it in its source maps. */
const filesNamedIn = (program: string): ReadonlySet<string> =>
  new Set(
    readFileSync(program)
      .toString('latin1')
      .match(/node_modules\/(?:@[\w-]+\/)?[\w.-]+\/[\w./-]+?\.(?:m?js|json)/g),
  );

describe('G6: the bill of materials', () => {
  const allowed = new Set(['MIT', 'Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', '0BSD', 'ISC', 'MPL-2.0']);

  test('names every package of which something is in the executable, with hash, licence and its text', async () => {
    const executable = await builtExecutable();
    const bill: unknown = JSON.parse(readFileSync(billPath(executable), 'utf8'));
    const components = field(bill, 'components');
    if (!Array.isArray(components)) throw new Error('no components');
    const named = new Set<string>();
    for (const component of components) {
      const reference = textField(component, 'bom-ref');
      const licences: unknown = field(component, 'licenses');
      const [licence] = Array.isArray(licences) ? licences : [];
      if (reference.startsWith('pkg:npm/bun@')) {
        named.add('bun');
        continue;
      }
      named.add(reference.slice(0, reference.lastIndexOf('@')));
      expect([reference, allowed.has(textField(licence, 'license', 'id'))]).toEqual([reference, true]);
      expect(textField(licence, 'license', 'text', 'content')).toMatch(/copyright|licen[cs]e/i);
      const content = expect.stringMatching(/^[0-9a-f]{128}$/);
      expect(field(component, 'hashes')).toEqual([{ alg: 'SHA-512', content }]);
    }
    // Asked of the executable itself. Bun's own program names files of the packages that it was made of, too.
    const bunsOwn = filesNamedIn(process.execPath);
    const real = [...filesNamedIn(executable)].filter((path) => !bunsOwn.has(path) && existsSync(join(project, path)));
    const inside = new Set(real.flatMap((path) => /^node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? []));
    expect(inside.size).toBeGreaterThan(10);
    expect([...inside].filter((name) => !named.has(name))).toEqual([]);
    expect(named.has('bun')).toBe(true);
  });

  test('is the same for the same build, and holds no time and no path of a machine', async () => {
    const inputs = ['node_modules/kysely/dist/index.js', 'src/main.ts', 'node_modules/elysia/dist/index.mjs'];
    const materials = (paths: readonly string[]) => ({ inputs: paths.map((path) => join(project, path)), project });
    const text = billOfMaterials(materials(inputs));
    expect(billOfMaterials(materials(inputs.toReversed()))).toBe(text);
    expect(text).not.toContain(dirname(project));
    expect(text).not.toMatch(/\d{4}-\d{2}-\d{2}T|urn:uuid/);
  });

  test('cannot be made with a package that does not say what it is', () => {
    const folder = scratch();
    mkdirSync(join(folder, 'node_modules/nameless'), { recursive: true });
    writeFileSync(join(folder, 'node_modules/nameless/package.json'), '{"main":"index.js"}');
    const inputs = [join(folder, 'node_modules/nameless/index.js')];
    expect(() => billOfMaterials({ inputs, project })).toThrow('does not state its name');
  });
});
