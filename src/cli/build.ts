// `tollgate build`: config and plugins into a new executable, from the source tree and from an executable alone.
// Nothing stands at --out before all of it does: it is compiled in a folder of its own, tried, and renamed into its
// place, also over one that is running.

import { chmodSync, cpSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { UsageError } from './arguments.ts';
import { buildOptions, type BuildOptions } from './build/build-options.ts';
import { hostPackagesFolder, linkHostPackages } from './build/bundle.ts';
import { describeFindings } from './build/findings.ts';
import { BILL_FILE, KIT_FILE, project, readKit, unpackKit } from './build/kit.ts';
import { ownKit } from './build/own-kit.ts';
import { resultFileOf, runStep, type StepRequest, type StepResults } from './build/step.ts';
import { runsHere } from './build/targets.ts';
import { withWork, type Work } from './build/work-folders.ts';
import { billPath } from './sbom.ts';
import type { CommandContext } from './serve.ts';

/** A config that does not answer by then would not serve either. */
const TRY_MAX_MS = 60_000;

export async function buildCommand(argv: readonly string[], context: CommandContext): Promise<number> {
  // Ourselves, as the process that does one part; not for people.
  const [first, requestFile] = argv;
  if (first === '--step' && requestFile !== undefined) return runStep(requestFile, context);
  const options = buildOptions(argv, context.environment.config);
  const startedAtMs = performance.now();
  await withWork(async (work) => {
    const place = placeFor(options.outFile, work);
    const root = await unpacked(work);
    const compiled = await compileIn(root, work, options, context);
    const unplaced = join(place, basename(options.outFile));
    moveInto(compiled, unplaced);
    chmodSync(unplaced, 0o755);
    const verdict = runsHere(options.target) ? await triedOut(unplaced, work, context) : foreign;
    moveInto(join(root, BILL_FILE), join(place, BILL_FILE));
    renameSync(join(place, BILL_FILE), billPath(options.outFile));
    const outFile = renameInto(unplaced, options.outFile, compiled.endsWith('.exe'));
    const size = `${Math.round(statSync(outFile).size / 1_000_000)} MB`;
    context.print(`${outFile}: ${size} in ${Math.round(performance.now() - startedAtMs)} ms\n${verdict}\n`);
  });
  return 0;
}

const foreign = 'It is for another system: run `check` with it there.';

/** Beside --out, because a file can only be renamed within its file system; asked for before the work is done. */
function placeFor(outFile: string, work: Work): string {
  try {
    mkdirSync(dirname(outFile), { recursive: true });
    return work.folder(dirname(outFile), '.tollgate-build-');
  } catch (error) {
    throw new UsageError(`--out: ${dirname(outFile)} cannot be written to: ${messageOf(error)}`);
  }
}

async function compileIn(root: string, work: Work, options: BuildOptions, context: CommandContext): Promise<string> {
  const outFolder = join(root, 'out');
  mkdirSync(outFolder);
  const { configFile, target, checkTypes } = options;
  const main = Bun.isStandaloneExecutable ? [] : [join(project, 'src/main.ts')];
  const program = [process.execPath, ...main];
  const result = await step(
    { step: 'compile', root, configFile, target, checkTypes, outFolder },
    { program, folder: root, environment: { ...context.environment.all(), NODE_PATH: hostPackagesFolder(root) } },
    work,
  );
  if (result.ok) return result.file;
  throw new UsageError(`nothing was built:\n${describeFindings(result.findings, process.cwd())}`);
}

async function unpacked(work: Work): Promise<string> {
  const bytes = await ownKit();
  try {
    const root = work.folder(tmpdir(), 'tollgate-build-');
    await unpackKit(readKit(bytes), root);
    writeFileSync(join(root, KIT_FILE), bytes);
    linkHostPackages(root);
    return root;
  } catch (error) {
    throw new UsageError(`TMPDIR: ${tmpdir()} cannot be worked in: ${messageOf(error)}`);
  }
}

interface StepPlace {
  readonly program: readonly string[];
  /** Where it runs, and where request and result lie. */
  readonly folder: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
}

async function step<R extends StepRequest>(request: R, place: StepPlace, work: Work): Promise<StepResults[R['step']]> {
  const requestFile = join(place.folder, `${request.step}.json`);
  writeFileSync(requestFile, JSON.stringify(request));
  const ran = await work.run([...place.program, 'build', '--step', requestFile], place);
  const result = ran.exitCode === 0 ? readIfThere(resultFileOf(requestFile)) : undefined;
  if (result !== undefined) return JSON.parse(result);
  const words = (ran.errors + ran.output).trim() || 'it was ended by a signal';
  throw new UsageError(
    request.step === 'compile'
      ? `nothing was built, because compiling broke off:\n${words}`
      : `nothing was built: with this config the executable does not start:\n${words}`,
  );
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

/** What cannot be started here (a folder without the right to execute, another C library) may do so elsewhere. */
async function triedOut(file: string, work: Work, context: CommandContext): Promise<string> {
  try {
    return await tryOut(file, work, context);
  } catch (error) {
    if (error instanceof UsageError) throw error;
    return `It cannot be started here (${messageOf(error)}): run \`check\` with it where it will be.`;
  }
}

/** Refuses what `serve` would refuse in any environment, and returns what `check` says in this one. */
async function tryOut(file: string, work: Work, context: CommandContext): Promise<string> {
  const { TOLLGATE_CONFIG: _, ...environment } = context.environment.all();
  const place = { program: [file], folder: dirname(file), environment, timeoutMs: TRY_MAX_MS };
  const { problems } = await step({ step: 'try-config' }, place, work);
  if (problems.length > 0) {
    const lines = problems.map(({ path, message }) => `  ${path}: ${message}`);
    throw new UsageError(['nothing was built, because the config cannot be used:', ...lines].join('\n'));
  }
  const checked = await work.run([file, 'check'], place);
  if (checked.exitCode === 0) return 'Its `check`: nothing is wrong.';
  const lines = checked.errors.trim().split('\n');
  return ['Its `check`, in this environment:', ...lines.map((line) => `  ${line}`)].join('\n');
}

/** The folder for temporary files may lie on another file system. */
function moveInto(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch {
    try {
      cpSync(from, to);
    } catch (error) {
      throw new UsageError(`--out: ${dirname(dirname(to))} cannot be written to: ${messageOf(error)}`);
    }
  }
}

function renameInto(file: string, outFile: string, isWindows: boolean): string {
  const target = isWindows && !outFile.endsWith('.exe') ? `${outFile}.exe` : outFile;
  try {
    renameSync(file, target);
  } catch (error) {
    throw new UsageError(`--out: ${target} could not be put in place: ${messageOf(error)}`);
  }
  return target;
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
