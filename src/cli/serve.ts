// `tollgate serve`: config, data folder, simulator, gateway, server, in this order; and down again in reverse.

import { mkdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { deadlines } from '../core/bounds.ts';
import { systemClock } from '../core/clock.ts';
import { createLog, type Log } from '../core/log.ts';
import { createRedactor } from '../core/secrets.ts';
import { formatNano } from '../core/money.ts';
import type { ConfigLinesTable } from '../config/config-lines.ts';
import type { ResolvedConfig } from '../config/resolve.ts';
import type { HostModules } from '../drop-ins/host-modules.ts';
import type { TrialLimits } from '../drop-ins/trial.ts';
import type { Environment } from '../environment.ts';
import { createGateway, type ConfigFile, type Gateway, type GatewaySettings } from '../gateway.ts';
import { answererOf, peerOf, startServer, type RunningServer } from '../http/server.ts';
import { createTraffic, type Traffic } from '../http/traffic.ts';
import type { GatewayConfig } from '../plugin/gateway.ts';
import { serveSettings, type ServeSettings } from './arguments.ts';
import { dataFolderFindings } from './data-folder-findings.ts';
import { refuseDebugger } from './debugger-off.ts';
import { firstStart, needsFirstStart, type FirstStart } from './first-start.ts';
import type { HandedOver } from './handover/predecessor.ts';
import type { Succession } from './handover/successor.ts';
import { listenForHangup } from './hangup.ts';
import { logWriter } from './log-writer.ts';
import { operatorKey, type OperatorKey } from './operator-key.ts';
import { forgetRunning, tellRunning } from './running-file.ts';
import { readConfig, usable } from './read-config.ts';
import { startSecured } from './serve-tls.ts';
import { createSimulatorPlace, type SimulatorPlace } from './simulator-place.ts';
import { version } from './version.ts';
import { createServeLog, openWatches } from './watching.ts';

export interface CommandContext {
  readonly environment: Environment;
  readonly builtIn: GatewayConfig;
  /** Places in the built-in config, where the build found them. */
  readonly builtInLines?: () => Promise<ConfigLinesTable>;
  readonly modules: HostModules;
  readonly print: (text: string) => void;
  readonly printError: (text: string) => void;
  /** How long a config file may take to be evaluated; for tests. */
  readonly configEvaluationMs?: number;
  /** For tests: other deadlines, a disk that is held back, trials that are given up sooner. */
  readonly trialLimits?: TrialLimits;
  readonly surroundings?: Partial<Pick<GatewaySettings, 'deadlines' | 'streamHoldTokens' | 'journalFiles'>>;
}

export interface Serving {
  readonly server: RunningServer;
  readonly gateway: Gateway;
  readonly firstStart: FirstStart | undefined;
  readonly operator: OperatorKey;
  readonly log: Log;
  readonly dataFolder: string;
  readonly traffic: Traffic;
  /** Of TLS: the plain port. */
  readonly portBeside: number | undefined;
  /** Origin by which commands on this machine reach it. */
  readonly localUrl: string;
  /** Present in a process that took over from another one. */
  readonly succession: Succession | undefined;
  /** Nothing is begun any more that another process now does: certificates are renewed there. */
  retire(): void;
  /** Reads the files of `--tls-cert` and `--tls-key` again. */
  reloadCertificates(): void;
  /** `relayed`: what else is to end before connections are closed, within so many milliseconds. */
  stop(relayed?: (withinMs: number) => Promise<void>): Promise<void>;
}

export async function serve(argv: readonly string[], context: CommandContext): Promise<Serving> {
  refuseDebugger(context.environment);
  const succession = context.environment.isSuccessor ? await successionOf(context) : undefined;
  try {
    return await serveAfter(succession, argv, context);
  } catch (error) {
    succession?.fails(error instanceof Error ? error.message : String(error));
    throw error;
  }
}

async function successionOf({ printError }: CommandContext): Promise<Succession> {
  const { succeed } = await import('./handover/successor.ts');
  return succeed(version, createLog(systemClock, printError, (text) => text));
}

async function serveAfter(
  succession: Succession | undefined,
  argv: readonly string[],
  context: CommandContext,
): Promise<Serving> {
  const settings = serveSettings(argv, context.environment);
  const { simulatorFaults, recordings } = context.environment;
  const simulator = createSimulatorPlace({
    faults: simulatorFaults,
    ...(recordings === undefined ? {} : { recordings }),
  });
  try {
    const read = () => readConfig(settings, context, simulator.place);
    return await start(succession, settings, { ...usable(await read()), read }, simulator, context);
  } catch (error) {
    simulator.close();
    throw error;
  }
}

async function start(
  succession: Succession | undefined,
  settings: ServeSettings,
  { resolved, ...configFile }: ConfigFile & { readonly resolved: ResolvedConfig },
  simulator: SimulatorPlace,
  context: CommandContext,
): Promise<Serving> {
  const dataFolder = resolve(settings.dataFolder);
  mkdirSync(dataFolder, { recursive: true, mode: 0o700 });
  const redactor = createRedactor();
  const log = createServeLog(settings.watching, await logWriter(settings, context), redactor);
  const watching = await openWatches(settings.watching, { log, redactor, version });
  for (const upstream of resolved.upstreams) if (upstream.secret !== undefined) redactor.register(upstream.secret);
  if (context.environment.masterKey !== undefined) redactor.register(context.environment.masterKey);
  for (const { path, message } of resolved.refusals) log.error('drop-in-refused', { path, message });
  for (const remark of resolved.remarks) log.info('config', { path: remark.path, message: remark.message });
  for (const { path, message } of dataFolderFindings(dataFolder)) log.warn('data-folder', { path, message });
  const adopted = await succession?.turn(dataFolder);
  const traffic = createTraffic();
  let server: RunningServer | undefined;
  const publicUrl = () => settings.publicUrl ?? server?.url ?? '';
  // The data folder's lock is taken by the gateway; the key file is touched only by its holder.
  let operator: OperatorKey | undefined;
  const gateway = await createGateway({
    resolved,
    configFile,
    dataFolder,
    version,
    publicUrl,
    log,
    peerOf,
    masterKey: context.environment.masterKey,
    guardSecret: (secret) => void redactor.register(secret),
    clock: systemClock,
    chance: Math.random,
    trustedProxies: settings.trustedProxies,
    operatorKeys: { find: (sha256) => operator?.keys.find(sha256) },
    ...watching,
    connections: {
      mayBeQuiet: (request) => server?.mayBeQuiet(request),
      replyEnds: (request) => server?.replyEnds(request),
    },
    ...(adopted === undefined ? {} : { adopted }),
    deadlines: { ...deadlines, drainMs: settings.drainSeconds * 1_000 },
    ...context.surroundings,
  });
  try {
    forgetRunning(dataFolder);
    operator = operatorKey(dataFolder, context.environment.operatorKey);
    redactor.register(operator.key);
    const unfinished = needsFirstStart(gateway.accounts.accountsFound, dataFolder);
    const first = unfinished ? await firstStart(gateway, dataFolder) : undefined;
    const { host, hostNames, tls } = settings;
    const port = succession?.port ?? settings.port;
    const listening = { host, port, portShared: succession !== undefined, hostNames, faces: gateway.faces, traffic };
    const surroundings = { settings, dataFolder, log, redactor };
    const secured = tls === undefined ? undefined : await startSecured(listening, tls, surroundings);
    const running = secured ?? startServer(listening);
    server = running;
    log.info('started', { version, process: process.pid, url: running.url });
    const localUrl = secured?.localUrl ?? running.url;
    const endRunning = tellRunning(dataFolder, localUrl, systemClock.now());
    succession?.serves(gateway.ledger, answererOf(listening));
    return {
      server: running,
      dataFolder,
      localUrl,
      portBeside: secured?.httpPort,
      traffic,
      succession,
      retire: () => secured?.retire(),
      reloadCertificates: () => secured?.reloadCertificates(),
      gateway,
      operator,
      log,
      firstStart: first,
      async stop(relayed) {
        endRunning();
        // Listening goes on: who comes now hears that we stop, and on a connection that then ends.
        traffic.lastReplies(true);
        log.info('stopping', { running: gateway.running.count });
        const drainMs = settings.drainSeconds * 1_000;
        await Promise.all([gateway.running.drain(), succession?.predecessorEnds(drainMs), relayed?.(drainMs)]);
        const stopped = running.stop();
        await gateway.close();
        running.kill();
        await stopped;
        simulator.close();
      },
    };
  } catch (error) {
    await gateway.close();
    throw error;
  }
}

/** What a person sees. Secrets only at the first start, and never again. */
export function greeting({ server, firstStart: first, operator }: Serving): string {
  const lines = [
    `Tollgate ${version} serves on ${server.url}`,
    `  API         ${server.url}/v1`,
    `  Admin docs  ${server.url}/admin/docs`,
    `  Terms       ${server.url}/terms`,
  ];
  if (operator.isNew) lines.push('', `Operator key (shown once, kept in ${operator.file ?? ''}):`, `  ${operator.key}`);
  // An earlier start made it and was cut off before it said so.
  else if (first !== undefined && operator.file !== undefined) lines.push('', `Operator key: in ${operator.file}`);
  if (first !== undefined) {
    lines.push(
      '',
      `First API key (shown once, its account has ${formatNano(first.amountNano, first.currency)}):`,
      `  ${first.apiKey}`,
      '',
      'Try it:',
      `  curl ${server.url}/v1/chat/completions -H 'Authorization: Bearer ${first.apiKey}' -H 'content-type: application/json' \\`,
      `    -d '{"model":"sim/echo","messages":[{"role":"user","content":"Hello"}]}'`,
    );
  }
  return `${lines.join('\n')}\n`;
}

/** Serves until a signal, or until another process has taken over. A second signal waits for nothing that runs. */
export async function serveCommand(argv: readonly string[], context: CommandContext): Promise<number> {
  const { environment, printError } = context;
  // The database's own library makes files that all may read, also in a folder that an operator left open.
  process.umask(0o077);
  const hangup = listenForHangup(createLog(systemClock, context.printError, (text) => text));
  // Nobody who listens for it is there yet: it would end the process, and a second upgrade may send it early.
  let upgradeAsked = false;
  let askUpgrade = () => void (upgradeAsked = true);
  process.on('SIGUSR2', () => askUpgrade());
  const serving = await serve(argv, context);
  const reloadables = [
    { name: 'config', reload: () => serving.gateway.config.reload('signal') },
    { name: 'certificates', reload: async () => serving.reloadCertificates() },
  ];
  hangup.serving(reloadables, serving.log);
  // A promise that a plugin left behind must not end the process, as the runtime would have it.
  process.on('unhandledRejection', (reason) => serving.log.error('defect', { detail: String(reason) }));
  if (serving.succession === undefined) context.print(greeting(serving));
  serving.firstStart?.printed();
  if (environment.notifySocket !== undefined) await tellService('READY=1', environment);
  const { promise, resolve: stopped } = Promise.withResolvers<number>();
  const failed = (error: unknown) => {
    printError(`${error instanceof Error ? error.message : String(error)}\n`);
    stopped(1);
  };
  let asked = false;
  let handed: HandedOver | undefined;
  const stop = () => {
    if (asked) return stopped(1);
    asked = true;
    hangup.ending();
    serving.stop(handed?.relayed).then(() => stopped(0), failed);
  };
  let upgrading = false;
  const upgrade = async () => {
    const { refuseSecond, upgradeOnRequest } = await import('./handover/upgrade-on-request.ts');
    if (upgrading) return refuseSecond(serving);
    upgrading = true;
    hangup.handingOver();
    handed = await upgradeOnRequest(serving, argv, environment);
    if (handed === undefined) {
      if (!asked) hangup.serving(reloadables, serving.log);
      return void (upgrading = false);
    }
    hangup.handedOver(handed.pid);
    await handed.ended;
    if (!asked) stop();
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  askUpgrade = () => void upgrade().catch(failed);
  if (upgradeAsked) askUpgrade();
  return promise;
}

async function tellService(state: string, { notifySocket }: Environment): Promise<void> {
  const { notifyService } = await import('./handover/service-notify.ts');
  await notifyService(notifySocket, state);
}
