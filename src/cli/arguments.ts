// argv to a command with its flags. Every flag has an environment twin; a flag wins. What is not known is an error.

import { parseArgs } from 'node:util';
import type { Environment } from '../environment.ts';
import type { TlsSettings } from '../http/tls/tls-settings.ts';
import { tlsFlags, tlsFlagsHelp, tlsSettings } from './tls-arguments.ts';
import { watchingFlags, watchingFlagsHelp, watchingSettings, type WatchingSettings } from './watching.ts';
import { UsageError } from './usage-error.ts';

export { UsageError } from './usage-error.ts';

export interface ServeSettings {
  readonly port: number;
  readonly host: string;
  readonly dataFolder: string;
  readonly configFile: string | undefined;
  readonly preset: string | undefined;
  readonly publicUrl: string | undefined;
  readonly hostNames: readonly string[];
  readonly trustedProxies: readonly string[];
  /** How long running requests may go on after a signal to stop. */
  readonly drainSeconds: number;
  /** Undefined: standard error. */
  readonly logFile: string | undefined;
  readonly logMaxMb: number;
  readonly watching: WatchingSettings;
  /** Undefined: plain HTTP. */
  readonly tls: TlsSettings | undefined;
}

const PORT_DEFAULT = 8787;
const HOST_DEFAULT = '127.0.0.1';
const DATA_DEFAULT = './data';
const DRAIN_SECONDS_DEFAULT = 30;
const LOG_MAX_MB_DEFAULT = 64;

const flags = {
  port: { type: 'string' },
  host: { type: 'string' },
  data: { type: 'string' },
  config: { type: 'string' },
  preset: { type: 'string' },
  'public-url': { type: 'string' },
  'allowed-hosts': { type: 'string' },
  'trusted-proxy': { type: 'string' },
  'drain-seconds': { type: 'string' },
  log: { type: 'string' },
  'log-max-mb': { type: 'string' },
  ...watchingFlags,
  ...tlsFlags,
} as const;

export const serveFlagsHelp = `  --port N             port to listen on (TOLLGATE_PORT, ${PORT_DEFAULT}; 0 picks a free one)
  --host ADDRESS       address to listen on (TOLLGATE_HOST, ${HOST_DEFAULT})
  --data FOLDER        where everything is kept (TOLLGATE_DATA, ${DATA_DEFAULT})
  --config FILE        a typed config instead of the built-in one (TOLLGATE_CONFIG)
  --preset NAME        terms and policies of a kind of service: personal, platform (TOLLGATE_PRESET)
  --public-url URL     the address that clients know, for links (TOLLGATE_PUBLIC_URL)
  --allowed-hosts A,B  host names that clients may call us by (TOLLGATE_ALLOWED_HOSTS)
  --trusted-proxy A,B  address ranges of proxies that tell the client's address (TOLLGATE_TRUSTED_PROXY)
${tlsFlagsHelp}
${watchingFlagsHelp}
  --drain-seconds N    how long calls may run on after a stop signal (TOLLGATE_DRAIN_SECONDS, ${DRAIN_SECONDS_DEFAULT})
  --log FILE           a log file that is put aside when it is full (TOLLGATE_LOG; standard error)
  --log-max-mb N       when it is full; five older ones are kept (TOLLGATE_LOG_MAX_MB, ${LOG_MAX_MB_DEFAULT})`;

export function serveSettings(argv: readonly string[], environment: Environment): ServeSettings {
  const values = parsed(argv);
  const tls = tlsSettings(values, environment);
  const certified = tls?.kind === 'acme' ? tls.domains : [];
  const named = certified[0] === undefined ? undefined : `https://${certified[0]}`;
  const publicUrl = values['public-url'] ?? environment.publicUrl ?? named;
  return {
    port: portOf(values.port ?? environment.port),
    host: values.host ?? environment.host ?? HOST_DEFAULT,
    dataFolder: values.data ?? environment.data ?? DATA_DEFAULT,
    configFile: values.config ?? environment.config,
    preset: values.preset ?? environment.preset,
    publicUrl: publicUrl === undefined ? undefined : urlOf(publicUrl),
    hostNames: [
      ...listOf(values['allowed-hosts'] ?? environment.allowedHosts),
      ...(publicUrl === undefined ? [] : [new URL(urlOf(publicUrl)).hostname]),
      ...certified,
    ],
    tls,
    trustedProxies: listOf(values['trusted-proxy'] ?? environment.trustedProxy),
    drainSeconds:
      countOf('--drain-seconds', values['drain-seconds'] ?? environment.drainSeconds, 0, 3_600) ??
      DRAIN_SECONDS_DEFAULT,
    logFile: values.log ?? environment.log,
    logMaxMb: countOf('--log-max-mb', values['log-max-mb'] ?? environment.logMaxMb, 1, 100_000) ?? LOG_MAX_MB_DEFAULT,
    watching: watchingSettings(values, environment),
  };
}

/** Flags of `check` besides those of `serve`. */
export interface CheckSettings extends ServeSettings {
  /** Undefined: no comparison. `applied`: with what the data folder's gateway applied last. */
  readonly diff: 'applied' | { readonly file: string } | undefined;
}

export const checkFlagsHelp = `  --diff [FILE]        say what this config would change: against what was applied last to the data folder of
                       --data, also while a gateway runs on it, or against another config file`;

/** `--diff` takes a value or none, which no parser of flags can know: it is taken out first. */
export function checkSettings(argv: readonly string[], environment: Environment): CheckSettings {
  const at = argv.findIndex((word) => word === '--diff' || word.startsWith('--diff='));
  if (at < 0) return { ...serveSettings(argv, environment), diff: undefined };
  const word = argv[at] ?? '';
  const next = argv[at + 1];
  const inNext = word === '--diff' && next !== undefined && !next.startsWith('-');
  const file = word.startsWith('--diff=') ? word.slice('--diff='.length) : inNext ? next : undefined;
  if (file === '') throw new UsageError('--diff=: name a config file, or leave out the equals sign');
  const rest = [...argv.slice(0, at), ...argv.slice(at + (inNext ? 2 : 1))];
  return { ...serveSettings(rest, environment), diff: file === undefined ? 'applied' : { file } };
}

function parsed(argv: readonly string[]) {
  try {
    return parseArgs({ args: [...argv], options: flags, strict: true, allowPositionals: false }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function portOf(text: string | undefined): number {
  if (text === undefined) return PORT_DEFAULT;
  const port = Number(text);
  if (!/^\d{1,5}$/.test(text) || port > 65_535)
    throw new UsageError(`--port: '${text}' is not a port; give a number from 0 to 65535`);
  return port;
}

function countOf(flag: string, text: string | undefined, least: number, most: number): number | undefined {
  if (text === undefined) return undefined;
  const count = Number(text);
  if (!/^\d{1,6}$/.test(text) || count < least || count > most)
    throw new UsageError(`${flag}: '${text}' is not a whole number from ${least} to ${most}`);
  return count;
}

function urlOf(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw new UsageError(`--public-url: '${text}' is not an http or https address`);
  }
  return url.origin;
}

const listOf = (text: string | undefined): readonly string[] =>
  (text ?? '')
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
