// The flags of TLS: a certificate of one's own, or names that an authority certifies; and the plain port beside it.

import type { Environment } from '../environment.ts';
import { directoryProblem } from '../http/tls/acme/acme-directory.ts';
import { letsEncrypt, type TlsSettings } from '../http/tls/tls-settings.ts';
import { UsageError } from './usage-error.ts';

export const tlsFlags = {
  'tls-cert': { type: 'string' },
  'tls-key': { type: 'string' },
  'acme-domains': { type: 'string' },
  'acme-agree': { type: 'boolean' },
  'acme-email': { type: 'string' },
  'acme-directory': { type: 'string' },
  'acme-ca': { type: 'string' },
  'http-port': { type: 'string' },
} as const;

export const tlsFlagsHelp = `  --tls-cert FILE      TLS with this certificate and its chain, PEM (TOLLGATE_TLS_CERT); read again when it changes
  --tls-key FILE       its private key, PEM (TOLLGATE_TLS_KEY)
  --acme-domains A,B   TLS with a certificate for these names from an authority (TOLLGATE_ACME_DOMAINS)
  --acme-agree         you agree to that authority's terms; nothing is asked of it before (TOLLGATE_ACME_AGREE=1)
  --acme-email ADDRESS where the authority may warn you (TOLLGATE_ACME_EMAIL)
  --acme-directory URL another authority than Let's Encrypt, or \`staging\` (TOLLGATE_ACME_DIRECTORY)
  --acme-ca FILE       root of a private authority, PEM (TOLLGATE_ACME_CA)
  --http-port N        a plain port beside TLS, for HTTP-01 and for sending browsers to https (TOLLGATE_HTTP_PORT)`;

export type TlsFlagValues = { readonly [name in Exclude<keyof typeof tlsFlags, 'acme-agree'>]?: string | undefined } & {
  readonly 'acme-agree'?: boolean | undefined;
};

/** Undefined: plain HTTP. */
export function tlsSettings(values: TlsFlagValues, { tls }: Environment): TlsSettings | undefined {
  const certFile = values['tls-cert'] ?? tls.cert;
  const keyFile = values['tls-key'] ?? tls.key;
  const names = values['acme-domains'] ?? tls.acmeDomains;
  const httpPort = httpPortOf(values['http-port'] ?? tls.httpPort);
  if (names !== undefined) {
    if (certFile !== undefined || keyFile !== undefined) {
      throw new UsageError('--acme-domains: give either a certificate of your own or names for an authority, not both');
    }
    return acmeOf(names, httpPort, values, tls);
  }
  const stray = (['acme-agree', 'acme-email', 'acme-directory', 'acme-ca'] as const).find(
    (name) => values[name] !== undefined,
  );
  if (stray !== undefined) throw new UsageError(`--${stray}: means nothing without --acme-domains`);
  if (certFile !== undefined && keyFile !== undefined) return { kind: 'files', certFile, keyFile, httpPort };
  if (certFile !== undefined) throw new UsageError('--tls-key: give the private key of --tls-cert too');
  if (keyFile !== undefined) throw new UsageError('--tls-cert: give the certificate of --tls-key too');
  if (httpPort !== undefined) {
    throw new UsageError('--http-port: stands beside TLS; without --tls-cert or --acme-domains the port is --port');
  }
  return undefined;
}

function acmeOf(
  names: string,
  httpPort: number | undefined,
  values: TlsFlagValues,
  tls: Environment['tls'],
): TlsSettings {
  const domains = [...new Set(names.split(',').map((name) => name.trim().toLowerCase()))].filter((name) => name !== '');
  for (const name of domains) {
    const fault = domainProblem(name);
    if (fault !== undefined) throw new UsageError(`--acme-domains: '${name.slice(0, 100)}' ${fault}`);
  }
  if (domains.length === 0 || domains.length > DOMAINS_MAX) {
    throw new UsageError(`--acme-domains: give 1 to ${DOMAINS_MAX} names, separated by commas`);
  }
  const named = values['acme-directory'] ?? tls.acmeDirectory;
  const directory = named === undefined ? letsEncrypt.production : named === 'staging' ? letsEncrypt.staging : named;
  const fault = directoryProblem(directory);
  if (fault !== undefined) throw new UsageError(`--acme-directory: ${fault}`);
  const email = values['acme-email'] ?? tls.acmeEmail;
  if (email !== undefined && !/^[^\s@,?&#%]+@[^\s@,?&#%]+\.[^\s@,?&#%]+$/.test(email)) {
    throw new UsageError(`--acme-email: '${email}' is not one mail address`);
  }
  if (values['acme-agree'] !== true && !tls.acmeAgree) {
    throw new UsageError(
      `--acme-agree: a certificate is only asked for when you agree to the terms of the authority at ${directory}; ` +
        'read them there, then add --acme-agree',
    );
  }
  return { kind: 'acme', domains, email, directory, caFile: values['acme-ca'] ?? tls.acmeCa, httpPort };
}

/** As many as the usual authority puts into one certificate. */
const DOMAINS_MAX = 100;
const LABEL = '(?!-)[a-z0-9-]{1,63}(?<!-)';
const NAME = new RegExp(`^(?=.{4,253}$)(?:${LABEL}\\.)+(?=[a-z])${LABEL}$`);

function domainProblem(name: string): string | undefined {
  if (name.startsWith('*.')) return 'is a wildcard, which only a proof by DNS could certify; name each host';
  if (NAME.test(name)) return undefined;
  return 'is not a full host name in ASCII (letters, digits, hyphens, at least one dot; xn-- for other scripts)';
}

function httpPortOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65_535)
    throw new UsageError(`--http-port: '${text}' is not a port; give a number from 0 to 65535`);
  return Number(text);
}
