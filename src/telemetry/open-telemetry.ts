// Traces and metrics for a collector, by OTLP over HTTP. Loaded only where an operator names one. A request's end is
// written as bytes into a bounded queue, and that is all that the request's turn has to do with it.

import type { Clock, EpochMs } from '../core/clock.ts';
import type { RandomBytes } from '../core/secrets.ts';
import type { Catalog } from '../domain/catalog/catalog.ts';
import type { Measures } from '../domain/measures/measures.ts';
import type { RequestWatch } from '../pipeline/services.ts';
import { writeAttribute } from './attributes.ts';
import { encodeMetrics } from './metric-encoder.ts';
import type { OpenTelemetryVariables } from '../environment.ts';
import { otlpSettings, secretsOf, type OtlpSettings } from './otlp-settings.ts';
import { createSender } from './otlp-sender.ts';
import { ProtobufWriter } from './protobuf-writer.ts';
import { SpanEncoder, type TokenSums, type UpstreamAddress } from './span-encoder.ts';
import { SpanBacklog, traceOf, type Passed } from './span-backlog.ts';
import { SpanQueue } from './span-queue.ts';
import { createIds, createSampler } from './trace-context.ts';

export interface Telemetry extends RequestWatch {
  /** Called once, before the first request. */
  start(parts: { readonly catalog: Catalog; readonly measures: Measures }): void;
  /** The header that carries a trace on, for one more try of this request. Undefined: none is passed on. */
  readonly traceparentFor: ((request: Request) => readonly [name: string, value: string]) | undefined;
  /** By reason. */
  spansDropped(): Iterable<readonly [because: string, spans: number]>;
  /** Sends what is there, within seconds, whatever the collector does. */
  close(): Promise<void>;
}

export interface TelemetryOptions {
  readonly variables: OpenTelemetryVariables;
  /** Of the command line: it wins over the variable. */
  readonly endpoint: string | undefined;
  /** Upstreams are told of the trace, too. */
  readonly passOn: boolean;
  readonly tokens: TokenSums;
  /** Told of each secret among the settings, before anything is sent. */
  readonly guardSecret: (secret: string) => void;
  readonly version: string;
  readonly clock: Clock;
  readonly randomBytes: RandomBytes;
  readonly warn: (message: string) => void;
}

const CLOSE_WITHIN_MS = 2_000;

/** Undefined where the variables turn everything off. Throws an OtlpSettingsError for the person at the terminal. */
export function openTelemetry(options: TelemetryOptions): Telemetry | undefined {
  const settings = otlpSettings(options.variables, options);
  if (settings === undefined) return undefined;
  for (const secret of secretsOf(settings)) options.guardSecret(secret);
  return createTelemetry(settings, options);
}

function createTelemetry(settings: OtlpSettings, options: TelemetryOptions): Telemetry {
  const { clock, warn } = options;
  const startedAt: EpochMs = clock.now();
  const resource = resourceFields(settings, options.version);
  const scope = scopeFields(options.version);
  const ids = createIds(options.randomBytes);
  const sample = createSampler(settings.sampler, settings.samplerRatio);
  const trouble = (what: string) => (because: string | undefined) =>
    warn(because === undefined ? `${what} go out again` : `${what} are not taken by the collector (${because})`);
  let parts: { readonly catalog: Catalog; readonly measures: Measures } | undefined;
  const encoder = new SpanEncoder((upstream) => addressOf(parts?.catalog, upstream), options.tokens);
  const { traces, metrics } = settings;
  const queue =
    traces === undefined
      ? undefined
      : new SpanQueue({
          send: createSender(traces),
          resource,
          scope,
          delayMs: settings.spanDelayMs,
          onTrouble: trouble('spans'),
          onBatch: () => encoder.forget(),
          onDue: () => backlog?.write(),
        });
  const onDefect = (error: unknown) => warn(`spans of a request could not be written: ${String(error)}`);
  const backlog = queue && new SpanBacklog({ ids, sample, encoder, queue, onDefect });
  const passed = new WeakMap<Request, Passed>();
  const metricsTimer = metrics === undefined ? undefined : repeatMetrics();

  function repeatMetrics() {
    if (metrics === undefined) return undefined;
    const send = createSender(metrics);
    const told = trouble('metrics');
    let failing = false;
    let running: Promise<void> | undefined;
    const once = async () => {
      const body = encodeMetrics(parts?.measures.lanes ?? [], { startedAt, at: clock.now() }, resource, scope);
      if (body === undefined) return;
      const outcome = await send(new Uint8Array(body));
      const failed = outcome.kind !== 'sent';
      // Counters are cumulative: what is not taken now is part of the next.
      if (failed !== failing) told(outcome.kind === 'sent' ? undefined : outcome.because);
      failing = failed;
    };
    const run = () => (running ??= once().finally(() => (running = undefined)));
    const timer = setInterval(run, settings.metricsEveryMs);
    timer.unref();
    return {
      async close() {
        clearInterval(timer);
        await run();
      },
    };
  }

  return {
    start(given) {
      parts = given;
    },
    traceparentFor:
      settings.passOn && queue !== undefined
        ? (request) => {
            let known = passed.get(request);
            if (known === undefined) {
              const trace = traceOf(ids, sample, request.headers.get('traceparent'));
              known = { trace, server: ids.span(), attempts: [] };
              passed.set(request, known);
            }
            const span = ids.span();
            known.attempts.push(span);
            const { traceId, recorded } = known.trace;
            return ['traceparent', `00-${traceId}-${span}-${recorded ? '01' : '00'}`];
          }
        : undefined,
    settled(closing, durationMs, request) {
      if (backlog === undefined) return;
      const known = settings.passOn ? passed.get(request) : undefined;
      const traceparent = known === undefined ? request.headers.get('traceparent') : null;
      backlog.add({ closing, durationMs, traceparent, passed: known });
    },
    refused() {
      // Nothing was done for it: it is counted, and a flood of such must not push spans out.
    },
    spansDropped: () => queue?.dropped ?? [],
    async close() {
      const late = Promise.withResolvers<void>();
      const timer = setTimeout(late.resolve, CLOSE_WITHIN_MS);
      const all = Promise.all([queue?.close(CLOSE_WITHIN_MS), metricsTimer?.close()]);
      await Promise.race([all, late.promise]);
      clearTimeout(timer);
    },
  };
}

function addressOf(catalog: Catalog | undefined, name: string): UpstreamAddress | undefined {
  const url = catalog?.upstreams().find((upstream) => upstream.name === name)?.baseUrl;
  if (url === undefined) return undefined;
  return { host: url.hostname, port: url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port) };
}

/** `Resource` as a field of `ResourceSpans` and of `ResourceMetrics`. */
function resourceFields(settings: OtlpSettings, version: string): Uint8Array {
  const writer = new ProtobufWriter(1024);
  const attributes = { ...settings.resource, 'service.name': settings.serviceName, 'service.version': version };
  writer.message(1, () => {
    for (const [key, value] of Object.entries(attributes)) writeAttribute(writer, 1, key, value);
  });
  return writer.copy();
}

/** `InstrumentationScope` as a field of `ScopeSpans` and of `ScopeMetrics`. */
function scopeFields(version: string): Uint8Array {
  const writer = new ProtobufWriter(64);
  writer.message(1, () => {
    writer.text(1, 'tollgate');
    writer.text(2, version);
  });
  return writer.copy();
}
