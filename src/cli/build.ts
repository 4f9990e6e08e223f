// `npm run build`: one executable with everything inside. It reads no `.env` and no `bunfig.toml` where it is started,
// because the folder it runs in must not decide what it does.
//
//   bun src/cli/build.ts [--out FILE] [--target bun-linux-arm64] [--config FILE]

import { existsSync, mkdirSync, rmSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { writeBillOfMaterials } from './sbom.ts';

const project = resolve(import.meta.dir, '../..');

/** The first is the program; each other one is a worker, started by `new URL('./NAME.ts', import.meta.url)`. */
const entryPoints = [
  'src/main.ts', 'src/store/loader-worker.ts', 'src/store/backup/snapshot-worker.ts', 'src/pipeline/token-worker.ts',
] as const;

/** What Bun can compile for from any machine; the runtime of a foreign target is downloaded once. */
const targets = [
  'bun-linux-x64',
  'bun-linux-arm64',
  'bun-linux-x64-musl',
  'bun-linux-arm64-musl',
  'bun-darwin-x64',
  'bun-darwin-arm64',
  'bun-windows-x64',
] as const;
type Target = (typeof targets)[number];

interface BuildOptions {
  readonly outFile: string;
  /** This machine's own if left out. */
  readonly target?: Target;
  /** Compiled in as `tollgate:config`. `plugins/gateway.config.ts` if left out. */
  readonly configFile?: string;
}

class UsageError extends Error {}

function readOptions(words: readonly string[]): BuildOptions {
  const { values } = parseArgs({
    args: [...words],
    options: { out: { type: 'string' }, target: { type: 'string' }, config: { type: 'string' } },
  });
  const target = targets.find((name) => name === values.target);
  if (values.target !== undefined && target === undefined) {
    throw new UsageError(`--target ${values.target} is not known; choose one of ${targets.join(', ')}`);
  }
  const configFile = values.config === undefined ? undefined : resolve(values.config);
  if (configFile !== undefined && !existsSync(configFile))
    throw new UsageError(`--config ${configFile} does not exist`);
  const name = target === undefined ? 'tollgate' : `tollgate-${target.slice('bun-'.length)}`;
  return {
    outFile: resolve(values.out ?? join(project, 'dist', name)),
    ...(target === undefined ? {} : { target }),
    ...(configFile === undefined ? {} : { configFile }),
  };
}

/** Binds `tollgate:config` to a file anywhere, and gives that file the same plugin contract as ours. */
const bindConfig = (configFile: string): Bun.BunPlugin => ({
  name: 'bind-config',
  setup(builder) {
    builder.onResolve({ filter: /^tollgate:config$/ }, () => ({ path: configFile }));
    builder.onResolve({ filter: /^tollgate\/plugin$/ }, () => ({
      path: join(project, 'src/plugin/index.ts'),
    }));
  },
});

async function build(options: BuildOptions): Promise<void> {
  mkdirSync(dirname(options.outFile), { recursive: true });
  const result = await Bun.build({
    entrypoints: entryPoints.map((path) => join(project, path)),
    root: join(project, 'src'),
    // Workers beside the program under their bare names: a module's own URL is the program's once it is bundled.
    naming: { entry: '[name].[ext]' },
    format: 'esm',
    minify: true,
    bytecode: true,
    // What a start does not need stays in chunks of its own: a module costs its loading even where nothing runs it.
    splitting: true,
    sourcemap: 'linked',
    metafile: true,
    define: { 'process.env.NODE_ENV': '"production"' },
    plugins: options.configFile === undefined ? [] : [bindConfig(options.configFile)],
    compile: {
      outfile: options.outFile,
      autoloadDotenv: false,
      autoloadBunfig: false,
      ...(options.target === undefined ? {} : { target: options.target }),
    },
    throw: false,
  });
  for (const message of result.logs) console.error(message);
  if (!result.success) throw new UsageError('the build failed; the messages above say where');
  writeBillOfMaterials(options.outFile, { inputs: Object.keys(result.metafile?.inputs ?? {}), project });
  // The maps are inside the executable too; beside it they would only be a second thing to carry.
  for (const output of result.outputs) if (output.kind === 'sourcemap') rmSync(output.path, { force: true });
}

async function main(): Promise<void> {
  const startedAtMs = performance.now();
  const options = readOptions(process.argv.slice(2));
  await build(options);
  const file = existsSync(options.outFile) ? options.outFile : `${options.outFile}.exe`;
  const size = `${Math.round(statSync(file).size / 1_000_000)} MB`;
  console.log(`${basename(file)}: ${size} in ${Math.round(performance.now() - startedAtMs)} ms, at ${file}`);
}

try {
  await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
}
