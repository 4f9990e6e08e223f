// Where the gateway that serves a data folder can be reached from this machine: `running.json`, there from when it
// listens until it is told to stop. It counts only if it names the process that holds the folder's lock.

import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface RunningGateway {
  readonly pid: number;
  /** Origin without a trailing slash. */
  readonly url: string;
  /** ISO 8601, in UTC. */
  readonly startedAt: string;
}

const pathIn = (dataFolder: string): string => join(dataFolder, 'running.json');

/** Call it with the folder's lock held, before the server listens: a process that was killed may have left one. */
export const forgetRunning = (dataFolder: string): void => rmSync(pathIn(dataFolder), { force: true });

/** Call it once the server listens, with the folder's lock held. What it returns removes the file if it is ours. */
export function tellRunning(dataFolder: string, url: string, now: number): () => void {
  const path = pathIn(dataFolder);
  const draft = `${path}.new`;
  const running: RunningGateway = { pid: process.pid, url, startedAt: new Date(now).toISOString() };
  writeFileSync(draft, `${JSON.stringify(running)}\n`, { mode: 0o600 });
  renameSync(draft, path);
  return () => {
    if (runningIn(dataFolder)?.pid === process.pid) rmSync(path, { force: true });
  };
}

/** Undefined: the process that holds the lock is not serving, not yet or not any more. */
export function findRunning(dataFolder: string): RunningGateway | undefined {
  const running = runningIn(dataFolder);
  return running?.pid === ownerOf(dataFolder) ? running : undefined;
}

function ownerOf(dataFolder: string): number | undefined {
  try {
    return Number(readFileSync(join(dataFolder, 'lock.owner'), 'utf8'));
  } catch {
    return undefined;
  }
}

function runningIn(dataFolder: string): RunningGateway | undefined {
  try {
    const found: unknown = JSON.parse(readFileSync(pathIn(dataFolder), 'utf8'));
    if (typeof found !== 'object' || found === null) return undefined;
    const { pid, url, startedAt } = { pid: undefined, url: undefined, startedAt: undefined, ...found };
    if (typeof pid !== 'number' || typeof url !== 'string' || typeof startedAt !== 'string') return undefined;
    return /^https?:\/\/[^/?#@\s]+$/.test(url) ? { pid, url, startedAt } : undefined;
  } catch {
    return undefined;
  }
}

export function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}
