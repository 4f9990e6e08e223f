// A file of the operator's with all that it imports, as one module that is new each time: an import by path would
// answer with what was read before, and for ever with the first failure. What is run is what was hashed.

import { createRequire } from 'node:module';
import { dirname, relative, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { ConfigProblem } from '../config/resolve.ts';

export interface ModuleClosure {
  /** Absolute paths, the entry first. */
  readonly files: readonly { readonly path: string; readonly sha256: string }[];
  /** Code of files that lie in no `node_modules`. */
  readonly sources: readonly { readonly path: string; readonly text: string }[];
  /** Evaluates it, which may throw anything. */
  run(): Promise<unknown>;
}

/** What is wrong with a file, a problem for each place. */
export class ModuleFileError extends Error {
  readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[]) {
    super(
      problems
        .map(({ message, declaredAt }) => `${message}${declaredAt === undefined ? '' : ` (${declaredAt})`}`)
        .join('\n'),
    );
    this.name = 'ModuleFileError';
    this.problems = problems;
  }
}

/** Files that are code. */
export const CODE = /\.[cm]?[jt]sx?$/;
const { cache } = createRequire(import.meta.url);
let modulesMade = 0;

/** `hostModules`: names that the host answers for at run time. Throws ModuleFileError. */
export async function readClosure(entry: string, hostModules: readonly string[]): Promise<ModuleClosure> {
  const code = new Map<string, string>();
  const result = await Bun.build({
    entrypoints: [entry],
    target: 'bun',
    format: 'esm',
    sourcemap: 'inline',
    metafile: true,
    throw: false,
    plugins: [readingInto(code, hostModules)],
  });
  const [output] = result.outputs;
  if (!result.success || output === undefined) {
    throw new ModuleFileError(
      result.logs.map(({ message, position }) => ({
        path: 'config',
        message,
        declaredAt: position?.file ? placeIn(entry, position.file, position.line) : undefined,
      })),
    );
  }
  const text = await output.text();
  const others = Object.keys(result.metafile?.inputs ?? {}).map((path) => resolve(path));
  const paths = [...new Set([entry, ...[...code.keys(), ...others].filter((path) => path !== entry).toSorted()])];
  return {
    files: await Promise.all(
      paths.map(async (path) => ({ path, sha256: sha256(code.get(path) ?? (await Bun.file(path).bytes())) })),
    ),
    sources: [...code]
      .filter(([path]) => !path.includes('/node_modules/'))
      .map(([path, source]) => ({ path, text: source }))
      .toSorted((one, other) => Number(other.path === entry) - Number(one.path === entry)),
    run: () => evaluated(text),
  };
}

/**
 * The runtime keeps each module and each module's maker for ever, and a gateway may read its config every minute: the
 * one is taken out again, and the other left with nothing.
 */
async function evaluated(text: string): Promise<unknown> {
  // Never the same name twice: one that still waits, or that failed, must not answer for its successor.
  const name = `tollgate:closure/${(modulesMade += 1)}`;
  const left = [text];
  Bun.plugin({
    name,
    setup: (build) => void build.module(name, () => ({ contents: left.pop() ?? '', loader: 'js' })),
  });
  try {
    return await import(name);
  } finally {
    delete cache[name];
  }
}

const sha256 = (content: string | Uint8Array): string => new Bun.CryptoHasher('sha256').update(content).digest('hex');

/** `gateway.config.ts:42`: relative to the entry's folder. */
export const placeIn = (entry: string, file: string, line: number): string =>
  `${relative(dirname(entry), resolve(file))}:${line}`;

/** Where in the closure an error was thrown, if its stack says so. */
export function thrownAt(entry: string, files: ModuleClosure['files'], error: unknown): string | undefined {
  const stack = error instanceof Error ? (error.stack ?? '') : '';
  for (const [, path = '', line = ''] of stack.matchAll(/\(?((?:\/|[\w.@-])[^\s():]*):(\d+):\d+\)?/g)) {
    if (files.some((file) => file.path === resolve(path))) return placeIn(entry, path, Number(line));
  }
  return undefined;
}

/** Keeps each file's text as it is bundled, and lets it know where it lies, which a bundle does not. */
const readingInto = (code: Map<string, string>, hostModules: readonly string[]): Bun.BunPlugin => ({
  name: 'tollgate closure',
  setup(build) {
    build.onResolve({ filter: /^tollgate\// }, ({ path }) =>
      hostModules.includes(path) ? { path, external: true } : undefined,
    );
    build.onLoad({ filter: CODE }, async ({ path, loader }) => {
      const text = await Bun.file(path).text();
      code.set(path, text);
      return { contents: withOwnPlace(text, path), loader };
    });
  },
});

const withOwnPlace = (text: string, path: string): string =>
  text.replaceAll(/\bimport\.meta\.(dirname|dir|filename|path|url)\b/g, (_, member: string) => {
    if (member === 'dir' || member === 'dirname') return JSON.stringify(dirname(path));
    return JSON.stringify(member === 'url' ? pathToFileURL(path).href : path);
  });
