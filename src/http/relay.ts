// From the process that goes to the one that took over: requests that still arrive on connections of the old one. They
// enter the new one through a loopback port of its own, which takes requests in only with the secret that both share.

import { bounds } from '../core/bounds.ts';
import { secretsEqual } from '../core/secrets.ts';
import type { UpstreamHeaders, UpstreamRequest, UpstreamTransport } from '../pipeline/transport/transport.ts';
import { clientError } from './client-error.ts';

const SECRET_HEADER = 'x-tollgate-relay';
const PEER_HEADER = 'x-tollgate-peer';
const LOOPBACK = '127.0.0.1';

/** Headers of the connection, not of the request; and those that only this relay may set. */
const NOT_PASSED: ReadonlySet<string> = new Set([
  'connection', 'keep-alive', 'transfer-encoding', 'te', 'trailer', 'upgrade', 'expect', 'host', 'content-length',
  SECRET_HEADER, PEER_HEADER,
]);
const PRINTABLE = /^[\t\x20-\x7e]*$/;

/** The other end has deadlines of its own for everything; these only keep a broken end from staying for ever. */
const LONG_MS = 2 * 3_600_000;
const deadlines = { connectMs: 5_000, responseHeadMs: LONG_MS, silenceMs: LONG_MS, totalMs: LONG_MS };
/** Replies up to here are given on whole, with their length. */
const WHOLE_BYTES = 1024 * 1024;

const methods = ['POST', 'GET', 'DELETE', 'PUT', 'PATCH', 'OPTIONS'] as const satisfies UpstreamRequest['method'][];

export interface Relay {
  /** Requests whose replies have not ended. */
  readonly running: number;
  forward(request: Request, peer: string, body?: Uint8Array): Promise<Response>;
}

export function createRelay(transport: UpstreamTransport, entrancePort: number, secret: string): Relay {
  const target = { url: new URL(`http://${LOOPBACK}:${entrancePort}`), addresses: 'any' } as const;
  let running = 0;
  return {
    get running() {
      return running;
    },
    async forward(request, peer, body) {
      running += 1;
      const ended = once(() => (running -= 1));
      try {
        const bytes = body ?? (request.body === null ? new Uint8Array() : await request.bytes());
        // The server leaves the body of a reply to HEAD out by itself.
        const wanted = request.method === 'HEAD' ? 'GET' : request.method;
        const method = methods.find((name) => name === wanted);
        if (method === undefined)
          return clientError('method_not_allowed', { message: `There is no ${request.method} here.` });
        const headers = [...request.headers].filter(([name, value]) => !NOT_PASSED.has(name) && PRINTABLE.test(value));
        const from = request.url.indexOf('/', request.url.indexOf('//') + 2);
        return await exchanged(transport, request.signal, ended, {
          target,
          method,
          path: request.url.slice(from),
          headers: [...headers, [SECRET_HEADER, secret], [PEER_HEADER, peer]],
          body: bytes.byteLength === 0 ? [] : [bytes],
          deadlines,
        });
      } catch (error) {
        ended();
        throw error;
      }
    },
  };
}

function exchanged(
  transport: UpstreamTransport,
  signal: AbortSignal,
  ended: () => void,
  request: UpstreamRequest,
): Promise<Response> {
  const { promise, resolve, reject } = Promise.withResolvers<Response>();
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  let whole: { readonly status: number; readonly headers: Headers; readonly pieces: Uint8Array[] } | undefined;
  const exchange = transport.send(request, {
    head(status, received, bodyLength) {
      const headers = passedBack(received);
      if (bodyLength !== undefined && bodyLength <= WHOLE_BYTES) {
        whole = { status, headers, pieces: [] };
        return;
      }
      const body = new ReadableStream<Uint8Array>({
        start: (made) => void (controller = made),
        pull: () => exchange.resume(),
        cancel: () => leave(),
      });
      resolve(new Response(body, { status, headers }));
    },
    data(chunk) {
      if (whole !== undefined) {
        whole.pieces.push(chunk);
        return true;
      }
      controller?.enqueue(chunk);
      return (controller?.desiredSize ?? 1) > 0;
    },
    end() {
      ended();
      if (whole === undefined) return controller?.close();
      const bodiless = whole.status === 204 || whole.status === 304;
      resolve(new Response(bodiless ? null : Buffer.concat(whole.pieces), whole));
    },
    fail(fault) {
      ended();
      const error = new Error(`the relay broke off: ${fault.kind}`);
      controller?.error(error);
      reject(error);
    },
  });
  const leave = () => {
    exchange.abort();
    ended();
    reject(new Error('the client left'));
  };
  if (signal.aborted) leave();
  else signal.addEventListener('abort', leave, { once: true });
  return promise;
}

function passedBack(received: UpstreamHeaders): Headers {
  const headers = new Headers();
  for (const [name, value] of received.entries()) if (!NOT_PASSED.has(name)) headers.append(name, value);
  return headers;
}

function once(does: () => void): () => void {
  let done = false;
  return () => {
    if (done) return;
    done = true;
    does();
  };
}

export interface Entrance {
  readonly port: number;
  close(): void;
}

/** Takes relayed requests in, as if they had come from the peer that the relay names. */
export function openEntrance(
  secret: string,
  answer: (request: Request, peer: string) => Response | Promise<Response>,
): Entrance {
  const server = Bun.serve({
    hostname: LOOPBACK,
    port: 0,
    // The relay's connections are few, and as quiet as their clients.
    idleTimeout: 0,
    // Or else the runtime answers `/bun:info` itself.
    development: false,
    maxRequestBodySize: bounds.requestBodyBytes + 1024 * 1024,
    fetch(request) {
      const shown = request.headers.get(SECRET_HEADER);
      const peer = request.headers.get(PEER_HEADER);
      if (shown === null || peer === null || !secretsEqual(shown, secret))
        return clientError('not_found', { message: 'There is nothing at this path.' });
      request.headers.delete(SECRET_HEADER);
      request.headers.delete(PEER_HEADER);
      return answer(request, peer);
    },
    error: () => clientError('internal_error', { message: 'Tollgate failed to serve this request.' }),
  });
  return { port: server.port ?? 0, close: () => void server.stop() };
}
