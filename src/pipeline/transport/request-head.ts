// The request's head as text, or why it cannot be written. Invariant: nothing that the caller hands in can end a
// line early, add a header, change the framing or name another path than the one that was checked.

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
  'host', 'content-length', 'transfer-encoding', 'connection', 'keep-alive', 'proxy-connection', 'te', 'trailer',
  'upgrade', 'expect', 'http2-settings',
]);

/** What stands in the way of sending the request; `undefined` if nothing does. Names fields, never their values. */
export function requestProblem(request: UpstreamRequest): string | undefined {
  const { path } = request;
  if (!PATH.test(path)) return 'the path has a character that must be percent-encoded, or does not begin with /';
  const query = path.indexOf('?');
  if (DOT_SEGMENT.test(query < 0 ? path : path.slice(0, query))) return 'the path has a dot segment';
  for (const [name, value] of request.headers) {
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

export function composeRequestHead(request: UpstreamRequest, host: string): RequestHead {
  const detail = requestProblem(request);
  if (detail !== undefined) return { kind: 'unsendable', detail };
  let text = `${request.method} ${request.path} HTTP/1.1\r\nhost: ${host}\r\n`;
  for (const [name, value] of request.headers) text += `${name}: ${value}\r\n`;
  const bodyBytes = bodyBytesOf(request.body);
  if (bodyBytes > 0 || request.method === 'POST') text += `content-length: ${bodyBytes}\r\n`;
  return { kind: 'head', text: `${text}\r\n`, bodyBytes };
}
