// How we speak to a certificate authority: the client library's requests go through `fetch` with bounds of our own. An
// authority is a stranger: its replies are limited in size and time, it cannot redirect us, and it cannot send us to
// another host than the one that the operator named.

import { refusalOf, type AcmeRefusal } from './acme-refusal.ts';

export interface AcmeExchange {
  /** The last answer, if it was a refusal, with what it says of waiting; the library tells only its text. */
  readonly refused: AcmeRefusal | undefined;
  /** Throws where the authority leaves the bounds; its errors are replies. */
  send(request: ExchangeRequest): Promise<ExchangeReply>;
}

export interface ExchangeOptions {
  /** Checked by `acme-directory.ts`. */
  readonly directory: string;
  /** PEM of the authority's root, where it is a private one. */
  readonly ca?: string | undefined;
  readonly fetch?: typeof fetch;
}

/** A chain of certificates has 10 KiB, a directory one. */
const REPLY_BYTES_MAX = 512 * 1024;
const REPLY_MAX_MS = 30_000;

export interface ExchangeRequest {
  readonly url: string;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
}

export interface ExchangeReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Parsed where it is JSON, else its text. */
  readonly data: unknown;
}

export function openExchange(options: ExchangeOptions): AcmeExchange {
  const { origin } = new URL(options.directory);
  let refused: AcmeRefusal | undefined;
  return {
    get refused() {
      return refused;
    },
    async send(request: ExchangeRequest): Promise<ExchangeReply> {
      if (!URL.canParse(request.url) || new URL(request.url).origin !== origin) {
        throw new Error(`the certificate authority named an address outside ${origin}; nothing was sent there`);
      }
      const response = await (options.fetch ?? fetch)(request.url, {
        method: request.method,
        headers: { ...request.headers, 'user-agent': 'tollgate' },
        ...(request.body === undefined ? {} : { body: request.body }),
        redirect: 'manual',
        proxy: false,
        signal: AbortSignal.timeout(REPLY_MAX_MS),
        ...(options.ca === undefined ? {} : { tls: { ca: options.ca } }),
      });
      const text = await boundedText(response);
      if (response.status >= 300 && response.status < 400) {
        throw new Error(`the certificate authority answered ${response.status}; redirects are not followed`);
      }
      const json = response.headers.get('content-type')?.includes('json') === true;
      const data: unknown = json ? JSON.parse(text) : text;
      const { status } = response;
      refused = status < 400 ? undefined : refusalOf(status, response.headers.get('retry-after'), data);
      return { status: response.status, headers: Object.fromEntries(response.headers), data };
    },
  };
}

async function boundedText(response: Response): Promise<string> {
  if (response.body === null) return '';
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of response.body) {
    size += part.length;
    if (size > REPLY_BYTES_MAX)
      throw new Error(`the certificate authority's reply is larger than ${REPLY_BYTES_MAX} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}
