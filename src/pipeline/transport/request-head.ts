// The request's head as text, or why it cannot be written. Invariant: nothing that the caller hands in can
// end a line early, add a header, change the framing or name another path than the one that was checked.

import type { UpstreamRequest } from './transport.ts';

export type RequestHead =
  /** ASCII, so that its length is its number of bytes. */
  | { readonly kind: 'head'; readonly text: string; readonly bodyBytes: number }
  | { readonly kind: 'unsendable'; readonly detail: string };

/** Printable ASCII but space, `#` and backslash. */
const PATH = /^\/[\x21\x22\x24-\x5b\x5d-\x7e]*$/;
/** `.` and `..` as a segment of the path, however encoded. */
const DOT_SEGMENT = /\/(?:\.|%2e){1,2}(?=[/?]|$)/i;
const NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const VALUE = /^[\t\x20-\x7e]*$/;
const RESERVED = new Set([
  'host', 'content-length', 'transfer-encoding', 'connection', 'keep-alive', 'proxy-connection', 'te',
  'trailer', 'upgrade', 'expect', 'http2-settings',
]);

/**
 * What stands in the way of sending the request; `undefined` if nothing does. Names fields, never their
 * values.
 */
export function requestProblem(request: UpstreamRequest): string | undefined {
  return pathProblem(request.path) ?? headersProblem(request.headers);
}

function pathProblem(path: string): string | undefined {
  if (!PATH.test(path)) return 'the path does not begin with /, or has a character to be percent-encoded';
  const query = path.indexOf('?');
  return DOT_SEGMENT.test(query < 0 ? path : path.slice(0, query)) ? 'the path has a dot segment' : undefined;
}

function headersProblem(headers: UpstreamRequest['headers']): string | undefined {
  for (const [name, value] of headers) {
    const problem = headerProblem(name, value);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function headerProblem(name: string, value: string): string | undefined {
  if (!NAME.test(name)) return `header name ${JSON.stringify(name.slice(0, 64))} is not a token`;
  if (!VALUE.test(value)) return `the value of header ${name} has a line break or is not printable ASCII`;
  return RESERVED.has(name.toLowerCase()) ? `header ${name} belongs to the transport` : undefined;
}

export function bodyBytesOf(body: readonly Uint8Array[]): number {
  let bytes = 0;
  for (const piece of body) bytes += piece.byteLength;
  return bytes;
}

interface ComposedHeaders {
  readonly headers: UpstreamRequest['headers'];
  readonly text: string;
}

/**
 * Most requests to an upstream carry one of few lists of headers, by operation and model: these are
 * remembered.
 */
const COMPOSED_MAX = 8;

/** Writes the heads of one upstream's requests. */
export class RequestHeadComposer {
  readonly #composed: ComposedHeaders[] = [];
  #next = 0;
  #checkedPath: string | undefined;

  compose(request: UpstreamRequest, host: string): RequestHead {
    const { path, headers, method, body } = request;
    if (path !== this.#checkedPath) {
      const detail = pathProblem(path);
      if (detail !== undefined) return { kind: 'unsendable', detail };
      this.#checkedPath = path;
    }
    let composed = this.#find(headers);
    if (composed === undefined) {
      const detail = headersProblem(headers);
      if (detail !== undefined) return { kind: 'unsendable', detail };
      composed = this.#remember(headers);
    }
    const bodyBytes = bodyBytesOf(body);
    const length = bodyBytes > 0 || method === 'POST' ? `content-length: ${bodyBytes}\r\n` : '';
    const text = `${method} ${path} HTTP/1.1\r\nhost: ${host}\r\n${composed.text}${length}\r\n`;
    return { kind: 'head', text, bodyBytes };
  }

  #find(headers: UpstreamRequest['headers']): ComposedHeaders | undefined {
    for (const composed of this.#composed) if (composed.headers === headers) return composed;
    return undefined;
  }

  #remember(headers: UpstreamRequest['headers']): ComposedHeaders {
    let text = '';
    for (const [name, value] of headers) text += `${name}: ${value}\r\n`;
    const composed = { headers, text };
    this.#composed[this.#next] = composed;
    this.#next = (this.#next + 1) % COMPOSED_MAX;
    return composed;
  }
}
