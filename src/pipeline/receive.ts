// receive: what the head of a request tells. The body is not touched before we know whose request it is.

import { bounds } from '../core/bounds.ts';
import { TollgateError } from '../core/errors.ts';
import { plainLine } from '../plugin/protocol.ts';
import type { Protocol, RequestLine } from '../plugin/protocol.ts';
import type { Received } from './exchange.ts';
import type { PipelineServices } from './services.ts';

/** Set on every upstream request, so that gateways that point at each other notice. */
export const hopsHeader = 'x-tollgate-hops';

export function receive(
  services: PipelineServices,
  request: Request,
  protocol: Protocol,
  peer: string,
  line: RequestLine = plainLine,
): Received {
  const headers = request.headers;
  const encoding = headers.get('content-encoding');
  if (encoding !== null && encoding !== 'identity') {
    throw new TollgateError('encoding_unsupported', {
      message: 'content-encoding: compressed request bodies are not accepted; send the JSON as it is.',
      field: 'content-encoding',
    });
  }
  // The server joins a repeated header with a comma: a body that was announced twice is read as neither.
  if (headers.get('content-type')?.includes(',') === true) {
    throw new TollgateError('invalid_request', {
      message: 'content-type: sent more than once; send `application/json` once.',
      field: 'content-type',
    });
  }
  for (const name of protocol.relayedHeaders) checkRelayed(headers, name);
  return {
    requestId: services.newId('req'),
    protocol,
    line,
    request,
    admittedAt: services.clock.now(),
    startedMs: services.clock.monotonicMs(),
    peer,
    address: services.clientAddress(peer, headers),
    hops: hopsOf(headers),
    credential: credentialOf(request),
  };
}

/**
 * A header that goes on to upstreams as it came. One that no request can carry would fail there, and be held against an
 * upstream that never saw it; one that `connection` names was for us alone.
 */
function checkRelayed(headers: Headers, field: string): void {
  const value = headers.get(field);
  if (value === null) return;
  if (value.length > bounds.headerLength || !/^[\t\x20-\x7e]*$/.test(value)) {
    throw new TollgateError('invalid_request', {
      message: `${field}: send printable ASCII, at most ${bounds.headerLength} characters.`,
      field,
    });
  }
  if (
    headers
      .get('connection')
      ?.toLowerCase()
      .split(',')
      .some((name) => name.trim() === field) === true
  ) {
    throw new TollgateError('invalid_request', {
      message: `connection: names ${field}, which is not for this hop alone.`,
      field: 'connection',
    });
  }
}

function hopsOf(headers: Headers): number {
  const text = headers.get(hopsHeader);
  if (text === null) return 0;
  const hops = /^\d{1,3}$/.test(text) ? Number(text) : bounds.hopsMax;
  if (hops >= bounds.hopsMax) {
    throw new TollgateError('loop_detected', {
      message: `${hopsHeader}: this request has passed ${bounds.hopsMax} gateways already; an upstream points back at a gateway.`,
      field: hopsHeader,
    });
  }
  return hops;
}

const keyHeaders = ['x-api-key', 'api-key', 'x-goog-api-key'] as const;

/** The key from wherever clients put it. The same key twice is one key; two different keys are refused. */
export function credentialOf(request: Request): string | undefined {
  const { headers, url } = request;
  const authorization = headers.get('authorization');
  let found = authorization === null ? undefined : bearerOf(authorization);
  for (const name of keyHeaders) {
    const value = headers.get(name);
    if (value !== null) found = theOneKey(found, value.trim(), name);
  }
  const queryStart = url.indexOf('?');
  if (queryStart > 0) {
    for (const value of new URLSearchParams(url.slice(queryStart)).getAll('key')) {
      found = theOneKey(found, value, 'key');
    }
  }
  return found;
}

function bearerOf(authorization: string): string {
  const bearer = /^bearer +(.*)$/i.exec(authorization)?.[1];
  // The server joins a repeated header with a comma, and no key of ours has one.
  if (bearer !== undefined && !authorization.includes(',')) return bearer.trim();
  throw new TollgateError(authorization.includes(',') ? 'ambiguous_credentials' : 'unauthenticated', {
    message: 'authorization: send it once, as `Bearer <API key>`.',
    field: 'authorization',
  });
}

function theOneKey(found: string | undefined, value: string, place: string): string {
  if (value.includes(',')) {
    throw new TollgateError('ambiguous_credentials', {
      message: `${place}: sent more than once; send one key.`,
      field: place,
    });
  }
  if (found !== undefined && found !== value) {
    throw new TollgateError('ambiguous_credentials', {
      message: `${place}: another key than the one sent elsewhere in this request; send one key.`,
      field: place,
    });
  }
  return value;
}
