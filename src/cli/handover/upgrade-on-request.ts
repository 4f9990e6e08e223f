// What a running process does when it is asked for an upgrade: hands over to the executable that the request names, or
// to the one at its own path, and writes down what came of it.

import { resolve } from 'node:path';
import { systemClock } from '../../core/clock.ts';
import type { Log } from '../../core/log.ts';
import type { Environment } from '../../environment.ts';
import { tellRunning } from '../running-file.ts';
import type { Serving } from '../serve.ts';
import { BooksLostError, HandoverError } from './handover-error.ts';
import { handOver, type HandedOver } from './predecessor.ts';
import { takeRequest, writeResult, type UpgradeResult } from './request-file.ts';
import { notifyService } from './service-notify.ts';
import type { Succession } from './successor.ts';

/** Where the modules of an executable seem to lie. */
const INSIDE_EXECUTABLE = '/$bunfs/';

/** Connections that began before it listened are its predecessor's for some seconds; that one may hang, too. */
const PORT_SHARED_MAX_MS = 15_000;

/** Undefined: this process goes on serving; why stands in the log and in the result. Throws when it cannot go on. */
export async function upgradeOnRequest(
  serving: Serving,
  argv: readonly string[],
  environment: Environment,
): Promise<HandedOver | undefined> {
  const { dataFolder, gateway, traffic, log, server, succession, localUrl } = serving;
  const attempt = attempts(log);
  const request = attempt(() => takeRequest(dataFolder));
  const id = request?.id ?? '';
  const tell = (result: UpgradeResult) => void attempt(() => request && writeResult(dataFolder, result));
  let handed: HandedOver;
  try {
    if (process.pid === 1) throw new HandoverError('the first process of a container cannot go; replace the container');
    await portAlone(succession);
    const command = commandOf(request?.executable, argv);
    const ports = { port: server.port, besides: serving.portBeside };
    const predecessorHere = () => succession?.predecessorHere ?? false;
    const surroundings = { ...ports, traffic, log, environment: environment.all(), predecessorHere };
    handed = await handOver({ gateway, command, ...surroundings });
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const lost = error instanceof BooksLostError;
    // The successor may have got as far as to take our address away.
    if (!lost) attempt(() => tellRunning(dataFolder, localUrl, systemClock.now()));
    log.error('upgrade', { message: lost ? message : `not upgraded, still serving: ${message}` });
    tell({ id, ok: false, message });
    if (lost) throw error;
    return undefined;
  }
  // From here on another process serves: nothing may make this one believe that it still does, or end it early.
  const { pid, version, pauseMs } = handed;
  attempt(() => serving.retire());
  log.info('upgrade', { version, process: pid, pauseMs });
  await notifyService(environment.notifySocket, `MAINPID=${pid}`, 'READY=1', `STATUS=Version ${version}`).catch(
    (error: unknown) => log.warn('upgrade', { message: `the service manager was not told: ${String(error)}` }),
  );
  tell({ id, ok: true, pid, version, pauseMs });
  return handed;
}

/** A second one while the first is on its way hears that, and is not kept for later. */
export function refuseSecond({ dataFolder, log }: Serving): void {
  const attempt = attempts(log);
  const request = attempt(() => takeRequest(dataFolder));
  if (request === undefined) return;
  const result = { id: request.id, ok: false, message: 'another upgrade is on its way; try again when it is over' } as const;
  attempt(() => writeResult(dataFolder, result));
}

/** A full disk must not keep a word about an upgrade from being said, and take the gateway with it. */
const attempts = (log: Log) => <T>(does: () => T): T | undefined => {
  try {
    return does();
  } catch (error) {
    log.warn('upgrade', { message: String(error) });
    return undefined;
  }
};

async function portAlone(succession: Succession | undefined): Promise<void> {
  const untilMs = performance.now() + PORT_SHARED_MAX_MS;
  while (succession?.portShared === true) {
    if (performance.now() > untilMs)
      throw new HandoverError('the process before this one still listens on the port; end it, or try again');
    await Bun.sleep(50);
  }
}

const commandOf = (executable: string | undefined, argv: readonly string[]): readonly string[] => {
  const program = resolve(executable ?? process.execPath);
  const script = executable === undefined && !Bun.main.startsWith(INSIDE_EXECUTABLE) ? [Bun.main] : [];
  return [program, ...script, 'serve', ...argv];
};
