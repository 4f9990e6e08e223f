// The words after `tollgate build`, checked before anything is unpacked: what cannot become an executable is refused
// at once, and so is an --out that would overwrite something other than an executable.

import { existsSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { UsageError } from '../arguments.ts';
import { suffixOf, targetOf, type Target } from './targets.ts';

export interface BuildOptions {
  /** Absolute. The config of the source tree if absent, which only the source tree can build. */
  readonly configFile: string | undefined;
  /** Absolute. */
  readonly outFile: string;
  /** This machine's own system if absent. */
  readonly target: Target | undefined;
  readonly checkTypes: boolean;
}

export function buildOptions(argv: readonly string[], configOfEnvironment: string | undefined): BuildOptions {
  const values = parsed(argv);
  const target = values.target === undefined ? undefined : targetOf(values.target);
  const config = values.config ?? configOfEnvironment;
  const configFile = config === undefined ? undefined : existingConfig(config);
  if (configFile === undefined && Bun.isStandaloneExecutable)
    throw new UsageError('--config: name the config file to compile in; `tollgate init` writes one to begin with');
  const name = target === undefined ? 'tollgate' : `tollgate-${suffixOf(target)}`;
  const outFile = resolve(values.out ?? join('dist', name));
  refuseOtherFiles(outFile);
  return { configFile, outFile, target, checkTypes: values['no-types'] !== true };
}

function parsed(argv: readonly string[]) {
  const options = {
    config: { type: 'string' },
    out: { type: 'string' },
    target: { type: 'string' },
    'no-types': { type: 'boolean' },
  } as const;
  try {
    return parseArgs({ args: [...argv], options, strict: true, allowPositionals: false }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function existingConfig(text: string): string {
  const file = resolve(text);
  if (!existsSync(file)) throw new UsageError(`--config: there is no file ${file}`);
  if (!statSync(file).isFile()) throw new UsageError(`--config: ${file} is no file`);
  if (!/\.[cm]?[jt]s$/.test(file))
    throw new UsageError(`--config: ${file} is no TypeScript file; its name ends in .ts`);
  return file;
}

/** A slip of the hand must not replace a config or a plugin by an executable. */
function refuseOtherFiles(outFile: string): void {
  const standing = (() => {
    try {
      return statSync(outFile, { throwIfNoEntry: false });
    } catch (error) {
      throw new UsageError(`--out: ${error instanceof Error ? error.message : String(error)}`);
    }
  })();
  if (standing === undefined) return;
  if (standing.isDirectory()) throw new UsageError(`--out: ${outFile} is a folder; name the file to write`);
  const executable = standing.isFile() && ((standing.mode & 0o111) !== 0 || outFile.endsWith('.exe'));
  if (!executable)
    throw new UsageError(`--out: ${outFile} exists and is no executable; remove it or name another file`);
}
