// The trial of a drop-in before it may serve: ourselves started again, with an empty environment, in a folder of its
// own, for so long and with so much memory. What it does there, it does to a process that is killed.

import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PluginKind } from '../plugin/define.ts';
import { DropInRefused } from './refusal.ts';
import { decodeEvent, encodeJob, type TrialEvent, type TrialJob } from './trial-job.ts';

export interface TrialLimits {
  readonly timeMs: number;
  /** Resident memory of the process, the runtime's own 100 MB or so included. */
  readonly memoryBytes: number;
}

export const trialLimits: TrialLimits = { timeMs: 30_000, memoryBytes: 640 * 1024 * 1024 };

const WATCH_MS = 20;
const OUTPUT_BYTES_MAX = 256 * 1024;
/** Seconds of processor time after which the kernel ends it, should nobody be left to do so. */
const CPU_SECONDS_MAX = 120;

export interface TrialReport {
  /** Of each check what was wrong with it, in full. */
  readonly checks: readonly { readonly name: string; readonly problem: string | undefined }[];
  /** What the drop-in itself wrote, bounded. */
  readonly output: string;
  /** Undefined: it passed. Otherwise the first thing that was wrong, in one line. */
  readonly problem: string | undefined;
  readonly plugin: { readonly kind: PluginKind; readonly name: string; readonly version: string } | undefined;
}

/** `command`: starts ourselves so that we read a job and try it. Throws DropInRefused where the options are no data. */
export async function tryDropIn(
  job: Omit<TrialJob, 'token'>,
  command: readonly string[],
  limits: TrialLimits,
): Promise<TrialReport> {
  const token = crypto.randomUUID();
  const input = encoded({ ...job, token });
  return inTurn(async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tollgate-trial-'));
    try {
      return await watch(start(command, folder, input), token, limits);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
}

function encoded(job: TrialJob): string {
  try {
    return encodeJob(job);
  } catch {
    throw new DropInRefused('options: must be data; functions and the like cannot be handed over');
  }
}

type Child = Bun.Subprocess<Blob, 'pipe', 'pipe'>;

function start(command: readonly string[], folder: string, input: string): Child {
  const shell = '/bin/sh';
  const bounded = existsSync(shell)
    ? [shell, '-c', `ulimit -c 0; ulimit -t ${CPU_SECONDS_MAX}; exec "$0" "$@"`, ...command]
    : [...command];
  return Bun.spawn(bounded, {
    cwd: folder,
    env: {},
    stdin: new Blob([input]),
    stdout: 'pipe',
    stderr: 'pipe',
    // A group of its own, so that whatever it starts ends with it.
    detached: true,
  });
}

async function watch(child: Child, token: string, limits: TrialLimits): Promise<TrialReport> {
  let killedFor: string | undefined;
  const kill = (why: string) => {
    killedFor ??= why;
    killGroup(child.pid);
  };
  const deadline = setTimeout(() => kill(`did not end within ${limits.timeMs / 1000} s`), limits.timeMs);
  const memory = setInterval(() => {
    if (residentBytes(child.pid) > limits.memoryBytes)
      kill(`took more than ${Math.round(limits.memoryBytes / 2 ** 20)} MiB of memory`);
  }, WATCH_MS);
  try {
    const [lines, errors] = await Promise.all([
      headOf(child.stdout, () => kill('wrote more than can be read')),
      headOf(child.stderr, () => kill('wrote more than can be read')),
      child.exited.then(() => killGroup(child.pid)),
    ]);
    const events = lines.split('\n').flatMap((line) => decodeEvent(token, line) ?? []);
    const own = lines.split('\n').filter((line) => decodeEvent(token, line) === undefined);
    const output = `${own.join('\n')}\n${errors}`.replaceAll(/\n{2,}/g, '\n').trim();
    return { ...reportOf(events, killedFor ?? endedItself(child, errors)), output };
  } finally {
    clearTimeout(deadline);
    clearInterval(memory);
    killGroup(child.pid);
  }
}

function endedItself({ exitCode, signalCode }: Child, errors: string): string {
  const how = signalCode === null ? `with exit code ${exitCode}` : `by ${signalCode}`;
  const last = errors.trim().split('\n').at(-1)?.slice(0, 200) ?? '';
  return `ended its process ${how}${last === '' ? '' : `, saying: ${last}`}`;
}

function reportOf(events: readonly TrialEvent[], otherwise: string): Omit<TrialReport, 'output'> {
  const checks = events.flatMap((event) =>
    event.event === 'passed' || event.event === 'failed'
      ? [{ name: event.check, problem: event.event === 'failed' ? event.detail : undefined }]
      : [],
  );
  const end = events.find((event) => event.event === 'ended');
  const failed = events.find((event) => event.event === 'failed');
  if (end === undefined) {
    const begun = events.findLast((event) => event.event === 'begins')?.check;
    const problem = `it ${otherwise}${begun === undefined ? '' : `, in the check '${begun}'`}`;
    return { checks: begun === undefined ? checks : [...checks, { name: begun, problem }], problem, plugin: undefined };
  }
  const problem = failed === undefined ? undefined : `check '${failed.check}': ${failed.message}`;
  return { checks, problem, plugin: end.plugin };
}

/** What comes of a stream, up to a bound; the rest is thrown away. */
async function headOf(stream: ReadableStream<Uint8Array>, tooMuch: () => void): Promise<string> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of stream) {
    if (size > OUTPUT_BYTES_MAX) continue;
    pieces.push(piece);
    size += piece.byteLength;
    if (size > OUTPUT_BYTES_MAX) tooMuch();
  }
  return Buffer.concat(pieces).toString();
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended, and nothing that it started is left.
  }
}

/** 0 where it cannot be told: it has just ended. */
function residentBytes(pid: number): number {
  try {
    if (process.platform === 'linux') {
      const status = readFileSync(`/proc/${pid}/status`, 'latin1');
      return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1_024;
    }
    const { stdout } = Bun.spawnSync(['ps', '-o', 'rss=', '-p', String(pid)]);
    return Number(stdout.toString().trim()) * 1_024;
  } catch {
    return 0;
  }
}

/** As many at once as there are processors. */
let running = 0;
const waiting: (() => void)[] = [];

async function inTurn<T>(work: () => Promise<T>): Promise<T> {
  if (running >= availableParallelism()) await new Promise<void>((resolve) => void waiting.push(resolve));
  else running += 1;
  try {
    return await work();
  } finally {
    const next = waiting.shift();
    if (next === undefined) running -= 1;
    else next();
  }
}
