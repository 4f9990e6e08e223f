// The executable as it is handed to operators: built once per test run, on first need, and started as a process of its
// own with nothing of this one's environment.

import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { billPath } from '../../src/cli/sbom.ts';
import { gatewayCalls, haveRecordings, recordingsFolder, type GatewayCalls } from './gateway.ts';

const project = resolve(import.meta.dir, '../..');
/** One folder for all test files of this process, whether or not they share modules. */
const folder = join(tmpdir(), `tollgate-executable-${process.pid}`);
const START_MAX_MS = 30_000;

let built: Promise<string> | undefined;

/** Path of the executable. The first call builds it, which takes some seconds. */
export const builtExecutable = (): Promise<string> => (built ??= build());

/** A test process has no hook at its very end: each removes what those before it left. */
function removeAbandoned(): void {
  for (const name of readdirSync(tmpdir())) {
    const pid = Number(/^tollgate-executable-(\d+)$/.exec(name)?.[1]);
    if (!Number.isNaN(pid) && !isAlive(pid)) rmSync(join(tmpdir(), name), { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

async function build(): Promise<string> {
  const file = join(folder, 'tollgate');
  // Numbers of processes come round: what stands there from before this one began is another's, perhaps of other code.
  const builtAtMs = statSync(file, { throwIfNoEntry: false })?.mtimeMs;
  if (builtAtMs !== undefined && builtAtMs > Date.now() - process.uptime() * 1_000) return file;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  removeAbandoned();
  const unfinished = `${file}-unfinished`;
  const child = Bun.spawn([process.execPath, join(project, 'src/main.ts'), 'build', '--out', unfinished], {
    cwd: project,
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
  });
  const [output, errors, exitCode] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  if (exitCode !== 0) throw new Error(`the build failed:\n${output}${errors}`);
  renameSync(billPath(unfinished), billPath(file));
  renameSync(unfinished, file);
  return file;
}

export interface RunningExecutable extends GatewayCalls {
  /** Origin without a trailing slash. */
  readonly url: string;
  readonly apiKey: string;
  readonly operatorKey: string;
  readonly dataFolder: string;
  readonly child: Bun.Subprocess<'ignore', 'pipe', 'pipe'>;
  /** What it wrote to standard error so far. */
  errors(): string;
  /** Asks it to stop, waits for that, and removes its folder. Returns the exit code. */
  stop(): Promise<number>;
}

export interface ExecutableOptions {
  /** Another executable than the one that the project builds. */
  readonly file?: string;
  readonly argv?: readonly string[];
  /** All that it sees besides what the simulator needs. */
  readonly environment?: Readonly<Record<string, string>>;
}

/** Starts it on a free port with an empty data folder, and reads its keys from what it prints. */
export async function startExecutable(options: ExecutableOptions = {}): Promise<RunningExecutable> {
  const file = options.file ?? (await builtExecutable());
  const work = mkdtempSync(join(tmpdir(), 'tollgate-run-'));
  const dataFolder = join(work, 'data');
  const child = Bun.spawn([file, 'serve', '--port', '0', '--data', dataFolder, ...(options.argv ?? [])], {
    cwd: work,
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
    env: {
      TOLLGATE_SIMULATOR_FAULTS: '1',
      ...(haveRecordings ? { TOLLGATE_RECORDINGS: recordingsFolder } : {}),
      ...options.environment,
    },
  });
  let errors = '';
  void (async () => {
    for await (const text of child.stderr.pipeThrough(new TextDecoderStream())) errors += text;
  })();
  const stop = async () => {
    child.kill('SIGTERM');
    const exitCode = await child.exited;
    rmSync(work, { recursive: true, force: true });
    return exitCode;
  };
  try {
    const greeting = await readGreeting(child, () => errors);
    return {
      ...greeting,
      ...gatewayCalls(greeting.url, greeting.apiKey, greeting.operatorKey),
      dataFolder,
      child,
      errors: () => errors,
      stop,
    };
  } catch (error) {
    child.kill('SIGKILL');
    await stop();
    throw error;
  }
}

async function readGreeting(
  child: RunningExecutable['child'],
  errors: () => string,
): Promise<{ url: string; apiKey: string; operatorKey: string }> {
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const late = setTimeout(() => void reader.cancel(), START_MAX_MS);
  let text = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) throw new Error(`it did not start:\n${text}${errors()}`);
    text += value;
    const url = /serves on (http:\S+)/.exec(text)?.[1];
    const operatorKey = /Operator key.*\n\s+(\S+)/.exec(text)?.[1];
    const apiKey = /First API key.*\n\s+(\S+)\n/.exec(text)?.[1];
    if (url === undefined || operatorKey === undefined || apiKey === undefined) continue;
    clearTimeout(late);
    reader.releaseLock();
    return { url, apiKey, operatorKey };
  }
}
