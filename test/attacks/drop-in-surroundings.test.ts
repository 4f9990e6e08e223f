// G1 and G2: what lies around a drop-in decides nothing that its pin does not cover, and what it does differently once
// it has passed its trial keeps nobody waiting for ever.

import { expect, setDefaultTimeout, test } from 'bun:test';
import { rmSync } from 'node:fs';
import { ownCommand } from '../../src/cli/own-command.ts';
import { bundleDropIn } from '../../src/drop-ins/bundle.ts';
import { loadDropIns } from '../../src/drop-ins/load.ts';
import { placeOf } from '../../src/drop-ins/place.ts';
import { trialLimits } from '../../src/drop-ins/trial.ts';
import { dropIn } from '../../src/plugin/index.ts';
import { priority } from '../../plugins/index.ts';
import { testConfig } from '../support/gateway.ts';
import { folderWith, readmeFiles } from '../support/plugin-files.ts';

setDefaultTimeout(30_000);
const modules = {
  'tollgate/plugin': () => import('../../src/plugin/index.ts'),
  'tollgate/plugins': () => import('../../plugins/index.ts'),
};

test('where an import leads is part of it: a package.json that is no code cannot lead it elsewhere', async () => {
  const graph = (one: string, two: string) =>
    folderWith([
      ['main.ts', "import { a } from 'pkg'; import { b } from '#b'; import { c } from './c'; export default [a, b, c];"],
      ['package.json', `{"imports":{"#b":"./${one}"}}`],
      ['node_modules/pkg/package.json', `{"name":"pkg","main":"../../${two}"}`],
      ['c/package.json', '{"main":"../three.ts"}'],
      ...['one.ts', 'two.ts', 'three.ts'].map((name) => [name, `export const a = '${name}', b = a, c = a;`] as const),
    ]);
  const pinIn = async (own: string) => (await bundleDropIn(placeOf('main.ts', own), own, [])).sha256;
  const folders = [graph('one.ts', 'two.ts'), graph('one.ts', 'two.ts'), graph('two.ts', 'one.ts')];
  const [pin, again, swapped] = await Promise.all(folders.map(pinIn));
  for (const own of folders) rmSync(own, { recursive: true });
  expect([again === pin, swapped === pin]).toEqual([true, false]);
});

test('one that waits for ever where there is an environment is refused, and loads once it waits no more', async () => {
  const strategy = (await readmeFiles()).get('least-busy.ts') ?? '';
  const waits = "if (process.env['PATH'] !== undefined && globalThis.waitsNoMore !== true) await new Promise(() => {});";
  const folder = folderWith([['waits.ts', `${waits}\n${strategy}`]]);
  const { sha256 } = await bundleDropIn(placeOf('waits.ts', folder), folder, Object.keys(modules));
  const config = testConfig({ routing: [priority(), dropIn({ file: 'waits.ts', sha256 })] });
  const limits = { ...trialLimits, timeMs: 1_500 };
  const host = { folder, preset: undefined, modules, trialCommand: ownCommand('plugin', 'trial'), limits };
  const refused = await loadDropIns(config, host);
  expect(refused.refusals.map(({ message }) => message)).toEqual([
    'drop-in "waits.ts": it is not loaded after 1.5 s: something that it awaits never comes',
  ]);
  Object.assign(globalThis, { waitsNoMore: true });
  expect((await loadDropIns(config, host)).refusals).toEqual([]);
  rmSync(folder, { recursive: true });
});
