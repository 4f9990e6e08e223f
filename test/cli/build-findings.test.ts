// What is wrong with a config is said with its file and line, whatever the operator's folder looks like: the checking
// of types and the compiling, on a kit unpacked once, without the executable around them.

import { beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { entryPoints } from '../../src/cli/build/bundle.ts';
import { checkTypes, writeTsconfigs } from '../../src/cli/build/check-types.ts';
import { compile } from '../../src/cli/build/compile.ts';
import { describeFindings } from '../../src/cli/build/findings.ts';
import { packKit, project, readKit, unpackKit } from '../../src/cli/build/kit.ts';
import { ownKit } from '../../src/cli/build/own-kit.ts';
import { scratchFolders } from '../store/scratch.ts';

setDefaultTimeout(60_000);
const scratch = scratchFolders();
let root: string;
let kit: Uint8Array;
beforeAll(async () => {
  [root, kit] = [scratch(), await ownKit()];
  await unpackKit(readKit(kit), root);
});

function folderWith(files: Readonly<Record<string, string>>): string {
  const folder = scratch();
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  return folder;
}

async function findingsOf(files: Readonly<Record<string, string>>): Promise<string> {
  const folder = folderWith(files);
  const config = join(folder, 'my.config.ts');
  return describeFindings(await checkTypes(root, config, writeTsconfigs(root, config).types), folder);
}

const lists = 'routing: [], billing: [], policies: [], upstreams: [], models: []';
const start = "import { defineGateway } from 'tollgate/plugin';\n";
const good = `${start}export default defineGateway({ providers: [], ${lists} });\n`;

describe('a config is refused for', () => {
  const cases: readonly (readonly [what: string, files: Readonly<Record<string, string>>, said: RegExp])[] = [
    ['its syntax', { 'my.config.ts': 'export default {\n  a: [1,\n  b: }\n' }, /^ {2}my\.config\.ts:3:\d+: Expected/],
    [
      'a file that is not there',
      { 'my.config.ts': `import './own.ts';\n${good}`, 'own.ts': "\nexport { a } from './lib/none.ts';\n" },
      /^ {2}own\.ts:2:\d+: there is no file \.\/lib\/none\.ts$/,
    ],
    [
      'a package that is not there',
      { 'my.config.ts': `import a from 'acme-tariff';\n${good}` },
      /^ {2}my\.config\.ts:1:\d+: there is no package 'acme-tariff' in a node_modules folder beside the file or above/,
    ],
    [
      'the suites for tests',
      { 'my.config.ts': `import 'tollgate/conformance';\n${good}` },
      /^ {2}my\.config\.ts:1:\d+: there is no module tollgate\/conformance/,
    ],
    [
      'no default export',
      { 'my.config.ts': 'export const a = 1;\n' },
      /^ {2}my\.config\.ts: has no default export; write/,
    ],
    [
      'another default export',
      { 'my.config.ts': 'export default 42;\n' },
      /^ {2}my\.config\.ts: TS2322: .*GatewayConfig/,
    ],
    [
      'a misspelt list without defineGateway',
      { 'my.config.ts': `export default { provider: [], ${lists} };\n` },
      /^ {2}my\.config\.ts: TS\d+: .*'providers' is missing/,
    ],
    [
      "a mistake in one of the operator's own files",
      { 'my.config.ts': `import './own.ts';\n${good}`, 'own.ts': 'export const a: string = 1;\n' },
      /^ {2}own\.ts:1:14: TS2322: Type 'number' is not assignable to type 'string'\.$/,
    ],
  ];

  test.each(cases)('%s', async (_what, files, said) => {
    expect(await findingsOf(files)).toMatch(said);
  });
});

describe('a config may have', () => {
  const cases: readonly (readonly [what: string, files: Readonly<Record<string, string>>])[] = [
    ['nothing beside it', { 'my.config.ts': good }],
    [
      'packages that are careless with types, or have none',
      {
        'my.config.ts': `import { a } from 'careless';\nimport { b } from 'bare';\nexport const c = [a, b];\n${good}`,
        'node_modules/careless/package.json': '{ "name": "careless", "exports": "./index.ts" }',
        'node_modules/careless/index.ts': 'export const a: string = 1;\n',
        'node_modules/bare/index.js': 'exports.b = 1;\n',
      },
    ],
    [
      'names of its own in a tsconfig.json, also above it, with comments, and types of another release for ours',
      {
        'my.config.ts': `import { a } from '@own/a';\nexport const b: number = a;\n${good}`,
        'lib/a.ts': 'export const a = 1;\n',
        'tsconfig.json': `{ // ours
          "compilerOptions": { "paths": { "@own/*": ["./lib/*"], "tollgate/plugin": ["./old.ts"], "*": ["./lib/*"] } } }`,
        'old.ts': 'export const defineGateway = 1;\n',
      },
    ],
    [
      'texts of any kind',
      {
        'my.config.ts': `import a from './a.sql' with { type: 'text' };\nexport const b: string = a;\n${good}`,
        'a.sql': 'select 1',
      },
    ],
    [
      'plain JavaScript beside it',
      {
        'my.config.ts': `import { a } from './a.js';\nexport const b: number = a;\n${good}`,
        'a.js': 'export const a = 1;\n',
      },
    ],
  ];

  test.each(cases)('%s', async (_what, files) => {
    expect(await findingsOf(files)).toBe('');
  });
});

test('a tsconfig.json that cannot be read is named', async () => {
  await expect(findingsOf({ 'my.config.ts': good, 'tsconfig.json': '{ "compilerOptions": ' })).rejects.toThrow(
    'tsconfig.json',
  );
});

test('compiling alone finds what no check of types found', async () => {
  const configFile = join(folderWith({ 'my.config.ts': 'export const a = 1;\n' }), 'my.config.ts');
  const { bundle: tsconfig } = writeTsconfigs(root, configFile);
  const result = await compile({ root, configFile, tsconfig, target: undefined, outFolder: scratch() });
  expect(result).toMatchObject({
    ok: false,
    findings: [{ file: configFile, message: expect.stringMatching('no default') }],
  });
});

test('many findings are cut short', () => {
  const finding = { file: undefined, line: undefined, column: undefined, message: 'a\nb\n' };
  const lines = describeFindings(
    Array.from({ length: 25 }, () => finding),
    '/',
  ).split('\n');
  expect([lines.length, lines[0], lines[1], lines.at(-1)]).toEqual([41, '  a', '    b', '  and 5 more']);
});

test('the same tree makes the same kit', async () => {
  expect(Buffer.from(await ownKit()).equals(kit)).toBe(true);
  expect(Buffer.from(packKit(readKit(kit))).equals(kit)).toBe(true);
});

test('every worker is compiled in: a thread that is not there is missed only when it is needed', async () => {
  const sources = [...new Bun.Glob('src/**/*.ts').scanSync({ cwd: project })];
  const texts = await Promise.all(sources.map((path) => Bun.file(join(project, path)).text()));
  const named = texts.flatMap((text, at) =>
    [...text.matchAll(/new URL\('(\.\/[a-z-]+\.ts)', import\.meta\.url\)/g)].map(([, file = '']) =>
      join(dirname(sources[at] ?? ''), file),
    ),
  );
  expect(named.length).toBeGreaterThan(1);
  expect([...new Set(named)].toSorted()).toEqual(entryPoints.slice(1).toSorted());
});
