// How a gateway is watched, as the command line and the environment say: the log and the collector.

import { createLog, logLevels, type Log, type LogLevel } from '../core/log.ts';
import { systemClock } from '../core/clock.ts';
import { systemRandomBytes, type Redactor } from '../core/secrets.ts';
import { inputTokensOf, outputTokensOf } from '../domain/measures/lanes.ts';
import type { Environment, OpenTelemetryVariables } from '../environment.ts';
import { createRequestLog } from '../pipeline/request-log.ts';
import type { RequestWatch } from '../pipeline/services.ts';
import type { Telemetry } from '../telemetry/open-telemetry.ts';
import { UsageError } from './usage-error.ts';

export interface WatchingSettings {
  readonly logLevel: LogLevel;
  readonly logRequests: boolean;
  readonly otlpEndpoint: string | undefined;
  readonly passTraceOn: boolean;
  readonly openTelemetry: OpenTelemetryVariables;
}

export const watchingFlags = {
  'log-level': { type: 'string' },
  'log-requests': { type: 'boolean' },
  otlp: { type: 'string' },
  'pass-trace-on': { type: 'boolean' },
} as const;

export const watchingFlagsHelp = `  --log-level LEVEL    what is logged at least: info, warn, error (TOLLGATE_LOG_LEVEL, info)
  --log-requests       one line in the log for each request (TOLLGATE_LOG_REQUESTS=1)
  --otlp URL           an OpenTelemetry collector for traces and metrics (OTEL_EXPORTER_OTLP_ENDPOINT)
  --pass-trace-on      tell upstreams of the trace, by traceparent (TOLLGATE_PASS_TRACE_ON=1)`;

interface Values {
  readonly 'log-level'?: string;
  readonly 'log-requests'?: boolean;
  readonly otlp?: string;
  readonly 'pass-trace-on'?: boolean;
}

export function watchingSettings(values: Values, environment: Environment): WatchingSettings {
  return {
    logLevel: levelOf(values['log-level'] ?? environment.logLevel),
    logRequests: values['log-requests'] ?? environment.logRequests,
    otlpEndpoint: values.otlp,
    passTraceOn: values['pass-trace-on'] ?? environment.passTraceOn,
    openTelemetry: environment.openTelemetry,
  };
}

function levelOf(text: string | undefined): LogLevel {
  if (text === undefined) return 'info';
  const level = logLevels.find((one) => one === text);
  if (level !== undefined) return level;
  throw new UsageError(`--log-level: '${text}' is no level; choose one of ${logLevels.join(', ')}`);
}

export const createServeLog = (
  { logLevel }: WatchingSettings,
  print: (line: string) => void,
  redactor: Redactor,
): Log => createLog(systemClock, print, redactor.redact, logLevel);

/** What is loaded only where it was asked for. Their secrets are kept out of the log from here on. */
export async function openWatches(
  settings: WatchingSettings,
  { log, redactor, version }: { readonly log: Log; readonly redactor: Redactor; readonly version: string },
): Promise<{ readonly telemetry: Telemetry | undefined; readonly watches: readonly RequestWatch[] }> {
  const watches: RequestWatch[] = [];
  if (settings.logRequests) watches.push(createRequestLog(log));
  const { endpoint, tracesEndpoint, metricsEndpoint } = settings.openTelemetry;
  const asked = [settings.otlpEndpoint, endpoint, tracesEndpoint, metricsEndpoint].some((one) => one !== undefined);
  return { watches, telemetry: asked ? await loadTelemetry(settings, log, redactor, version) : undefined };
}

/** Why a start would refuse what is said of telemetry; undefined where it would not. No secret is in it. */
export async function telemetryProblem(settings: WatchingSettings): Promise<string | undefined> {
  const { otlpSettings, OtlpSettingsError } = await import('../telemetry/otlp-settings.ts');
  try {
    otlpSettings(settings.openTelemetry, { endpoint: settings.otlpEndpoint, passOn: settings.passTraceOn });
    return undefined;
  } catch (error) {
    if (error instanceof OtlpSettingsError) return error.message;
    throw error;
  }
}

async function loadTelemetry(
  { openTelemetry: variables, otlpEndpoint, passTraceOn }: WatchingSettings,
  log: Log,
  redactor: Redactor,
  version: string,
): Promise<Telemetry | undefined> {
  const { openTelemetry } = await import('../telemetry/open-telemetry.ts');
  try {
    return openTelemetry({
      variables,
      endpoint: otlpEndpoint,
      passOn: passTraceOn,
      version,
      clock: systemClock,
      randomBytes: systemRandomBytes,
      tokens: { input: inputTokensOf, output: outputTokensOf },
      guardSecret: (secret) => void redactor.register(secret),
      warn: (message) => log.warn('telemetry', { message }),
    });
  } catch (error) {
    const spoken = error instanceof Error && error.name === 'OtlpSettingsError';
    throw spoken ? new UsageError(error.message) : error;
  }
}
