// What an editor and the checker of types need to know of Tollgate: the contract and the built-in plugins as source,
// and the declarations that these lean on. `tollgate init` puts it beside a config; a build checks a config with it.

import { posix } from 'node:path';
import type { Kit } from './kit.ts';

/** With all that they import, these are the sources that a config's types come from. */
export const typeRoots = ['src/plugin/index.ts', 'plugins/index.ts', 'policies/markdown.d.ts'] as const;

/** The folder beside a config. */
export const TYPES_FOLDER = 'tollgate-types';

export const compilerOptions = {
  target: 'ESNext',
  module: 'Preserve',
  moduleResolution: 'bundler',
  lib: ['ESNext'],
  strict: true,
  noEmit: true,
  allowJs: true,
  allowImportingTsExtensions: true,
  verbatimModuleSyntax: true,
  resolveJsonModule: true,
  skipLibCheck: true,
} as const;

/** Of a kit's files those that types come from: a few of the sources, and declarations of packages. */
export function editorTypes(kit: Kit): Readonly<Record<string, string>> {
  const sources = new Set(sourcesOf((path) => kit.files[path] ?? ''));
  const isType = (path: string): boolean =>
    sources.has(path) ||
    path === 'LICENSE' ||
    (/^node_modules\/(?:@sinclair\/typebox|bun-types|@types\/node|undici-types)\//.test(path) &&
      /(?:\.d\.m?ts|\/package\.json|\/license)$/i.test(path));
  return Object.fromEntries(Object.entries(kit.files).filter(([path]) => isType(path)));
}

/** The roots and all that they import by a relative path: also what is imported for its types alone. */
export function sourcesOf(read: (path: string) => string): readonly string[] {
  const found = new Set<string>();
  const visit = (path: string): void => {
    if (found.has(path)) return;
    found.add(path);
    if (!path.endsWith('.ts')) return;
    for (const [, specifier = ''] of read(path).matchAll(/\bfrom '(\.[^']+)'/g))
      visit(posix.join(posix.dirname(path), specifier));
  };
  for (const root of typeRoots) visit(root);
  return [...found];
}
