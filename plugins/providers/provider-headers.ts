// Headers that a provider sends: checked when it is made, so that no option can smuggle a credential or a header of the
// host's into a call.

export interface HeaderSettings {
  /**
   * `bearer`: `authorization: Bearer …`. Any other word is the name of a header that carries the bare
   * credential.
   */
  readonly auth: string;
  /** Sent with every call. */
  readonly headers: Readonly<Record<string, string>>;
}

/** Headers that the host owns. */
const hostHeaders = new Set([
  'host',
  'content-length',
  'content-type',
  'content-encoding',
  'accept-encoding',
  'connection',
  'keep-alive',
  'transfer-encoding',
  'te',
  'trailer',
  'upgrade',
  'expect',
  'proxy-connection',
]);
/** Headers that carry credentials: a secret written into options would be printed with them. */
const credentialHeaders = new Set([
  'authorization',
  'proxy-authorization',
  'cookie',
  'set-cookie',
  'api-key',
  'x-api-key',
  'x-goog-api-key',
  'x-auth-token',
  'x-access-token',
]);
const headerName = /^[a-z0-9][a-z0-9-]{0,63}$/;
/** Visible ASCII, with blanks inside: what every HTTP implementation passes unchanged. */
const headerValue = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/;

export function checkHeaders(settings: HeaderSettings): readonly (readonly [string, string])[] {
  if (!headerName.test(settings.auth) || hostHeaders.has(settings.auth)) {
    throw new Error(
      `auth: "${settings.auth}" cannot carry a credential; use "bearer", "api-key" or a header of the vendor's`,
    );
  }
  return Object.entries(settings.headers).map(([name, value]) => {
    if (!headerName.test(name))
      throw new Error(`headers: "${name}" is no header name in lower case; write a-z, 0-9 and -`);
    if (hostHeaders.has(name)) throw new Error(`headers.${name}: this header belongs to the gateway; leave it out`);
    if (credentialHeaders.has(name) || name === settings.auth) {
      throw new Error(`headers.${name}: credentials are named in the upstream, never written here`);
    }
    if (!headerValue.test(value)) throw new Error(`headers.${name}: only visible ASCII, not empty, no line breaks`);
    return [name, value] as const;
  });
}

export function credentialHeader(auth: string, credential: string): readonly [string, string] {
  // No part of the credential may show in the message: it goes to the log.
  if (!headerValue.test(credential)) throw new Error('the credential holds characters that no header can carry');
  return auth === 'bearer' ? ['authorization', `Bearer ${credential}`] : [auth, credential];
}
