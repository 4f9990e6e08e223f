// Finds what goes into a kit, in the source tree: what the bundler reads, and what a checker of types reads beside it.

import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { bundleOptions } from './bundle.ts';
import { sourcesOf } from './editor-types.ts';
import { billOfMaterials } from '../sbom.ts';
import { BILL_FILE, sha256Of, type Kit } from './kit.ts';

/** Written by `tollgate init`. */
const startingFiles = 'src/cli/init/files/*';

/** Packages whose declarations a config may need: the contract re-exports TypeBox, and plugins run on Bun. */
const declarations = [
  '@sinclair/typebox/build/esm/**/*.d.mts',
  'bun-types/*.d.ts',
  'bun-types/{vendor,overrides}/**/*.d.ts',
  '@types/node/**/*.d.ts',
  'undici-types/*.d.ts',
  '{@sinclair/typebox,bun-types,@types/node,undici-types}/{LICENSE,license}',
] as const;

export async function collectKit(project: string): Promise<Kit> {
  const { inputs, assets } = await bundledFiles(project);
  const paths = new Set([
    ...inputs,
    ...sourcesOf((path) => readFileSync(join(project, path), 'utf8')),
    'LICENSE',
    ...new Bun.Glob(startingFiles).scanSync({ cwd: project, dot: true }),
    ...declarations.flatMap((pattern) => {
      const cwd = join(project, 'node_modules');
      return [...new Bun.Glob(pattern).scanSync({ cwd })].map((path) => `node_modules/${path}`);
    }),
  ]);
  const found = [...paths];
  for (const stated of found.flatMap((path) => packagesOf(project, path))) paths.add(stated);
  const files: Record<string, string> = {};
  const embedded: Record<string, string> = {};
  // In one order whatever the file system says: the same tree makes the same kit.
  for (const path of [...paths].map((path) => path.split(sep).join('/')).toSorted()) {
    const bytes = readFileSync(join(project, path));
    const sha256 = sha256Of(bytes);
    if (assets.has(sha256)) embedded[path] = sha256;
    else files[path] = textOf(path, bytes);
  }
  files[BILL_FILE] = billOfMaterials({ inputs: inputs.map((path) => join(project, path)), project });
  return { files, embedded };
}

/** What the bundler reads, from the project's root, and the SHA-256 of each file that it embeds as it is. */
async function bundledFiles(
  project: string,
): Promise<{ readonly inputs: readonly string[]; readonly assets: ReadonlySet<string> }> {
  const loaded = new Set<string>();
  const result = await Bun.build({
    ...bundleOptions(project),
    plugins: [recordLoading((path) => void loaded.add(path))],
  });
  if (!result.success) throw new AggregateError(result.logs, 'the source tree could not be bundled');
  const assets = new Set<string>();
  for (const output of result.outputs)
    if (output.kind === 'asset') assets.add(sha256Of(new Uint8Array(await output.arrayBuffer())));
  return { inputs: [...loaded].map((path) => relative(project, path)), assets };
}

/** Sees every file that is read, also one that only says where to find something else and is left out in the end. */
const recordLoading = (record: (path: string) => void): Bun.BunPlugin => ({
  name: 'record-loading',
  setup: (builder) =>
    void builder.onLoad({ filter: /.*/ }, ({ path }) => {
      record(path);
      return undefined;
    }),
});

/** The package.json of every folder above a file: they say how its imports are resolved. */
function packagesOf(project: string, path: string): readonly string[] {
  const found: string[] = [];
  for (let folder = dirname(path); ; folder = dirname(folder)) {
    const stated = join(folder, 'package.json');
    if (existsSync(join(project, stated))) found.push(stated);
    if (folder === '.') return found;
  }
}

function textOf(path: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new Error(`${path} is not text; a kit holds such files only where the executable embeds them`);
  }
}
