// `tollgate upgrade`: another executable takes over from the running process, without a call that fails. Going back is
// the same with the old executable.

import { accessSync, constants, existsSync, readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { UsageError } from './arguments.ts';
import { readResult, writeRequest } from './handover/request-file.ts';
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

/** The process that holds the data folder, by what stands beside its lock. */
export function runningProcess(dataFolder: string): number {
  let text: string;
  try {
    text = readFileSync(join(dataFolder, 'lock.owner'), 'utf8').trim();
  } catch {
    throw new UsageError(`--data: nothing serves from ${dataFolder}`);
  }
  const pid = /^\d{1,10}$/.test(text) ? Number(text) : 0;
  if (pid <= 1 || !isAlive(pid)) throw new UsageError(`--data: nothing serves from ${dataFolder}; start it with 'serve'`);
  return pid;
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}
