// What a build puts together, and where names lead: collecting a kit and compiling from one read the same files, so
// that a kit holds exactly what compiling will ask for.

import { existsSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The first is the program; each other one is a worker, started by `new URL('./NAME.ts', import.meta.url)`. */
export const entryPoints = [
  'src/main.ts',
  'src/store/loader-worker.ts',
  'src/store/backup/snapshot-worker.ts',
  'src/pipeline/token-worker.ts',
] as const;

/** The contract and the built-in plugins, as a config and its plugins import them. */
const hostModules = {
  'tollgate/plugin': 'src/plugin/index.ts',
  'tollgate/plugins': 'plugins/index.ts',
} as const;

/** Packages of which a plugin gets the gateway's own copy: two copies would not know each other's values. */
export const hostPackages = ['@sinclair/typebox', 'elysia'] as const;

export const builtInConfig = 'plugins/gateway.config.ts';

/** `root` is a source tree or an unpacked kit. */
export const bundleOptions = (root: string) =>
  ({
    entrypoints: entryPoints.map((path) => join(root, path)),
    root: join(root, 'src'),
    // Workers beside the program under their bare names: a module's own URL is the program's once it is bundled.
    naming: { entry: '[name].[ext]' },
    target: 'bun',
    format: 'esm',
    // What a start does not need stays in chunks of its own: a module costs its loading even where nothing runs it.
    splitting: true,
    define: { 'process.env.NODE_ENV': '"production"' },
    throw: false,
  }) as const satisfies Partial<Bun.BuildConfig>;

/**
 * For a tsconfig.json: where the names lie that stand for files of the kit. Names are not bound by a plugin of the
 * bundler, because what goes through one arrives in any order, and the same inputs would give other bytes.
 */
export const hostPaths = (root: string, configFile: string | undefined): Readonly<Record<string, string>> => ({
  'tollgate:config': configFile ?? join(root, builtInConfig),
  ...Object.fromEntries(Object.entries(hostModules).map(([name, file]) => [name, join(root, file)])),
});

/**
 * Writes a folder for NODE_PATH in which the host's packages are found by files that have none beside them: as links to
 * the very files that the gateway itself is made of.
 */
export function linkHostPackages(root: string): void {
  const folder = hostPackagesFolder(root);
  for (const [name, file] of Object.entries(hostPackagePaths(root, 'code'))) {
    const link = join(folder, `${name}.mjs`);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(file, link);
  }
}

export const hostPackagesFolder = (root: string): string => join(root, 'host-packages');

type Wanted = 'code' | 'types';

/** Specifier to file for what the host's packages export and the kit holds. */
export function hostPackagePaths(root: string, wanted: Wanted): Readonly<Record<string, string>> {
  const paths: Record<string, string> = {};
  for (const name of hostPackages) {
    const folder = join(root, 'node_modules', name);
    if (!existsSync(folder)) continue;
    const stated: unknown = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    for (const [key, value] of Object.entries(memberOf(stated, 'exports'))) {
      const file = exported(value, conditions[wanted]);
      if (file === undefined || key.includes('*') || !existsSync(join(folder, file))) continue;
      paths[key === '.' ? name : `${name}/${key.slice('./'.length)}`] = join(folder, file);
    }
  }
  return paths;
}

const conditions: Readonly<Record<Wanted, ReadonlySet<string>>> = {
  code: new Set(['bun', 'import', 'module', 'node', 'default']),
  types: new Set(['types', 'import', 'default']),
};

/** What is picked of an entry of `exports`: the first condition that holds, in the order in which they stand. */
function exported(value: unknown, holding: ReadonlySet<string>): string | undefined {
  if (typeof value === 'string') return value;
  if (typeof value !== 'object' || value === null) return undefined;
  for (const [condition, choice] of Object.entries(value)) {
    const file = holding.has(condition) ? exported(choice, holding) : undefined;
    if (file !== undefined) return file;
  }
  return undefined;
}

/** The member where it is an object, else an empty one. */
export function memberOf(value: unknown, name: string): object {
  const member: unknown = typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
  return typeof member === 'object' && member !== null ? member : {};
}
