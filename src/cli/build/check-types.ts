// The types of a config and of all that it imports, checked against the contract and the built-in plugins of the kit,
// never against copies of them beside the config: those may be of another release.

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { UsageError } from '../arguments.ts';
import { hostPackagePaths, hostPackages, hostPaths, memberOf } from './bundle.ts';
import { noDefaultExport } from './compile.ts';
import { compilerOptions } from './editor-types.ts';
import { findingOf, type Finding } from './findings.ts';

const ENTRY = 'tollgate-check-types.ts';

interface Tsconfigs {
  /** For compiling, in place of every tsconfig.json that the bundler would find. */
  readonly bundle: string;
  /** For checking. */
  readonly types: string;
}

/** Writes both into the kit and returns their paths. */
export function writeTsconfigs(root: string, configFile: string | undefined): Tsconfigs {
  const listed = (paths: Readonly<Record<string, string>>) =>
    Object.fromEntries(Object.entries(paths).map(([name, file]) => [name, [file]]));
  const operators = configFile === undefined ? {} : operatorsPaths(dirname(configFile));
  const paths = { ...operators, ...listed(hostPaths(root, configFile)) };
  const write = (name: string, content: object): string => {
    const file = join(root, name);
    writeFileSync(file, JSON.stringify(content));
    return file;
  };
  return {
    bundle: write('tollgate-bundle.tsconfig.json', { compilerOptions: { ...compilerOptions, paths } }),
    types: write('tollgate-types.tsconfig.json', {
      compilerOptions: {
        ...compilerOptions,
        types: [join(root, 'node_modules/bun-types')],
        paths: { ...paths, ...listed(hostPackagePaths(root, 'types')) },
      },
      files: [join(root, ENTRY), join(root, 'policies/markdown.d.ts')],
    }),
  };
}

/** The names that the operator's nearest tsconfig.json gives to files of his own. `*` would catch ours too. */
function operatorsPaths(folder: string): Readonly<Record<string, readonly string[]>> {
  const text = textOf(join(folder, 'tsconfig.json'));
  if (text === undefined) return dirname(folder) === folder ? {} : operatorsPaths(dirname(folder));
  const entries = Object.entries(memberOf(memberOf(parsed(text, folder), 'compilerOptions'), 'paths'));
  return Object.fromEntries(
    entries.flatMap(([name, targets]) => {
      if (name === '*' || name.startsWith('tollgate') || !Array.isArray(targets)) return [];
      return [[name, targets.map((target) => resolve(folder, String(target)))]];
    }),
  );
}

function parsed(text: string, folder: string): unknown {
  try {
    return Bun.JSONC.parse(text);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new UsageError(`${join(folder, 'tsconfig.json')} cannot be read: ${why}`);
  }
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

/** Everything that is wrong with the config and the files that it imports. Empty if they compile. */
export async function checkTypes(root: string, configFile: string, tsconfig: string): Promise<readonly Finding[]> {
  const entry = join(root, ENTRY);
  writeFileSync(entry, entryText(configFile));
  const result = await Bun.build({
    entrypoints: [entry],
    root,
    target: 'bun',
    check: true,
    tsconfig,
    throw: false,
  });
  return result.logs
    .filter(isForTheOperator)
    .map(findingOf)
    .map((finding) => (finding.file === entry ? ofConfig(finding, configFile) : finding));
}

/** A config's type is asked for where it is used; `defineGateway` may have been left out. */
const entryText = (configFile: string): string =>
  [
    `import config from ${JSON.stringify(configFile)};`,
    `import type { GatewayConfig } from 'tollgate/plugin';`,
    'export const checked: GatewayConfig = config;',
    '',
  ].join('\n');

/** Whether the operator must mend it: what the bundler cannot read, and what is wrong in files of his own. */
function isForTheOperator({ level, message, position }: Bun.BuildOutput['logs'][number]): boolean {
  if (level !== 'error') return false;
  if (!/^TS\d+: /.test(message)) return true;
  const file = position?.file ?? '';
  // A package without declarations can be bundled all the same; and what is wrong within one is not his to mend.
  if (message.startsWith('TS7016: ') || /[\\/]node_modules[\\/]/.test(file)) return false;
  // A text or other file, imported with a type attribute: the bundler reads it, the checker does not know its kind.
  const specifier = /^TS2307: Cannot find module '([^']*)'/.exec(message)?.[1];
  if (specifier === undefined) return true;
  if (specifier.startsWith('.')) return !existsSync(resolve(dirname(file), specifier));
  // A package of which the gateway gives its own copy, without declarations.
  return !hostPackages.some((name) => specifier === name || specifier.startsWith(`${name}/`));
}

const ofConfig = (finding: Finding, configFile: string): Finding => ({
  file: configFile,
  line: undefined,
  column: undefined,
  message: /^TS1192:|^No matching export/.test(finding.message) ? noDefaultExport : finding.message,
});
