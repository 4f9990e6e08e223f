// The plain port beside the TLS port: it answers the challenges of a certificate authority (HTTP-01), tells that the
// process lives, and sends readers to https. Nothing else is served here, and nobody is sent to a name that we do not
// know.

import { clientError } from '../client-error.ts';
import { createHostCheck, pathOf } from '../host-check.ts';

/** Open challenges by token. */
export interface HttpChallenge {
  /** The name that is being proven, in lower case; its challenge is answered under no other. */
  readonly domain: string;
  readonly keyAuthorization: string;
}

export interface HttpPortOptions {
  readonly host: string;
  readonly port: number;
  /** Names besides localhost and address literals that we answer to. */
  readonly hostNames: readonly string[];
  /** Where clients reach us by https, for those who came by an address: an origin. */
  readonly publicUrl: () => string;
  readonly challenges: ReadonlyMap<string, HttpChallenge>;
  /** The process before this one listens too, and stops. */
  readonly reusePort?: boolean;
}

export interface HttpPort {
  readonly port: number;
  stop(): Promise<void>;
  kill(): void;
}

const CHALLENGE_PATH = '/.well-known/acme-challenge/';
/** RFC 8555 section 8.3: base64url, at least 128 bits; the form also keeps every path trick out. */
const TOKEN = /^[A-Za-z0-9_-]{16,256}$/;
const IDLE_SECONDS = 10;
const BODY_BYTES_MAX = 64 * 1024;
const CREDENTIALS = ['authorization', 'x-api-key', 'api-key', 'x-goog-api-key', 'cookie'] as const;

export function startHttpPort(options: HttpPortOptions): HttpPort {
  const answer = httpPortAnswer(options);
  const server = Bun.serve({
    hostname: options.host,
    port: options.port,
    reusePort: options.reusePort ?? false,
    idleTimeout: IDLE_SECONDS,
    // Or else the runtime answers `/bun:info` itself.
    development: false,
    maxRequestBodySize: BODY_BYTES_MAX,
    fetch: answer,
    error: () => clientError('internal_error', { message: 'Tollgate failed to serve this request.' }),
  });
  return { port: server.port ?? options.port, stop: () => server.stop(), kill: () => void server.stop(true) };
}

type AnswerOptions = Omit<HttpPortOptions, 'host' | 'port' | 'reusePort'>;

export function httpPortAnswer(options: AnswerOptions): (request: Request) => Response {
  const verdictOf = createHostCheck(options.hostNames);
  const names = new Set(options.hostNames.map((name) => name.toLowerCase()));
  return (request) => {
    const host = request.headers.get('host');
    const verdict = verdictOf(host);
    if (verdict !== 'ok') {
      return clientError(verdict === 'invalid' ? 'invalid_host' : 'unknown_host', {
        message: 'host: this gateway does not answer to that name.',
        field: 'host',
      });
    }
    const path = pathOf(request.url);
    if (path === undefined) return nothingHere();
    const name = (host ?? '').replace(/:\d+$/, '').toLowerCase();
    const reading = request.method === 'GET' || request.method === 'HEAD';
    if (path.startsWith(CHALLENGE_PATH)) {
      const token = path.slice(CHALLENGE_PATH.length);
      const challenge = reading && TOKEN.test(token) ? options.challenges.get(token) : undefined;
      if (challenge === undefined || challenge.domain !== name) return nothingHere();
      return new Response(challenge.keyAuthorization, { headers: { 'content-type': 'application/octet-stream' } });
    }
    if (reading && path === '/healthz')
      return Response.json({ status: 'ok' }, { headers: { 'cache-control': 'no-store' } });
    return elsewhere(request, path, reading, targetOf(name, names, options.publicUrl()));
  };
}

/** The name that the client used, if it is one of ours; else the address that the operator gave. */
function targetOf(name: string, names: ReadonlySet<string>, publicUrl: string): string {
  const known = new URL(publicUrl);
  return names.has(name) && known.hostname !== name
    ? `https://${name}${known.port === '' ? '' : `:${known.port}`}`
    : known.origin;
}

/**
 * A page that somebody reads is sent on. A call with a credential is refused: sent on, nobody would notice that the
 * credential went over the wire in the clear.
 */
function elsewhere(request: Request, path: string, reading: boolean, target: string): Response {
  const url = request.url;
  const query = url.includes('?') ? url.slice(url.indexOf('?')) : '';
  const credential = CREDENTIALS.some((header) => request.headers.has(header)) || /[?&]key=/.test(query);
  if (!reading || credential) {
    return clientError('upgrade_required', {
      message: `This port only sends browsers to https; call ${target} instead. A key that was sent here went unencrypted.`,
    });
  }
  return new Response(null, {
    status: 308,
    headers: { location: `${target}${path}${query}`, 'cache-control': 'no-store' },
  });
}

const nothingHere = (): Response => clientError('not_found', { message: 'There is nothing at this path.' });
