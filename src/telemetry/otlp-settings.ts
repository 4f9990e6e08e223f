// Where telemetry goes, out of the variables that OpenTelemetry has for it and one flag. What cannot be done as asked
// is an error: an operator who sees no traces would look for them at the collector.

import type { OpenTelemetryVariables } from '../environment.ts';
import { samplerNames, type SamplerName } from './trace-context.ts';
import type { Destination } from './otlp-sender.ts';

export interface OtlpSettings {
  readonly traces: Destination | undefined;
  readonly metrics: Destination | undefined;
  readonly serviceName: string;
  readonly resource: Readonly<Record<string, string>>;
  readonly sampler: SamplerName;
  readonly samplerRatio: number;
  readonly spanDelayMs: number;
  readonly metricsEveryMs: number;
  /** Upstreams are told of the trace, too. */
  readonly passOn: boolean;
}

/** Written for the person at the terminal. */
export class OtlpSettingsError extends Error {
  override readonly name = 'OtlpSettingsError';
}

/** Undefined: nobody asked for telemetry. `endpoint` is that of the flag, which wins over the variable. */
export function otlpSettings(
  variables: OpenTelemetryVariables,
  flags: { readonly endpoint: string | undefined; readonly passOn: boolean },
): OtlpSettings | undefined {
  if (variables.disabled?.toLowerCase() === 'true') return undefined;
  const base = flags.endpoint ?? variables.endpoint;
  const tracesUrl = variables.tracesExporter === 'none' ? undefined : urlOf(variables.tracesEndpoint, base, 'traces');
  const metricsUrl =
    variables.metricsExporter === 'none' ? undefined : urlOf(variables.metricsEndpoint, base, 'metrics');
  if (tracesUrl === undefined && metricsUrl === undefined) return undefined;
  refuseWhatIsNotSpoken(variables);
  const timeoutMs = wholeOf('OTEL_EXPORTER_OTLP_TIMEOUT', variables.timeoutMs, 10_000, 1, 60_000);
  const shared = pairsOf('OTEL_EXPORTER_OTLP_HEADERS', variables.headers);
  const destination = (url: string | undefined, name: string, own: string | undefined): Destination | undefined =>
    url === undefined ? undefined : { url, headers: headersOf(name, shared, pairsOf(name, own)), timeoutMs };
  const resource = pairsOf('OTEL_RESOURCE_ATTRIBUTES', variables.resourceAttributes);
  return {
    traces: destination(tracesUrl, 'OTEL_EXPORTER_OTLP_TRACES_HEADERS', variables.tracesHeaders),
    metrics: destination(metricsUrl, 'OTEL_EXPORTER_OTLP_METRICS_HEADERS', variables.metricsHeaders),
    serviceName: variables.serviceName ?? resource['service.name'] ?? 'tollgate',
    resource,
    sampler: samplerOf(variables.sampler),
    samplerRatio: ratioOf(variables.samplerArgument),
    spanDelayMs: wholeOf('OTEL_BSP_SCHEDULE_DELAY', variables.spanDelayMs, 1_000, 10, 60_000),
    metricsEveryMs: wholeOf('OTEL_METRIC_EXPORT_INTERVAL', variables.metricsEveryMs, 60_000, 1_000, 3_600_000),
    passOn: flags.passOn,
  };
}

/** Secrets among the settings, for the redactor. */
export const secretsOf = ({ traces, metrics }: OtlpSettings): readonly string[] => [
  ...new Set([traces, metrics].flatMap((one) => Object.values(one?.headers ?? {}))),
];

function urlOf(own: string | undefined, base: string | undefined, signal: 'traces' | 'metrics'): string | undefined {
  const text = own ?? base;
  if (text === undefined) return undefined;
  const name = own === undefined ? '--otlp' : `OTEL_EXPORTER_OTLP_${signal.toUpperCase()}_ENDPOINT`;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw new OtlpSettingsError(`${name}: give the http or https address of a collector, as http://127.0.0.1:4318`);
  }
  if (url.username !== '' || url.password !== '') {
    throw new OtlpSettingsError(`${name}: leave credentials out of the address; OTEL_EXPORTER_OTLP_HEADERS takes them`);
  }
  if (own === undefined) url.pathname = `${url.pathname.replace(/\/+$/, '')}/v1/${signal}`;
  return url.href;
}

function refuseWhatIsNotSpoken(variables: OpenTelemetryVariables): void {
  const { protocol, compression, tracesExporter, metricsExporter } = variables;
  if (protocol !== undefined && protocol !== 'http/protobuf') {
    throw new OtlpSettingsError(
      'OTEL_EXPORTER_OTLP_PROTOCOL: only http/protobuf is spoken; set it so, with the port for HTTP (usually 4318)',
    );
  }
  if (compression !== undefined && compression !== 'none') {
    throw new OtlpSettingsError('OTEL_EXPORTER_OTLP_COMPRESSION: only none is spoken; set it so');
  }
  const exporters = [
    ['OTEL_TRACES_EXPORTER', tracesExporter],
    ['OTEL_METRICS_EXPORTER', metricsExporter],
  ] as const;
  for (const [name, exporter] of exporters) {
    if (exporter === undefined || exporter === 'otlp' || exporter === 'none') continue;
    throw new OtlpSettingsError(`${name}: only otlp and none are known; set it to one of them`);
  }
}

/** `key=value,key=value`, percent-encoded where need be. */
function pairsOf(name: string, text: string | undefined): Record<string, string> {
  const pairs: Record<string, string> = {};
  for (const item of (text ?? '').split(',')) {
    if (item.trim() === '') continue;
    const at = item.indexOf('=');
    const key = item.slice(0, Math.max(0, at)).trim();
    if (key === '') throw new OtlpSettingsError(`${name}: write key=value, with commas in between`);
    pairs[decoded(name, key)] = decoded(name, item.slice(at + 1).trim());
  }
  return pairs;
}

function decoded(name: string, text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new OtlpSettingsError(`${name}: a percent sign must begin an escape; write %25 for the sign itself`);
  }
}

/** A signal's own header stands instead of the shared one, however both are written. */
function headersOf(name: string, ...lists: readonly Readonly<Record<string, string>>[]): Record<string, string> {
  const pairs: Record<string, string> = {};
  for (const [key, value] of lists.flatMap((list) => Object.entries(list))) {
    if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(key) || !/^[\t\x20-\x7e]*$/.test(value)) {
      throw new OtlpSettingsError(`${name}: ${JSON.stringify(key)} cannot be sent as a header`);
    }
    pairs[key.toLowerCase()] = value;
  }
  return pairs;
}

function samplerOf(text: string | undefined): SamplerName {
  if (text === undefined) return 'parentbased_always_on';
  const known = samplerNames.find((name) => name === text);
  if (known !== undefined) return known;
  throw new OtlpSettingsError(`OTEL_TRACES_SAMPLER: choose one of ${samplerNames.join(', ')}`);
}

function ratioOf(text: string | undefined): number {
  if (text === undefined) return 1;
  const ratio = Number(text);
  if (/^\d*\.?\d+$/.test(text) && ratio <= 1) return ratio;
  throw new OtlpSettingsError('OTEL_TRACES_SAMPLER_ARG: give a number from 0 to 1');
}

function wholeOf(name: string, text: string | undefined, usual: number, least: number, most: number): number {
  if (text === undefined) return usual;
  const value = Number(text);
  if (/^\d{1,9}$/.test(text) && value >= least && value <= most) return value;
  throw new OtlpSettingsError(`${name}: give milliseconds from ${least} to ${most}`);
}
