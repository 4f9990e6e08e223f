// One executable with everything inside, from an unpacked kit. It reads no `.env` and no `bunfig.toml` where it is
// started: the folder it runs in must not decide what it does. Run with the kit's root as the working directory: the
// paths that a build records begin there, and so the same inputs give the same bytes wherever they were unpacked.

import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { LINES_FILE, tableOf } from '../built-in-lines.ts';
import { builtInConfig, bundleOptions } from './bundle.ts';
import { findingOf, type Finding } from './findings.ts';
import { KIT_FILE } from './kit.ts';
import type { Target } from './targets.ts';

/** Its name is recorded too. */
const PROGRAM = 'tollgate';

export type CompileResult =
  | { readonly ok: true; /** Absolute. */ readonly file: string }
  | { readonly ok: false; readonly findings: readonly Finding[] };

export interface CompileRequest {
  /** Root of the unpacked kit, in which the packed one lies too. */
  readonly root: string;
  readonly configFile: string | undefined;
  readonly tsconfig: string;
  readonly target: Target | undefined;
  /** An empty folder for the executable. */
  readonly outFolder: string;
}

export async function compile(request: CompileRequest): Promise<CompileResult> {
  const { root, configFile, tsconfig, target, outFolder } = request;
  const lines = await tableOf(configFile ?? join(root, builtInConfig));
  writeFileSync(join(root, LINES_FILE), JSON.stringify(lines));
  const result = await Bun.build({
    ...bundleOptions(root),
    tsconfig,
    minify: true,
    bytecode: true,
    sourcemap: 'linked',
    compile: {
      outfile: join(outFolder, PROGRAM),
      assets: [join(root, KIT_FILE), join(root, LINES_FILE)],
      autoloadDotenv: false,
      autoloadBunfig: false,
      ...(target === undefined ? {} : { target }),
    },
  });
  // The maps beside it are inside the executable too. Windows wants a name with an extension.
  const name = readdirSync(outFolder).find((file) => file === PROGRAM || file === `${PROGRAM}.exe`);
  if (result.success && name !== undefined) return { ok: true, file: join(outFolder, name) };
  const errors = result.logs.filter(({ level }) => level === 'error');
  return { ok: false, findings: errors.map(findingOf).map((finding) => named(finding, configFile, target)) };
}

/** What the bundler says in the terms of our own files, in those of the command. */
function named(finding: Finding, configFile: string | undefined, target: Target | undefined): Finding {
  const { message } = finding;
  if (/^No matching export .* for import "default"/.test(message) && configFile !== undefined)
    return { ...finding, file: configFile, line: undefined, message: noDefaultExport };
  if (target !== undefined && message.startsWith('Failed to download'))
    return { file: undefined, line: undefined, column: undefined, message: notFetched(message, target) };
  return finding;
}

export const noDefaultExport = 'has no default export; write: export default defineGateway({ ... })';

const notFetched = (message: string, target: Target): string =>
  `--target ${target}: its runtime could not be fetched from the npm registry (${message.replace(/^Failed to download /, '')}). ` +
  'Build where that registry can be reached (HTTPS_PROXY is heeded; what was fetched once is kept in ' +
  'BUN_INSTALL_CACHE_DIR or ~/.bun/install/cache), or run the released executable of that system there and build with it.';
