// The folders and processes of a build. Whatever ends it (success, a failure, a signal), the processes end and the
// folders go; only SIGKILL leaves them behind.

import { mkdtempSync, rmSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';

export interface Work {
  /** A new folder that only its owner can enter. */
  folder(parent: string, prefix: string): string;
  /** Runs a program to its end, with nothing on its standard input. */
  run(command: readonly string[], options: RunOptions): Promise<Ran>;
}

export interface RunOptions {
  readonly folder: string;
  readonly environment: Readonly<Record<string, string>>;
  /** Milliseconds after which it is killed. */
  readonly timeoutMs?: number;
}

export interface Ran {
  /** Undefined if a signal ended it. */
  readonly exitCode: number | undefined;
  readonly output: string;
  readonly errors: string;
}

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export async function withWork<T>(does: (work: Work) => Promise<T>): Promise<T> {
  const folders: string[] = [];
  const children = new Set<Bun.Subprocess>();
  const clear = () => {
    for (const child of children) child.kill('SIGKILL');
    for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  };
  const interrupt = (signal: (typeof signals)[number]) => {
    clear();
    process.exit(128 + constants.signals[signal]);
  };
  for (const signal of signals) process.on(signal, interrupt);
  try {
    return await does({
      folder(parent, prefix) {
        const folder = mkdtempSync(join(parent, prefix));
        folders.push(folder);
        return folder;
      },
      async run(command, { folder, environment, timeoutMs }) {
        const child = Bun.spawn([...command], {
          cwd: folder,
          env: environment,
          stdin: 'ignore',
          stdout: 'pipe',
          stderr: 'pipe',
          ...(timeoutMs === undefined ? {} : { timeout: timeoutMs, killSignal: 'SIGKILL' }),
        });
        children.add(child);
        const [output, errors] = await Promise.all([
          new Response(child.stdout).text(),
          new Response(child.stderr).text(),
          child.exited,
        ]);
        children.delete(child);
        return { exitCode: child.exitCode ?? undefined, output, errors };
      },
    });
  } finally {
    for (const signal of signals) process.off(signal, interrupt);
    clear();
  }
}
