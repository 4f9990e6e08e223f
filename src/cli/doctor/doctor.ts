// `tollgate doctor`: finds the usual mistakes before they are made in earnest. It changes nothing, asks nobody outside
// this machine unless told to, and prints no secret. Exit code 1 if something is wrong.

import { resolve } from 'node:path';
import type { ResolvedConfig } from '../../config/resolve.ts';
import type { GatewayConfig } from '../../plugin/gateway.ts';
import { serveSettings } from '../arguments.ts';
import { readConfig } from '../read-config.ts';
import { findRunning } from '../running-file.ts';
import type { CommandContext } from '../serve.ts';
import { UsageError } from '../usage-error.ts';
import { takenFrom } from '../service/serve-words.ts';
import { placeNowhere } from '../simulator-place.ts';
import { telemetryProblem } from '../watching.ts';
import { certificateFindings } from './certificates.ts';
import { diskFindings } from './disk.ts';
import { findingsText, type Finding } from './finding.ts';
import { addressFindings, portFindings, systemProbe } from './listening.ts';
import { machineFindings, systemMachine } from './machine.ts';
import { isHealthy, runningFindings, upstreamFindings } from './reach.ts';
import { configFindings, environmentFindings, telemetryFindings } from './settings.ts';

const STREAMS_DEFAULT = 1_000;

export async function doctorCommand(argv: readonly string[], context: CommandContext): Promise<number> {
  const { taken, rest } = takenFrom(argv, ['--network', '--health'], ['--streams']);
  const settings = serveSettings(rest, context.environment);
  const dataFolder = resolve(settings.dataFolder);
  if (taken.has('--health')) return (await isHealthy(dataFolder)) ? 0 : 1;
  const streams = streamsOf(taken.get('--streams'));
  const result = await readConfig(settings, context, placeNowhere);
  const running = findRunning(dataFolder);
  const resolved = result.ok ? result.resolved : undefined;
  const executable = Bun.main.startsWith('/$bunfs/') ? process.execPath : undefined;
  const findings: Finding[] = [
    ...diskFindings(dataFolder),
    ...portFindings(settings, running?.pid),
    ...(settings.tls?.httpPort === undefined
      ? []
      : portFindings({ host: settings.host, port: settings.tls.httpPort }, running?.pid, systemProbe, '--http-port')),
    ...addressFindings(settings, settings.tls !== undefined, resolved?.config.proxy?.trusted ?? []),
    ...(settings.tls?.kind === 'files' ? certificateFindings(settings.tls, settings.hostNames, Date.now()) : []),
    ...(await machineFindings(systemMachine(executable), streams)),
    ...configFindings(result),
    ...environmentFindings(context.environment, namedBy(context.builtIn, resolved)),
    ...telemetryFindings(await telemetryProblem(settings.watching)),
    ...(await runningFindings(running)),
    ...(taken.has('--network') && resolved !== undefined ? await upstreamFindings(resolved) : []),
  ];
  context.print(findingsText(findings));
  return findings.some(({ level }) => level === 'wrong') ? 1 : 0;
}

/** Variables that the config reads, where it can be read. */
const namedBy = (builtIn: GatewayConfig, resolved: ResolvedConfig | undefined): ReadonlySet<string> =>
  new Set(
    [...builtIn.upstreams, ...(resolved?.config.upstreams ?? [])].flatMap(({ credential, baseUrl }) => [
      ...(credential === undefined ? [] : [credential.fromEnvironment]),
      ...(typeof baseUrl === 'object' ? [baseUrl.fromEnvironment] : []),
    ]),
  );

function streamsOf(text: string | undefined): number {
  if (text === undefined) return STREAMS_DEFAULT;
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new UsageError(`--streams: '${text}' is not a count of streams`);
  return Number(text);
}
