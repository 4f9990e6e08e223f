// Processes that the bench starts: pinned to a core, their output kept in files, and none of them left behind, however
// the bench ends.

import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { allowedCores, processTree } from './process-figures.ts';

export const outFolder = join(import.meta.dir, 'out');

const [gatewayCore = 0, loadCore = gatewayCore] = allowedCores();
/** Gateways have one core for themselves; mock upstream, driver and the bench itself share the other. */
export const cores = { gateway: gatewayCore, load: loadCore } as const;
export const pinning = Bun.which('taskset') !== null && gatewayCore !== loadCore;

export interface Child {
  readonly name: string;
  readonly pid: number;
  readonly exited: Promise<number>;
  /** Everything it has printed so far. */
  output(): string;
  stop(): Promise<void>;
}

const running = new Set<Child>();
const pinned = (core: number, command: readonly string[]): string[] =>
  pinning ? ['taskset', '-c', String(core), ...command] : [...command];

function killTree(pid: number, signal: NodeJS.Signals): void {
  for (const member of processTree(pid)) {
    try {
      process.kill(member, signal);
    } catch {
      // it has ended by itself
    }
  }
}

export interface ChildOptions {
  readonly name: string;
  readonly core: number;
  readonly command: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly folder?: string;
}

const STOP_PATIENCE_MS = 2_000;

export function startChild(options: ChildOptions): Child {
  mkdirSync(outFolder, { recursive: true });
  const logFile = join(outFolder, `${options.name.replace(/[^\w-]/g, '-')}.log`);
  // Default settings are what is measured: nothing of the caller's environment may lift a limit for a target.
  const { BUN_CONFIG_MAX_HTTP_REQUESTS: _lifted, ...inherited } = process.env;
  const log = openSync(logFile, 'w');
  const started = Bun.spawn(pinned(options.core, options.command), {
    cwd: options.folder ?? import.meta.dir,
    env: { ...inherited, ...options.environment },
    stdin: 'ignore',
    stdout: log,
    stderr: log,
  });
  closeSync(log);
  const child: Child = {
    name: options.name,
    pid: started.pid,
    exited: started.exited,
    output: () => readFileSync(logFile, 'utf8'),
    async stop() {
      const family = processTree(started.pid);
      killTree(started.pid, 'SIGTERM');
      await Promise.race([started.exited, Bun.sleep(STOP_PATIENCE_MS)]);
      for (const pid of family) killTree(pid, 'SIGKILL');
      await started.exited;
      running.delete(child);
    },
  };
  running.add(child);
  return child;
}

/** The first match of `pattern` in the child's output; throws when it ends or takes too long. */
export async function untilPrinted(child: Child, pattern: RegExp, patienceMs = 15_000): Promise<RegExpExecArray> {
  const endAtMs = performance.now() + patienceMs;
  const state = { ended: false };
  void child.exited.then(() => (state.ended = true));
  for (;;) {
    const found = pattern.exec(child.output());
    if (found !== null) return found;
    if (state.ended || performance.now() > endAtMs) {
      throw new Error(`${child.name} did not print ${pattern}:\n${child.output().slice(-1000)}`);
    }
    await Bun.sleep(10);
  }
}

/** Runs a command on the load core to its end and returns what it printed. */
export async function runOnLoadCore(command: readonly string[], timeoutMs: number): Promise<string> {
  const started = Bun.spawn(pinned(cores.load, command), {
    cwd: import.meta.dir,
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'inherit',
    timeout: timeoutMs,
    killSignal: 'SIGKILL',
  });
  return new Response(started.stdout).text();
}

/** A port that nobody listens on, below the range from which the system picks ports for outgoing connections. */
export function freePort(): number {
  for (let tries = 0; tries < 50; tries++) {
    const port = 20_000 + Math.floor(Math.random() * 10_000);
    try {
      Bun.listen({ hostname: '127.0.0.1', port, socket: { data() {} } }).stop(true);
      return port;
    } catch {
      // taken: try another
    }
  }
  throw new Error('no free port found');
}

export async function stopChildren(): Promise<void> {
  await Promise.all([...running].map((child) => child.stop()));
}

process.on('exit', () => {
  for (const child of running) killTree(child.pid, 'SIGKILL');
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => process.exit(130));
