// `tollgate init`: a folder to begin with. Its config runs as it is; its types let an editor and a checker of types see
// what the config may say, with nothing installed. Files that stand there are never touched.

import { chmodSync, lstatSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join, relative, resolve, sep } from 'node:path';
import { parseArgs } from 'node:util';
import { UsageError } from './arguments.ts';
import { hostPackagePaths } from './build/bundle.ts';
import { compilerOptions, editorTypes, TYPES_FOLDER } from './build/editor-types.ts';
import { readKit, writeFiles, type Kit } from './build/kit.ts';
import { ownKit } from './build/own-kit.ts';
import type { CommandContext } from './serve.ts';

const FILES = 'src/cli/init/files/';

const gitignore = `# What is kept by a gateway that runs here, and executables that are built here.
data/
dist/
node_modules/
.env
# Written by \`tollgate init --types\`, which brings those of the executable that runs it.
${TYPES_FOLDER}/
`;

export async function initCommand(argv: readonly string[], context: CommandContext): Promise<number> {
  const { folder, typesOnly } = options(argv);
  const kit = readKit(await ownKit());
  if (!typesOnly)
    refuseExisting(folder, [...Object.keys(startingFiles(kit)), 'tsconfig.json', '.gitignore', TYPES_FOLDER]);
  try {
    context.print(typesOnly ? renewTypes(kit, folder) : writeAll(kit, folder));
  } catch (error) {
    throw new UsageError(
      `init: ${folder} cannot be written to: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
  return 0;
}

function renewTypes(kit: Kit, folder: string): string {
  mkdirSync(folder, { recursive: true });
  replaceTypes(kit, folder);
  return `${join(folder, TYPES_FOLDER)} is that of this executable now.\n`;
}

function writeAll(kit: Kit, folder: string): string {
  renewTypes(kit, folder);
  const files = { ...startingFiles(kit), 'tsconfig.json': tsconfig(folder), '.gitignore': gitignore };
  // `wx`: what came there meanwhile is not overwritten either.
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text, { flag: 'wx' });
  return greeting(folder, Object.keys(files));
}

function options(argv: readonly string[]): { readonly folder: string; readonly typesOnly: boolean } {
  const parsed = (() => {
    try {
      return parseArgs({
        args: [...argv],
        options: { types: { type: 'boolean' } },
        strict: true,
        allowPositionals: true,
      });
    } catch (error) {
      throw new UsageError(error instanceof Error ? error.message : String(error));
    }
  })();
  if (parsed.positionals.length > 1) throw new UsageError('init: name one folder, or none for the current one');
  return { folder: resolve(parsed.positionals[0] ?? '.'), typesOnly: parsed.values.types === true };
}

function startingFiles(kit: Kit): Readonly<Record<string, string>> {
  const found = Object.entries(kit.files).filter(([path]) => path.startsWith(FILES));
  return Object.fromEntries(found.map(([path, text]) => [path.slice(FILES.length), text]));
}

function refuseExisting(folder: string, names: readonly string[]): void {
  const standing = lstatSync(folder, { throwIfNoEntry: false });
  if (standing !== undefined && !standing.isDirectory() && !standing.isSymbolicLink())
    throw new UsageError(`init: ${folder} is no folder`);
  const existing = names.filter((name) => lstatSync(join(folder, name), { throwIfNoEntry: false }) !== undefined);
  if (existing.length === 0) return;
  throw new UsageError(
    `init: ${folder} has ${existing.join(', ')} already; nothing was written. Remove them, or name another folder` +
      (existing.includes(TYPES_FOLDER) ? '; `tollgate init --types` renews the types alone' : ''),
  );
}

/** Written beside and renamed, so that an editor never sees half of them, nor those of two releases mixed. */
function replaceTypes(kit: Kit, folder: string): void {
  const unfinished = mkdtempSync(join(folder, `.${TYPES_FOLDER}-`));
  try {
    writeFiles(editorTypes(kit), unfinished);
    rmSync(join(folder, TYPES_FOLDER), { recursive: true, force: true });
    renameSync(unfinished, join(folder, TYPES_FOLDER));
    chmodSync(join(folder, TYPES_FOLDER), 0o755);
  } catch (error) {
    rmSync(unfinished, { recursive: true, force: true });
    throw error;
  }
}

function tsconfig(folder: string): string {
  const types = join(folder, TYPES_FOLDER);
  const packages = Object.entries(hostPackagePaths(types, 'types'));
  const paths = {
    'tollgate/plugin': [`./${TYPES_FOLDER}/src/plugin/index.ts`],
    'tollgate/plugins': [`./${TYPES_FOLDER}/plugins/index.ts`],
    ...Object.fromEntries(packages.map(([name, file]) => [name, [`./${relative(folder, file).split(sep).join('/')}`]])),
  };
  return `${JSON.stringify(
    {
      compilerOptions: { ...compilerOptions, types: [`./${TYPES_FOLDER}/node_modules/bun-types`], paths },
      files: [`${TYPES_FOLDER}/policies/markdown.d.ts`],
      include: ['**/*.ts'],
      exclude: [TYPES_FOLDER, 'node_modules', 'dist'],
    },
    undefined,
    2,
  )}\n`;
}

function greeting(folder: string, names: readonly string[]): string {
  const own = Bun.isStandaloneExecutable ? basename(process.execPath) : 'tollgate';
  const config = join(folder, 'gateway.config.ts');
  return [
    `${folder} has now: ${names.join(', ')}, and ${TYPES_FOLDER}/ for your editor.`,
    '',
    'Try it:',
    `  ${own} check --config ${config}`,
    `  ${own} serve --config ${config}`,
    `  ${own} build --config ${config} --out my-gateway`,
    '',
  ].join('\n');
}
