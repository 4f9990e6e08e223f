// `tollgate plugin`: what somebody who writes a drop-in needs. `pin` prints the line for the config and runs nothing
// of the file; `test` puts it through the conformance suite of its kind. The gateway starts itself for that: `trial`.

import { relative, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { DropInCode } from '../drop-ins/bundle.ts';
import { provideHostModules } from '../drop-ins/host-modules.ts';
import { UsageError } from './arguments.ts';
import { ownCommand } from './own-command.ts';
import { dropInFolder } from './read-config.ts';
import type { CommandContext } from './serve.ts';

const usage = `tollgate plugin pin FILE [--files] [--config FILE]
    prints the line for the config; --files also prints what is counted, files as sha256sum lists them
tollgate plugin test FILE [--options JSON] [--config FILE]
    runs the conformance suite of its kind, and prints the verdict of each check

A drop-in stands inside the folder of the config: of the file that --config (or TOLLGATE_CONFIG) names, or else the
working directory.
`;

export async function pluginCommand(argv: readonly string[], context: CommandContext): Promise<number> {
  const [verb, ...rest] = argv;
  switch (verb) {
    case 'pin':
      return pin(wordsOf(rest, context), context);
    case 'test':
      return test(wordsOf(rest, context), context);
    case 'trial':
      return trial(context);
    case undefined:
    case '--help':
    case '-h':
      context.print(usage);
      return 0;
    default:
      throw new UsageError(`there is no command 'plugin ${verb}'\n\n${usage}`);
  }
}

interface Words {
  readonly file: string;
  readonly folder: string;
  readonly files: boolean;
  readonly options: string | undefined;
}

function wordsOf(argv: readonly string[], { environment }: CommandContext): Words {
  const flags = { files: { type: 'boolean' }, options: { type: 'string' }, config: { type: 'string' } } as const;
  let parsed;
  try {
    parsed = parseArgs({ args: [...argv], options: flags, strict: true, allowPositionals: true });
  } catch (error) {
    throw new UsageError(`${error instanceof Error ? error.message : String(error)}\n\n${usage}`);
  }
  const [file, ...others] = parsed.positionals;
  if (file === undefined || others.length > 0) throw new UsageError(`name one file\n\n${usage}`);
  const { files = false, options, config = environment.config } = parsed.values;
  return { file, folder: dropInFolder(config), files, options };
}

/** As the config is to name it: whoever types it may stand elsewhere. */
const inFolder = (file: string, folder: string): string => {
  const path = relative(folder, resolve(file)).replaceAll('\\', '/');
  return path.startsWith('.') || path.startsWith('/') ? path : `./${path}`;
};

async function codeOf({ file, folder }: Words, { modules }: CommandContext): Promise<DropInCode> {
  const { bundleDropIn } = await import('../drop-ins/bundle.ts');
  const { placeOf } = await import('../drop-ins/place.ts');
  return bundleDropIn(placeOf(inFolder(file, folder), folder), folder, Object.keys(modules));
}

async function pin(words: Words, context: CommandContext): Promise<number> {
  const { listingOf } = await import('../drop-ins/bundle.ts');
  const code = await spoken(words, () => codeOf(words, context));
  if (words.files) context.print(listingOf(code));
  context.print(`dropIn({ file: '${inFolder(words.file, words.folder)}', sha256: '${code.sha256}' }),\n`);
  return 0;
}

async function test(words: Words, context: CommandContext): Promise<number> {
  const options = optionsOf(words.options);
  const { trialLimits, tryDropIn } = await import('../drop-ins/trial.ts');
  const report = await spoken(words, async () => {
    const { code } = await codeOf(words, context);
    const job = { code, kind: undefined, options, name: undefined };
    return tryDropIn(job, ownCommand('plugin', 'trial'), context.trialLimits ?? trialLimits);
  });
  if (report.plugin !== undefined) {
    const { kind, name, version } = report.plugin;
    context.print(`${name} ${version}, ${kind}\n`);
  }
  for (const { name, problem } of report.checks)
    context.print(problem === undefined ? `  pass  ${name}\n` : `  FAIL  ${name}\n${indented(problem)}\n`);
  if (report.output !== '') context.print(`it wrote\n${indented(report.output)}\n`);
  const failed = report.checks.filter(({ problem }) => problem !== undefined).length;
  const all = report.checks.length;
  context.print(report.problem === undefined ? `${all} checks passed\n` : `${failed} of ${all} checks failed\n`);
  return report.problem === undefined ? 0 : 1;
}

const indented = (text: string): string =>
  text
    .split('\n')
    .map((line) => `          ${line}`.trimEnd())
    .join('\n');

function optionsOf(text: string | undefined): unknown {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    throw new UsageError(`--options: is not JSON; write it as '{"name":"value"}'`);
  }
}

/** What is wrong with a file is for the person at the terminal. */
async function spoken<T>({ file }: Words, work: () => Promise<T>): Promise<T> {
  const { DropInRefused } = await import('../drop-ins/refusal.ts');
  try {
    return await work();
  } catch (error) {
    if (error instanceof DropInRefused) throw new DropInProblem(`${file}: ${error.message}`);
    throw error;
  }
}

export class DropInProblem extends Error {
  override readonly name = 'DropInProblem';
}

/** Not for people: reads a job from standard input, tries it, and says on standard output what happens. */
async function trial({ modules }: CommandContext): Promise<number> {
  const { decodeJob } = await import('../drop-ins/trial-job.ts');
  const { tryInside } = await import('../drop-ins/trial-inside.ts');
  await provideHostModules(modules);
  await tryInside(decodeJob(await Bun.stdin.text()));
  // What the drop-in left running must not keep the process.
  process.kill(process.pid, 'SIGKILL');
  return 0;
}
