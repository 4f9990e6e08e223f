// TLS for the server of `http/server.ts`: the certificate's source, the port that serves it, and the plain port beside
// it. Loaded only when TLS is asked for.

import { readFileSync } from 'node:fs';
import type { Chance, Clock } from '../../core/clock.ts';
import type { Log } from '../../core/log.ts';
import { runningServer, serverOpener, type OpenServer, type RunningServer, type ServerOptions } from '../server.ts';
import { openExchange } from './acme/acme-exchange.ts';
import { openAcmeStore } from './acme/acme-store.ts';
import { openRenewal } from './acme/certificate-renewal.ts';
import type { OpenChallenge } from './acme/issue-certificate.ts';
import { openCertificateFiles } from './certificate-files.ts';
import type { CertificatePair } from './certificate-pair.ts';
import { startHttpPort, type HttpChallenge, type HttpPort } from './http-port.ts';
import { startTlsListener, type TlsListener } from './tls-listener.ts';
import { TlsStartError, type AcmeSettings, type CertificateSettings, type TlsSettings } from './tls-settings.ts';

export { TlsStartError };

export interface TlsServerOptions extends ServerOptions {
  readonly tls: TlsSettings;
  readonly dataFolder: string;
  /** Where clients reach us, if the operator said so: an origin. */
  readonly publicUrl: string | undefined;
  readonly clock: Clock;
  readonly chance: Chance;
  readonly log: Log;
  /** Told every private key that is live, so that no log prints it. */
  readonly guardSecret: (secret: string) => void;
  /** Milliseconds between looks at files and dates, and between questions to an authority; for tests. */
  readonly everyMs?: number;
  readonly pollMs?: number;
}

export interface TlsServer extends RunningServer {
  /** Where commands on this machine reach it, whatever the certificate says: plain HTTP on loopback, any port. */
  readonly localUrl: string;
  /** The plain port beside it, if there is one. */
  readonly httpPort: number | undefined;
  /** Reads certificate files again, whether they changed or not. Nothing for an authority's certificate. */
  reloadCertificates(): void;
  /** Looks at no date and no file any more: the process that takes over does. */
  retire(): void;
}

/** Where a pair comes from, and what is done about it over time. */
interface Source {
  readonly first: CertificatePair | undefined;
  tick(): void;
  reload(): void;
}

/** Files are looked at as often as a person would hope; a date is met within a minute. */
const EVERY_MS = 60_000;

export async function startTlsServer(options: TlsServerOptions): Promise<TlsServer> {
  const { tls, log } = options;
  const challenges = new Map<string, HttpChallenge>();
  const port: { listener?: TlsListener } = {};
  const use = async (pair: CertificatePair) => port.listener?.use(pair);
  const source =
    tls.kind === 'files' ? filesSource(options, tls, use) : acmeSource(options, tls, { challenges, port, use });
  let current: OpenServer | undefined;
  const open = serverOpener(options);
  const listener = await startTlsListener({
    host: options.host,
    port: options.port,
    pair: source.first,
    ...(options.portShared === undefined ? {} : { portShared: options.portShared }),
    open: (where) => (current = open(where)),
    onDefect: (error) => log.error('tls', { message: messageOf(error) }),
  });
  port.listener = listener;
  let http: HttpPort | undefined;
  let local: OpenServer | undefined;
  try {
    local = serverOpener(options)({ hostname: '127.0.0.1', port: 0, reusePort: false });
    const publicUrl = () => options.publicUrl ?? `https://${options.hostNames[0] ?? 'localhost'}:${listener.port}`;
    if (tls.httpPort !== undefined)
      http = startHttpPort({
        host: options.host,
        port: tls.httpPort,
        hostNames: options.hostNames,
        publicUrl,
        challenges,
        reusePort: options.portShared ?? false,
      });
  } catch (error) {
    local?.kill();
    listener.kill();
    throw error;
  }
  if (source.first === undefined) log.info('acme', { message: 'connections are closed until there is a certificate' });
  const timer = setInterval(() => source.tick(), options.everyMs ?? EVERY_MS);
  timer.unref();
  source.tick();
  const server = {
    port: listener.port,
    async stop() {
      clearInterval(timer);
      await Promise.all([listener.stop(), http?.stop(), local?.stop()]);
    },
    kill() {
      clearInterval(timer);
      listener.kill();
      http?.kill();
      local?.kill();
    },
  };
  return {
    ...runningServer(options, 'https', server, () => ({
      // Whichever server asks: the time is the connection's own.
      idleAfter: (request, seconds) => current?.idleAfter(request, seconds),
    })),
    localUrl: `http://127.0.0.1:${local.port}`,
    httpPort: http?.port,
    reloadCertificates: () => source.reload(),
    retire: () => clearInterval(timer),
  };
}

function filesSource(
  { clock, log, guardSecret }: TlsServerOptions,
  { certFile, keyFile }: CertificateSettings,
  use: (pair: CertificatePair) => Promise<void>,
): Source {
  const files = openCertificateFiles({
    certFile,
    keyFile,
    clock,
    log,
    use: (pair) => {
      guardSecret(pair.key);
      return use(pair);
    },
  });
  guardSecret(files.first.key);
  return { first: files.first, tick: files.check, reload: files.reload };
}

interface AcmeParts {
  readonly challenges: Map<string, HttpChallenge>;
  readonly port: { readonly listener?: TlsListener };
  readonly use: (pair: CertificatePair) => Promise<void>;
}

function acmeSource(options: TlsServerOptions, settings: AcmeSettings, { challenges, port, use }: AcmeParts): Source {
  const { clock, log, guardSecret } = options;
  const { directory, domains, email, httpPort } = settings;
  const ca = settings.caFile === undefined ? undefined : readRoot(settings.caFile);
  const store = openAcmeStore(options.dataFolder, (message) => log.warn('acme', { message }));
  const kind = httpPort === undefined ? 'tls-alpn-01' : 'http-01';
  const answer = async (open: readonly OpenChallenge[]) => {
    if (kind === 'http-01') {
      for (const { token, domain, keyAuthorization } of open) challenges.set(token, { domain, keyAuthorization });
      return;
    }
    const shown = open.flatMap(({ domain, certificate }) =>
      certificate === undefined ? [] : [[domain, certificate] as const],
    );
    await port.listener?.answerChallenges(new Map(shown));
  };
  const issue = async () => {
    const { issueCertificate } = await import('./acme/issue-certificate.ts');
    const exchange = openExchange({ directory, ca });
    return {
      get refused() {
        return exchange.refused;
      },
      async run() {
        try {
          return await issueCertificate({
            directory,
            domains,
            email,
            kind,
            store,
            exchange,
            clock,
            guardSecret,
            answer,
            wait: Bun.sleep,
            ...(options.pollMs === undefined ? {} : { pollMs: options.pollMs }),
          });
        } finally {
          challenges.clear();
        }
      },
    };
  };
  const renewal = openRenewal({
    directory,
    domains,
    store,
    clock,
    log,
    guardSecret,
    issue,
    use,
    chance: options.chance,
  });
  const tick = async () => {
    let tried = true;
    try {
      tried = await renewal.tick();
    } finally {
      if (tried && kind === 'tls-alpn-01') await port.listener?.endChallenges();
    }
  };
  return {
    first: renewal.first,
    tick: () => void tick().catch((error: unknown) => log.error('acme', { message: messageOf(error) })),
    reload: () => {},
  };
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

function readRoot(file: string): string {
  try {
    const pem = readFileSync(file, 'utf8');
    if (pem.includes('BEGIN CERTIFICATE')) return pem;
  } catch {
    throw new TlsStartError(`--acme-ca: ${file} cannot be read`);
  }
  throw new TlsStartError(`--acme-ca: ${file} holds no PEM certificate (BEGIN CERTIFICATE)`);
}
