// What a running process does when it is asked for an upgrade: hands over to the executable that the request names, or
// to the one at its own path, and writes down what came of it.

import { resolve } from 'node:path';
import { systemClock } from '../../core/clock.ts';
import type { Environment } from '../../environment.ts';
import { tellRunning } from '../running-file.ts';
import type { Serving } from '../serve.ts';
import { BooksLostError, HandoverError } from './handover-error.ts';
import { handOver, type HandedOver } from './predecessor.ts';
import { takeRequest, writeResult } from './request-file.ts';
import { notifyService } from './service-notify.ts';

/** Where the modules of an executable seem to lie. */
const INSIDE_EXECUTABLE = '/$bunfs/';

/** Undefined: this process goes on serving; why stands in the log and in the result. Throws when it cannot go on. */
export async function upgradeOnRequest(
  serving: Serving,
  argv: readonly string[],
  environment: Environment,
): Promise<HandedOver | undefined> {
  const { dataFolder, gateway, traffic, log, server, succession, localUrl } = serving;
  const request = takeRequest(dataFolder);
  const id = request?.id ?? '';
  try {
    if (process.pid === 1) throw new HandoverError('the first process of a container cannot go; replace the container');
    while (succession?.portShared === true) await Bun.sleep(50);
    const command = commandOf(request?.executable, argv);
    const ports = { port: server.port, besides: serving.portBeside };
    const surroundings = { ...ports, traffic, log, environment: environment.all() };
    const handed = await handOver({ gateway, command, ...surroundings });
    const { pid, version, pauseMs } = handed;
    serving.retire();
    await notifyService(environment.notifySocket, `MAINPID=${pid}`, 'READY=1', `STATUS=Version ${version}`);
    log.info('upgrade', { version, process: pid, pauseMs });
    if (request !== undefined) writeResult(dataFolder, { id, ok: true, pid, version, pauseMs });
    return handed;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    // The successor may have got as far as to take our address away.
    if (!(error instanceof BooksLostError)) tellRunning(dataFolder, localUrl, systemClock.now());
    log.error('upgrade', { message: `not upgraded, still serving: ${message}` });
    if (request !== undefined) writeResult(dataFolder, { id, ok: false, message });
    if (error instanceof BooksLostError) throw error;
    return undefined;
  }
}

const commandOf = (executable: string | undefined, argv: readonly string[]): readonly string[] => {
  const program = resolve(executable ?? process.execPath);
  const script = executable === undefined && !Bun.main.startsWith(INSIDE_EXECUTABLE) ? [Bun.main] : [];
  return [program, ...script, 'serve', ...argv];
};
