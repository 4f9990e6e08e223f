// `tollgate upgrade`: another executable takes over from the running process, without a call that fails. Going back is
// the same with the old executable.

import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { DataFolderInUseError, lockDataFolder } from '../store/data-folder-lock.ts';
import { UsageError } from './arguments.ts';
import { readResult, withdrawRequest, writeRequest } from './handover/request-file.ts';
import { findRunning, isAlive } from './running-file.ts';
import type { CommandContext } from './serve.ts';

const options = { data: { type: 'string' }, to: { type: 'string' } } as const;
/** More than all deadlines of a handover together. */
const RESULT_MAX_MS = 180_000;
const POLL_MS = 50;

export async function upgradeCommand(argv: readonly string[], context: CommandContext): Promise<number> {
  const values = parsed(argv);
  const dataFolder = resolve(values.data ?? context.environment.data ?? './data');
  const executable = resolve(values.to ?? process.execPath);
  refuseUnusable(executable);
  const pid = runningProcess(dataFolder);
  const id = crypto.randomUUID();
  writeRequest(dataFolder, { id, executable });
  try {
    return await outcome({ dataFolder, pid, id }, context);
  } finally {
    withdrawRequest(dataFolder, id);
  }
}

interface Asked {
  readonly dataFolder: string;
  readonly pid: number;
  readonly id: string;
}

async function outcome({ dataFolder, pid, id }: Asked, context: CommandContext): Promise<number> {
  try {
    process.kill(pid, 'SIGUSR2');
  } catch {
    throw new UsageError(`process ${pid}, which holds ${dataFolder}, cannot be told: it is gone, or another user's`);
  }
  const untilMs = performance.now() + RESULT_MAX_MS;
  for (;;) {
    const result = readResult(dataFolder, id);
    if (result?.ok === true) {
      context.print(`Version ${result.version} serves as process ${result.pid}; calls waited ${result.pauseMs} ms.\n`);
      return 0;
    }
    if (result !== undefined) {
      context.printError(`tollgate: not upgraded, process ${pid} goes on serving: ${result.message}\n`);
      return 1;
    }
    if (performance.now() > untilMs || !isAlive(pid)) {
      context.printError(`tollgate: process ${pid} did not say what became of the upgrade; look at its log\n`);
      return 1;
    }
    await Bun.sleep(POLL_MS);
  }
}

function parsed(argv: readonly string[]) {
  try {
    return parseArgs({ args: [...argv], strict: true, options }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function refuseUnusable(executable: string): void {
  if (!existsSync(executable) || !statSync(executable).isFile())
    throw new UsageError(`--to: there is no file ${executable}`);
  try {
    accessSync(executable, constants.X_OK);
  } catch {
    throw new UsageError(`--to: ${executable} is not executable; chmod 755 it`);
  }
}

/**
 * The process that serves from the data folder, by what stands there and by the lock that it holds. The signal would
 * end any other one: a backup or a restore that has the folder, or whoever has the number of a gateway that was killed.
 */
export function runningProcess(dataFolder: string): number {
  const running = findRunning(dataFolder);
  if (running === undefined || running.pid <= 1 || !isAlive(running.pid))
    throw new UsageError(`--data: nothing serves from ${dataFolder}; start it with 'serve'`);
  if (isFree(dataFolder))
    throw new UsageError(`--data: nothing serves from ${dataFolder} any more; start it with 'serve'`);
  return running.pid;
}

function isFree(dataFolder: string): boolean {
  try {
    lockDataFolder(dataFolder).release();
    return true;
  } catch (error) {
    if (error instanceof DataFolderInUseError) return false;
    throw error;
  }
}
