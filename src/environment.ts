// The only reader of process.env. Everything else gets what it needs from here, by name.

export interface Environment {
  readonly port: string | undefined;
  readonly host: string | undefined;
  readonly data: string | undefined;
  readonly config: string | undefined;
  readonly preset: string | undefined;
  readonly operatorKey: string | undefined;
  /** Seals credentials in the store; see core/envelope.ts. */
  readonly masterKey: string | undefined;
  readonly publicUrl: string | undefined;
  readonly allowedHosts: string | undefined;
  readonly trustedProxy: string | undefined;
  readonly drainSeconds: string | undefined;
  readonly log: string | undefined;
  readonly logMaxMb: string | undefined;
  readonly logLevel: string | undefined;
  readonly logRequests: boolean;
  readonly passTraceOn: boolean;
  readonly openTelemetry: OpenTelemetryVariables;
  /** Twins of the flags of TLS. */
  readonly tls: {
    readonly cert: string | undefined;
    readonly key: string | undefined;
    readonly acmeDomains: string | undefined;
    readonly acmeAgree: boolean;
    readonly acmeEmail: string | undefined;
    readonly acmeDirectory: string | undefined;
    readonly acmeCa: string | undefined;
    readonly httpPort: string | undefined;
  };
  readonly simulatorFaults: boolean;
  readonly recordings: string | undefined;
  /** Set once the process was started again with Bun's cap on concurrent fetches lifted. */
  readonly fetchCapLifted: boolean;
  /** Started by a running process of ours, to take over from it. */
  readonly isSuccessor: boolean;
  /** Where a service manager wants to hear of our state. */
  readonly notifySocket: string | undefined;
  /** A secret by the name of its variable; empty counts as absent. */
  secret(name: string): string | undefined;
  /** The whole environment, for starting ourselves again. */
  all(): Record<string, string>;
}

/** What OpenTelemetry's own variables say, by their names without `OTEL_`; empty counts as absent. */
const openTelemetryOf = (read: (name: string) => string | undefined) => ({
  disabled: read('SDK_DISABLED'),
  endpoint: read('EXPORTER_OTLP_ENDPOINT'),
  tracesEndpoint: read('EXPORTER_OTLP_TRACES_ENDPOINT'),
  metricsEndpoint: read('EXPORTER_OTLP_METRICS_ENDPOINT'),
  headers: read('EXPORTER_OTLP_HEADERS'),
  tracesHeaders: read('EXPORTER_OTLP_TRACES_HEADERS'),
  metricsHeaders: read('EXPORTER_OTLP_METRICS_HEADERS'),
  protocol: read('EXPORTER_OTLP_PROTOCOL'),
  compression: read('EXPORTER_OTLP_COMPRESSION'),
  timeoutMs: read('EXPORTER_OTLP_TIMEOUT'),
  tracesExporter: read('TRACES_EXPORTER'),
  metricsExporter: read('METRICS_EXPORTER'),
  serviceName: read('SERVICE_NAME'),
  resourceAttributes: read('RESOURCE_ATTRIBUTES'),
  sampler: read('TRACES_SAMPLER'),
  samplerArgument: read('TRACES_SAMPLER_ARG'),
  spanDelayMs: read('BSP_SCHEDULE_DELAY'),
  metricsEveryMs: read('METRIC_EXPORT_INTERVAL'),
});

export type OpenTelemetryVariables = Readonly<ReturnType<typeof openTelemetryOf>>;

const present = (text: string | undefined) => (text === undefined || text === '' ? undefined : text);

export function readEnvironment(variables: Readonly<Record<string, string | undefined>> = process.env): Environment {
  return {
    port: present(variables['TOLLGATE_PORT']),
    host: present(variables['TOLLGATE_HOST']),
    data: present(variables['TOLLGATE_DATA']),
    config: present(variables['TOLLGATE_CONFIG']),
    preset: present(variables['TOLLGATE_PRESET']),
    operatorKey: present(variables['TOLLGATE_OPERATOR_KEY']),
    masterKey: present(variables['TOLLGATE_MASTER_KEY']),
    publicUrl: present(variables['TOLLGATE_PUBLIC_URL']),
    allowedHosts: present(variables['TOLLGATE_ALLOWED_HOSTS']),
    trustedProxy: present(variables['TOLLGATE_TRUSTED_PROXY']),
    drainSeconds: present(variables['TOLLGATE_DRAIN_SECONDS']),
    log: present(variables['TOLLGATE_LOG']),
    logMaxMb: present(variables['TOLLGATE_LOG_MAX_MB']),
    isSuccessor: variables['TOLLGATE_HANDOVER'] === '1',
    notifySocket: present(variables['NOTIFY_SOCKET']),
    logLevel: present(variables['TOLLGATE_LOG_LEVEL']),
    logRequests: variables['TOLLGATE_LOG_REQUESTS'] === '1',
    passTraceOn: variables['TOLLGATE_PASS_TRACE_ON'] === '1',
    openTelemetry: openTelemetryOf((name) => present(variables[`OTEL_${name}`])),
    tls: {
      cert: present(variables['TOLLGATE_TLS_CERT']),
      key: present(variables['TOLLGATE_TLS_KEY']),
      acmeDomains: present(variables['TOLLGATE_ACME_DOMAINS']),
      acmeAgree: variables['TOLLGATE_ACME_AGREE'] === '1',
      acmeEmail: present(variables['TOLLGATE_ACME_EMAIL']),
      acmeDirectory: present(variables['TOLLGATE_ACME_DIRECTORY']),
      acmeCa: present(variables['TOLLGATE_ACME_CA']),
      httpPort: present(variables['TOLLGATE_HTTP_PORT']),
    },
    simulatorFaults: variables['TOLLGATE_SIMULATOR_FAULTS'] === '1',
    recordings: present(variables['TOLLGATE_RECORDINGS']),
    fetchCapLifted: present(variables['BUN_CONFIG_MAX_HTTP_REQUESTS']) !== undefined,
    secret: (name) => (Object.hasOwn(variables, name) ? present(variables[name]) : undefined),
    all: () =>
      Object.fromEntries(
        Object.entries(variables).filter((entry): entry is [string, string] => entry[1] !== undefined),
      ),
  };
}

/** Every name that is read here, however it is called in `Environment`. */
export function knownNames(): ReadonlySet<string> {
  const names = new Set<string>();
  const recorder = new Proxy<Record<string, string | undefined>>(
    {},
    {
      get(_, name) {
        if (typeof name === 'string') names.add(name);
        return undefined;
      },
    },
  );
  readEnvironment(recorder);
  return names;
}
