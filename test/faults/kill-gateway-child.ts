// The gateway as a process that can be killed: started as an operator would, its address read from its greeting. No
// child outlives this process, and every wait has a deadline.

import { closeSync, mkdirSync, openSync } from 'node:fs';
import { dirname, join } from 'node:path';

const project = join(import.meta.dir, '../..');
const START_PATIENCE_MS = 20_000;
const COMMAND_PATIENCE_MS = 120_000;
export const operatorKey = 'operator-key-of-the-kill-test-7f3b09c5d1e8a264';

export interface Launch {
  /** An executable of ours, or undefined for the source. */
  readonly executable: string | undefined;
  readonly dataFolder: string;
  readonly logFile: string;
  /** Base URL of the upstream that outlives the gateway. */
  readonly upstreamUrl: string;
}

export interface GatewayChild {
  /** Resolves with the origin when it serves; rejects when it ends before, or takes too long. */
  readonly ready: Promise<string>;
  readonly startedMs: number;
  /** Sends SIGKILL in this very turn. */
  kill(): void;
  readonly exited: Promise<void>;
}

const alive = new Set<number>();

function killNow(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}

process.on('exit', () => {
  for (const pid of alive) killNow(pid);
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => process.exit(130));

const commandOf = (executable: string | undefined): readonly string[] =>
  executable === undefined ? [process.execPath, join(project, 'src/main.ts')] : [executable];

function environmentOf(launch: Launch): Record<string, string | undefined> {
  return {
    ...process.env,
    TOLLGATE_OPERATOR_KEY: operatorKey, OPENAI_API_KEY: 'sk-upstream', OPENAI_BASE_URL: launch.upstreamUrl,
  };
}

export function startGateway(launch: Launch): GatewayChild {
  mkdirSync(launch.dataFolder, { recursive: true });
  const log = openSync(launch.logFile, 'a');
  const startedMs = performance.now();
  const child = Bun.spawn([...commandOf(launch.executable), 'serve', '--port', '0', '--data', launch.dataFolder], {
    cwd: launch.dataFolder, env: environmentOf(launch), stdin: 'ignore', stdout: 'pipe', stderr: log,
  });
  closeSync(log);
  alive.add(child.pid);
  const exited = child.exited.then(() => void alive.delete(child.pid));
  const { promise: ready, resolve, reject } = Promise.withResolvers<string>();
  // Whoever kills it while it starts does not wait for it.
  ready.catch(() => undefined);
  const timer = setTimeout(() => {
    reject(new Error(`the gateway did not serve within ${START_PATIENCE_MS} ms`));
    killNow(child.pid);
  }, START_PATIENCE_MS);
  const listen = async (): Promise<void> => {
    let text = '';
    for await (const chunk of child.stdout) {
      text += Buffer.from(chunk).toString();
      const origin = /serves on (http:\/\/\S+)\n/.exec(text)?.[1];
      if (origin !== undefined) resolve(origin);
    }
    reject(new Error(`the gateway ended before it served: ${text}`));
  };
  void listen().catch(reject).finally(() => clearTimeout(timer));
  return { ready, startedMs, kill: () => killNow(child.pid), exited };
}

export interface Verified {
  readonly exitCode: number;
  readonly output: string;
}

export interface CommandChild {
  /** Sends SIGKILL in this very turn. */
  kill(): void;
  readonly ended: Promise<Verified>;
}

/** Another command of the same Tollgate, with the same environment. */
export function startCommand(launch: Launch, ...argv: readonly string[]): CommandChild {
  const child = Bun.spawn([...commandOf(launch.executable), ...argv], {
    cwd: dirname(launch.logFile), env: environmentOf(launch), stdin: 'ignore', stdout: 'pipe', stderr: 'pipe',
    timeout: COMMAND_PATIENCE_MS, killSignal: 'SIGKILL',
  });
  alive.add(child.pid);
  const wait = async (): Promise<Verified> => {
    const [output, errors] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
    const exitCode = await child.exited;
    alive.delete(child.pid);
    return { exitCode, output: `${output}${errors}` };
  };
  return { kill: () => killNow(child.pid), ended: wait() };
}

/** `tollgate verify` on the folder, whether or not a gateway holds it. */
export const runVerify = (launch: Launch): Promise<Verified> =>
  startCommand(launch, 'verify', '--data', launch.dataFolder).ended;
