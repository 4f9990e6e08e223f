// Style as a test: the rules of `test/tidy/` over every file of the project, and each rule over a small bad example,
// because a checker that cannot fail proves nothing.

import { describe, expect, test } from 'bun:test';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { checkImports } from './tidy/imports.ts';
import { checkLockfile, checkOrigins, fileRules, readProjectFile } from './tidy/rules.ts';
import type { Complaint, ProjectFile } from './tidy/rules.ts';

const project = join(import.meta.dir, '..');

async function readFiles(pattern: string): Promise<readonly ProjectFile[]> {
  const paths = [...new Bun.Glob(pattern).scanSync({ cwd: project, dot: true })].toSorted();
  const ours = paths.filter((path) => !/(?:^|\/)(?:node_modules|dist|data|out|\.git)\//.test(path));
  return Promise.all(ours.map(async (path) => ({ path, text: await Bun.file(join(project, path)).text() })));
}

const show = (complaints: readonly Complaint[]): string =>
  complaints.map(({ path, line, what }) => `${path}:${line} ${what}`).join('\n');

const checkFile = (path: string, text: string): readonly Complaint[] =>
  fileRules.flatMap((rule) => rule(readProjectFile({ path, text })));

describe('the project', async () => {
  const code = (await readFiles('{src,plugins,policies,test}/**/*.ts')).map(readProjectFile);
  const readmes = await readFiles('src/**/*.md');

  test('has files to check', () => {
    expect(code.length).toBeGreaterThan(20);
    expect(code.flatMap((file) => file.source.imports).length).toBeGreaterThan(20);
  });

  test('keeps to names, shape, types and environment', () => {
    expect(show(code.flatMap((file) => fileRules.flatMap((rule) => rule(file))))).toBe('');
  });

  test('imports downwards and in no circle', () => {
    expect(show(checkImports(code, readmes))).toBe('');
  });

  test('names every relative import by a file that exists', () => {
    const missing = code.flatMap((file) =>
      file.source.imports
        .filter(({ specifier }) => specifier.startsWith('.') && !existsSync(join(project, file.path, '..', specifier)))
        .map(({ specifier, line }) => ({ path: file.path, line, what: `no such file: ${specifier}` })),
    );
    expect(show(missing)).toBe('');
  });

  test('speaks of no machine and no workplace', async () => {
    const texts = await readFiles(
      '{*.{json,toml,md,ts},.ci/*,.gitignore,{src,plugins,policies,test,openapi}/**/*.{ts,md,json,sh}}',
    );
    expect(show(texts.flatMap(checkOrigins))).toBe('');
  });

  test('locks versions without download addresses', async () => {
    const [lockfile] = await readFiles('bun.lock');
    expect(lockfile?.text).toContain('"packages"');
    expect(show(lockfile === undefined ? [] : checkLockfile(lockfile))).toBe('');
  });
});

const opening = '// Why it exists.\n';

describe('a file is refused for', () => {
  // Written in pieces where the whole would be found in this very file.
  const cases: readonly (readonly [name: string, path: string, text: string, complaint: string])[] = [
    ['a name in camel case', 'src/core/moneyBags.ts', opening, 'kebab-case'],
    ['a folder with a capital', 'src/Core/money.ts', opening, 'folder names'],
    ['a name that says nothing', 'src/core/string-utils.ts', opening, 'say nothing'],
    ['a folder that says nothing', 'src/core/helpers/money.ts', opening, 'say nothing'],
    ['no opening comment', 'src/core/a.ts', 'export const a = 1;\n', 'open with one to four lines'],
    ['a long line', 'test/a.test.ts', `const a = [${'1, '.repeat(40)}];\n`, 'line of 133 characters'],
    ['a long comment', 'test/a.test.ts', `  // ${'x'.repeat(120)}\n`, 'line of 125 characters'],
    ['a very long message', 'test/a.test.ts', `const a = '${'x'.repeat(160)}';\n`, 'line of 173 characters'],
    ['too many lines', 'src/core/a.ts', opening.repeat(351), '351 lines'],
    ['a parameter of type any', 'src/core/a.ts', `${opening}export const f = (x: any) => x;\n`, 'no `any`'],
    ['a cast to any', 'test/a.ts', 'export const a = JSON.parse("1") as any;\n', 'no `any`'],
    ['a list of any', 'test/a.ts', 'export const a: Array<any> = [];\n', 'no `any`'],
    ['any in a union', 'test/a.ts', 'type A = string | any;\n', 'no `any`'],
    ['a suppressed type error', 'test/a.ts', `// @ts-${'ignore'}\nexport const a: string = 1;\n`, 'suppressed'],
    ['reading the environment', 'src/http/a.ts', `${opening}export const a = process.env.PATH;\n`, 'environment'],
    ['reading it under another name', 'plugins/a.ts', `export const a = Bun.env['PATH'];\n`, 'environment'],
    ['a test left out without a word', 'test/a.test.ts', `\ntest.${'skip'}('a', () => {});\n`, 'left out'],
    ['a lone test', 'test/a.test.ts', `\n  describe.${'only'}('a', () => {});\n`, 'left out'],
  ];

  for (const [name, path, text, complaint] of cases) {
    test(name, () => {
      expect(show(checkFile(path, text))).toContain(complaint);
    });
  }

  test('nothing else', () => {
    const words = 'export const a = Promise.any([]); // any, process.env\nexport const b = "x: any";\n';
    const regex = 'export const c = /["\'`]: any/; export const d: Record<string, unknown> = { any: 1 };\n';
    const template = 'export const e = `${[1].map((x) => `${x}: any`).join("")} as any`;\n';
    expect(show(checkFile('src/core/long-name-2.ts', opening + words + regex + template))).toBe('');
    expect(show(checkFile('test/a.test.ts', `// No network here.\ntest.${'skip'}('a', () => {});\n`))).toBe('');
  });

  test('a path of one machine or an address in the lock file', () => {
    expect(show(checkOrigins({ path: 'README.md', text: `see /${'home'}/ann/tollgate\n` }))).toContain('one machine');
    expect(show(checkOrigins({ path: 'README.md', text: `see /${'root'}/.cache\n` }))).toContain('one machine');
    expect(show(checkOrigins({ path: 'README.md', text: 'GET https://example.com/home/page, /v1/users\n' }))).toBe('');
    expect(show(checkLockfile({ path: 'bun.lock', text: '"a": ["a@1", "https://x.example/a.tgz"]\n' }))).toContain(
      'addresses',
    );
  });
});

describe('an import is refused', () => {
  const floors: readonly (readonly [floor: string, unit: string, siblings?: string])[] = [
    ['0', 'core/'],
    ['0', 'environment.ts'],
    ['1', 'plugin/'],
    ['1', 'protocols/', '`plugin`'],
    ['1', 'store/', '`plugin`'],
    ['2', 'domain/', 'see its README'],
    ['2', 'config.ts'],
    ['3', 'pipeline/'],
    ['4', 'http/'],
    ['5', 'cli/', '`gateway.ts`'],
    ['5', 'gateway.ts'],
    ['top', 'main.ts'],
  ];
  const rows = floors.map(([floor, unit, siblings = '']) => `| ${floor} | \`${unit}\` | text | ${siblings} |`);
  const house: ProjectFile = { path: 'src/README.md', text: `| floor | folder |\n|---|---|\n${rows.join('\n')}\n` };
  const complaintsOf = (path: string, specifier: string, readmes: readonly ProjectFile[] = []): string =>
    show(
      checkImports(
        [readProjectFile({ path, text: `${opening}import { a } from '${specifier}';\n` })],
        [house, ...readmes],
      ),
    );

  test('when it goes up', () => {
    expect(complaintsOf('src/core/a.ts', '../plugin/index.ts')).toContain('src/core/a.ts:2 core may not import plugin');
    expect(complaintsOf('src/plugin/a.ts', '../protocols/a.ts')).toContain('same floor');
    expect(complaintsOf('src/pipeline/a.ts', '../http/a.ts')).toContain('higher floor');
    expect(complaintsOf('src/domain/ledger/a.ts', '../../pipeline/a.ts')).toContain('higher floor');
    expect(complaintsOf('src/cli/a.ts', '../main.ts')).toContain('higher floor');
    expect(complaintsOf('src/environment.ts', './config.ts')).toContain('higher floor');
    expect(complaintsOf('src/core/a.ts', 'tollgate/plugin')).toContain('higher floor');
    expect(complaintsOf('src/http/a.ts', '../domain/ledger/ledger.ts')).toBe('');
    expect(complaintsOf('src/protocols/a.ts', '../plugin/index.ts')).toBe('');
    expect(complaintsOf('src/main.ts', './cli/serve.ts')).toBe('');
  });

  test('when only the type goes up', () => {
    const file = readProjectFile({
      path: 'src/core/a.ts',
      text: `${opening}import type { A } from '../domain/a/a.ts';\n`,
    });
    expect(show(checkImports([file], [house]))).toContain('higher floor');
  });

  test('when it goes to a sibling that no README lists', () => {
    const readme = {
      path: 'src/domain/ledger/README.md',
      text: '# Ledger\n\nSiblings: `catalog`, accounts\n',
    };
    expect(complaintsOf('src/domain/ledger/a.ts', '../catalog/catalog.ts')).toContain('Siblings: catalog');
    expect(complaintsOf('src/domain/ledger/a.ts', '../catalog/catalog.ts', [readme])).toBe('');
    expect(complaintsOf('src/domain/ledger/a.ts', '../limits/a.ts', [readme])).toContain('Siblings: limits');
    expect(complaintsOf('src/plugin/a.ts', '../store/a.ts')).toContain('the table of src/README.md');
    expect(complaintsOf('src/cli/a.ts', '../gateway.ts')).toBe('');
    expect(complaintsOf('src/gateway.ts', './cli/a.ts')).toContain('the table of src/README.md');
  });

  test('when it leaves src/, or enters it on no floor', () => {
    expect(complaintsOf('src/http/a.ts', '../../plugins/providers/a.ts')).toContain('outside the floors');
    expect(complaintsOf('src/attic/a.ts', '../core/a.ts')).toContain('has no floor');
    expect(complaintsOf('src/cli/a.ts', 'tollgate:config')).toContain('only src/main.ts');
    expect(complaintsOf('src/main.ts', 'tollgate:config')).toBe('');
  });

  test('when a library leaves its room', () => {
    expect(complaintsOf('src/pipeline/a.ts', 'elysia')).toContain('Elysia');
    expect(complaintsOf('src/http/a.ts', '@elysiajs/swagger')).toBe('');
    expect(complaintsOf('src/domain/ledger/ledger.ts', 'kysely')).toContain('Kysely');
    expect(complaintsOf('src/domain/ledger/ledger-store.ts', 'kysely')).toBe('');
    expect(complaintsOf('src/jobs/a.ts', 'kysely/migration')).toContain('Kysely');
    expect(complaintsOf('src/core/a.ts', 'node:crypto')).toContain('2 MB');
    expect(complaintsOf('src/http/a.ts', 'node:net')).toContain('2 MB');
    expect(complaintsOf('src/http/tls/a.ts', 'node:net')).toBe('');
    expect(complaintsOf('src/core/a.ts', 'node:fs')).toBe('');
  });

  test('when a plugin knows more than its contract', () => {
    expect(complaintsOf('plugins/billing/a.ts', '../../src/core/money.ts')).toContain('own folder');
    expect(complaintsOf('plugins/billing/a.ts', '../providers/b.ts')).toContain('own folder');
    expect(complaintsOf('plugins/billing/a.ts', 'node:fs')).toContain('own folder');
    expect(complaintsOf('policies/a.ts', 'tollgate/conformance')).toContain('own folder');
    expect(complaintsOf('plugins/billing/a.ts', './b.ts')).toBe('');
    expect(complaintsOf('policies/a.ts', 'tollgate/plugin')).toBe('');
    expect(complaintsOf('plugins/gateway.config.ts', '../policies/region.ts')).toBe('');
    expect(complaintsOf('plugins/gateway.config.ts', 'tollgate/plugins')).toBe('');
    expect(complaintsOf('plugins/gateway.config.ts', '../src/core/money.ts')).toContain('own folder');
    expect(complaintsOf('plugins/billing/a.ts', 'tollgate/plugins')).toContain('own folder');
  });

  test('when it closes a circle', () => {
    const files = [
      { path: 'src/core/a.ts', text: `${opening}import { b } from './b.ts';\n` },
      { path: 'src/core/b.ts', text: `${opening}export { c } from './c.ts';\n` },
      { path: 'src/core/c.ts', text: `${opening}const { a } = await import('./a.ts');\n` },
    ].map(readProjectFile);
    expect(show(checkImports(files, [house]))).toContain(
      'src/core/a.ts -> src/core/b.ts -> src/core/c.ts -> src/core/a.ts',
    );
    expect(show(checkImports(files.slice(0, 2), [house]))).toBe('');
  });

  test('when two siblings list each other', () => {
    const files = [
      { path: 'src/domain/ledger/a.ts', text: `${opening}import type { B } from '../usage/b.ts';\n` },
      { path: 'src/domain/usage/b.ts', text: `${opening}import type { C } from '../ledger/c.ts';\n` },
    ].map(readProjectFile);
    const readmes = [
      house,
      { path: 'src/domain/ledger/README.md', text: 'Siblings: usage\n' },
      { path: 'src/domain/usage/README.md', text: 'Siblings: ledger\n' },
    ];
    expect(show(checkImports(files, readmes))).toContain('src/domain/ledger -> src/domain/usage -> src/domain/ledger');
  });
});
