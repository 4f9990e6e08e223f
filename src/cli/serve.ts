// `tollgate serve`: config, data folder, simulator, gateway, server, in this order; and down again in reverse.

import { mkdirSync } from 'node:fs';
import { resolve } from 'node:path';
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
import { peerOf, startServer, type RunningServer } from '../http/server.ts';
import type { GatewayConfig } from '../plugin/gateway.ts';
import { serveSettings, type ServeSettings } from './arguments.ts';
import { dataFolderFindings } from './data-folder-findings.ts';
import { refuseDebugger } from './debugger-off.ts';
import { firstStart, needsFirstStart, type FirstStart } from './first-start.ts';
import { listenForHangup } from './hangup.ts';
import { operatorKey, type OperatorKey } from './operator-key.ts';
import { forgetRunning, tellRunning } from './running-file.ts';
import { readConfig, usable } from './read-config.ts';
import { startSecured } from './serve-tls.ts';
import { createSimulatorPlace, type SimulatorPlace } from './simulator-place.ts';
import { version } from './version.ts';
import { createServeLog, openWatches, withMetricsKey } from './watching.ts';

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
  /** Reads the files of `--tls-cert` and `--tls-key` again. */
  reloadCertificates(): void;
  stop(): Promise<void>;
}

export async function serve(argv: readonly string[], context: CommandContext): Promise<Serving> {
  refuseDebugger(context.environment);
  const settings = serveSettings(argv, context.environment);
  const { simulatorFaults, recordings } = context.environment;
  const simulator = createSimulatorPlace({
    faults: simulatorFaults,
    ...(recordings === undefined ? {} : { recordings }),
  });
  try {
    const read = () => readConfig(settings, context, simulator.place);
    return await start(settings, { ...usable(await read()), read }, simulator, context);
  } catch (error) {
    simulator.close();
    throw error;
  }
}

async function start(
  settings: ServeSettings,
  { resolved, ...configFile }: ConfigFile & { readonly resolved: ResolvedConfig },
  simulator: SimulatorPlace,
  context: CommandContext,
): Promise<Serving> {
  const dataFolder = resolve(settings.dataFolder);
  mkdirSync(dataFolder, { recursive: true, mode: 0o700 });
  const redactor = createRedactor();
  const log = createServeLog(settings.watching, context.printError, redactor);
  const watching = await openWatches(settings.watching, { log, redactor, version });
  for (const upstream of resolved.upstreams) if (upstream.secret !== undefined) redactor.register(upstream.secret);
  if (context.environment.masterKey !== undefined) redactor.register(context.environment.masterKey);
  for (const { path, message } of resolved.refusals) log.error('drop-in-refused', { path, message });
  for (const remark of resolved.remarks) log.info('config', { path: remark.path, message: remark.message });
  for (const { path, message } of dataFolderFindings(dataFolder)) log.warn('data-folder', { path, message });
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
    operatorKeys: withMetricsKey(settings.watching, { find: (sha256) => operator?.keys.find(sha256) }),
    ...watching,
    connections: {
      mayBeQuiet: (request) => server?.mayBeQuiet(request),
      replyEnds: (request) => server?.replyEnds(request),
    },
    ...context.surroundings,
  });
  try {
    forgetRunning(dataFolder);
    operator = operatorKey(dataFolder, context.environment.operatorKey);
    redactor.register(operator.key);
    const unfinished = needsFirstStart(gateway.accounts.accountsFound, dataFolder);
    const first = unfinished ? await firstStart(gateway, dataFolder) : undefined;
    const { host, port, hostNames, tls } = settings;
    const listening = { host, port, hostNames, faces: gateway.faces };
    const surroundings = { settings, dataFolder, log, redactor };
    const secured = tls === undefined ? undefined : await startSecured(listening, tls, surroundings);
    const running = secured ?? startServer(listening);
    server = running;
    const endRunning = tellRunning(dataFolder, secured?.localUrl ?? running.url, systemClock.now());
    return {
      server: running,
      reloadCertificates: () => secured?.reloadCertificates(),
      gateway,
      operator,
      log,
      firstStart: first,
      async stop() {
        endRunning();
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

/** Serves until a signal. A second signal does not wait for what still runs. */
export async function serveCommand(argv: readonly string[], context: CommandContext): Promise<number> {
  // The database's own library makes files that all may read, also in a folder that an operator left open.
  process.umask(0o077);
  const hangup = listenForHangup(createLog(systemClock, context.printError, (text) => text));
  const serving = await serve(argv, context);
  hangup.serving([
    { name: 'config', reload: () => serving.gateway.config.reload('signal') },
    { name: 'certificates', reload: async () => serving.reloadCertificates() },
  ]);
  // A promise that a plugin left behind must not end the process, as the runtime would have it.
  process.on('unhandledRejection', (reason) => serving.log.error('defect', { detail: String(reason) }));
  context.print(greeting(serving));
  serving.firstStart?.printed();
  const { promise, resolve: stopped } = Promise.withResolvers<number>();
  let asked = false;
  const onSignal = () => {
    if (asked) {
      stopped(1);
      return;
    }
    asked = true;
    hangup.ending();
    serving.stop().then(
      () => stopped(0),
      (error: unknown) => {
        context.printError(`${error instanceof Error ? error.message : String(error)}\n`);
        stopped(1);
      },
    );
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  return promise;
}
