// What the operator said about TLS, checked: either a certificate of his own, or names that an authority certifies.

export interface CertificateSettings {
  readonly kind: 'files';
  readonly certFile: string;
  readonly keyFile: string;
  /** Plain HTTP beside it, for sending readers to https. Undefined: none. */
  readonly httpPort: number | undefined;
}

export interface AcmeSettings {
  readonly kind: 'acme';
  /** In lower case, at least one; the first names the service. */
  readonly domains: readonly string[];
  readonly email: string | undefined;
  /** Address of the authority's directory. */
  readonly directory: string;
  /** PEM file with the root of a private authority. */
  readonly caFile: string | undefined;
  /** With it names are proven by HTTP-01 there, without it by TLS-ALPN-01 on the TLS port. */
  readonly httpPort: number | undefined;
}

export type TlsSettings = CertificateSettings | AcmeSettings;

export const letsEncrypt = {
  production: 'https://acme-v02.api.letsencrypt.org/directory',
  staging: 'https://acme-staging-v02.api.letsencrypt.org/directory',
} as const;

/** What an operator can put right: shown as one line, without a stack. */
export class TlsStartError extends Error {}
