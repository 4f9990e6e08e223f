// What dialling needs to know of a target, worked out once. Invariant: a URL that was never checked when it
// was saved is refused here all the same, by scheme and by user info.

import { hostnameOf } from '../../core/addresses.ts';
import type { UpstreamTarget } from './transport.ts';
import type { AddressBook, Vetting } from './vet-address.ts';

export interface TlsTrust {
  /** Certificates to trust in place of the system's, in PEM. */
  readonly ca?: string | readonly string[];
}

export interface TargetFacts {
  /** Why nothing may be sent there at all. */
  readonly problem: string | undefined;
  readonly hostHeader: string;
  readonly port: number;
  /** `isName`: the host is a name, not an address, and so is asked for in the handshake. */
  readonly tls: (TlsTrust & { readonly serverName: string; readonly isName: boolean }) | undefined;
  /** Asked for every dial anew. */
  readonly vet: () => Vetting | Promise<Vetting>;
}

export function describeTarget(
  target: UpstreamTarget, book: AddressBook, trust: TlsTrust | undefined,
): TargetFacts {
  const { url } = target;
  const isTls = url.protocol === 'https:';
  const hostname = hostnameOf(url);
  const bracketed = hostname.includes(':') ? `[${hostname}]` : hostname;
  const isName = !hostname.includes(':') && !/^[\d.]+$/.test(hostname);
  let problem: string | undefined;
  if (!isTls && url.protocol !== 'http:') problem = `scheme ${url.protocol} is not http or https`;
  else if (url.username !== '' || url.password !== '') problem = 'the URL carries user info';
  else if (hostname === '') problem = 'the URL has no host';
  return {
    problem,
    hostHeader: url.port === '' ? bracketed : `${bracketed}:${url.port}`,
    port: url.port === '' ? (isTls ? 443 : 80) : Number(url.port),
    tls: isTls ? { ...trust, serverName: hostname, isName } : undefined,
    vet: () => book.vet(hostname, target.addresses),
  };
}

/** The TLS options of Bun's sockets and of its fetch. */
export function tlsOptions(tls: NonNullable<TargetFacts['tls']>): Bun.TLSOptions {
  return {
    // Explicit, because the environment can turn the default off.
    rejectUnauthorized: true,
    // An address cannot be asked for by name; the one dialled is then compared with the certificate.
    ...(tls.isName ? { serverName: tls.serverName } : {}),
    ...(tls.ca === undefined ? {} : { ca: typeof tls.ca === 'string' ? tls.ca : [...tls.ca] }),
  };
}
