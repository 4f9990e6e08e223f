// The request's head as bytes, or why it cannot be written. Invariant: nothing that the caller hands in can
// end a line early, add a header, change the framing or name another path than the one that was checked.

import type { UpstreamRequest } from './transport.ts';

/** A head but for the number of content-length and the empty line: the same for many requests, so kept. */
export interface RequestHead {
  readonly kind: 'head';
  readonly method: UpstreamRequest['method'];
  readonly path: string;
  readonly headers: UpstreamRequest['headers'];
  /** Whether it ends in `content-length: `. */
  readonly statesLength: boolean;
  readonly bytes: Uint8Array;
  /** A whole line for this request alone, or nothing. */
  readonly also: string;
}

export interface UnsendableHead {
  readonly kind: 'unsendable';
  readonly detail: string;
}

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
  const { also } = request;
  const problem = pathProblem(request.path) ?? headersProblem(request.headers);
  return problem ?? (also === undefined ? undefined : headerProblem(also[0], also[1]));
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

/**
 * Most requests to an upstream carry one of few lists of headers, by operation and model: these are
 * remembered.
 */
const REMEMBERED_MAX = 8;

/** Finds the heads of one upstream's requests. */
export class RequestHeadComposer {
  readonly #host: string;
  readonly #remembered: RequestHead[] = [];
  #next = 0;

  constructor(host: string) {
    this.#host = host;
  }

  compose(request: UpstreamRequest, bodyBytes: number): RequestHead | UnsendableHead {
    const head = this.#shared(request, bodyBytes);
    const { also } = request;
    if (also === undefined || head.kind === 'unsendable') return head;
    const [name, value] = also;
    const detail = headerProblem(name, value);
    if (detail !== undefined) return { kind: 'unsendable', detail };
    const { kind, method, path, headers, statesLength, bytes } = head;
    return { kind, method, path, headers, statesLength, bytes, also: `${name}: ${value}\r\n` };
  }

  #shared(request: UpstreamRequest, bodyBytes: number): RequestHead | UnsendableHead {
    const { path, headers, method } = request;
    const statesLength = bodyBytes > 0 || method === 'POST';
    for (const head of this.#remembered) {
      const same = head.headers === headers && head.path === path && head.method === method;
      if (same && head.statesLength === statesLength) return head;
    }
    const detail = requestProblem(request);
    if (detail !== undefined) return { kind: 'unsendable', detail };
    let text = `${method} ${path} HTTP/1.1\r\nhost: ${this.#host}\r\n`;
    for (const [name, value] of headers) text += `${name}: ${value}\r\n`;
    if (statesLength) text += 'content-length: ';
    const bytes = Buffer.from(text, 'latin1');
    const head: RequestHead = { kind: 'head', method, path, headers, statesLength, bytes, also: '' };
    this.#remembered[this.#next] = head;
    this.#next = (this.#next + 1) % REMEMBERED_MAX;
    return head;
  }
}

/** The most that `writeHead` adds to what stands in the head: the number, and the ends of lines. */
const TAIL_BYTES_MAX = 24;

export const headBytesMax = (head: RequestHead): number => head.bytes.length + head.also.length + TAIL_BYTES_MAX;

const CR = 13;
const LF = 10;
const ZERO = 48;

/** Writes a whole head to the beginning of `into`; says where it ends. */
export function writeHead(into: Uint8Array, head: RequestHead, bodyBytes: number): number {
  into.set(head.bytes, 0);
  let at = head.bytes.length;
  if (head.statesLength) {
    let divisor = 1;
    while (bodyBytes / divisor >= 10) divisor *= 10;
    for (; divisor >= 1; divisor /= 10) into[at++] = ZERO + (Math.trunc(bodyBytes / divisor) % 10);
    into[at++] = CR;
    into[at++] = LF;
  }
  for (let index = 0; index < head.also.length; index += 1) into[at++] = head.also.charCodeAt(index);
  into[at++] = CR;
  into[at++] = LF;
  return at;
}
