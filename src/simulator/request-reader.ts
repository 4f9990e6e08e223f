// Cuts a byte stream into HTTP/1.1 requests, by content-length or chunks, bounded in every direction. Strict
// where a gateway might be careless: what is ambiguous is refused, so that a smuggled request shows up in a
// test.

import { bounds } from '../core/bounds.ts';

const headBytesMax = 64 * 1024;
/** Somewhat above what a gateway may send, so that the gateway's own bound is the one that tests meet. */
const bodyBytesMax = 2 * bounds.requestBodyBytes;

const keptBytes = 256 * 1024;

export interface SimulatorRequest {
  readonly method: string;
  /** As sent: path and query. */
  readonly target: string;
  /** Lower-case names, in the order sent, duplicates kept. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Uint8Array;
  readonly keepAlive: boolean;
}

export type ReadResult =
  | { readonly kind: 'more' }
  /** The client waits for `100 Continue` before it sends the body. Told once for each request. */
  | { readonly kind: 'continue' }
  | { readonly kind: 'request'; readonly request: SimulatorRequest }
  /** The connection can carry nothing more. */
  | { readonly kind: 'bad'; readonly status: number; readonly message: string };

export interface RequestReader {
  push(chunk: Uint8Array): void;
  next(): ReadResult;
  /** Bytes that came and were not yet read. */
  readonly buffered: number;
}

interface Head {
  readonly method: string;
  readonly target: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly keepAlive: boolean;
  /** Undefined: chunked. */
  readonly length: number | undefined;
  readonly bodyStart: number;
}

const more: ReadResult = { kind: 'more' };
const bad = (status: number, message: string): ReadResult => ({ kind: 'bad', status, message });

function valuesOf(headers: readonly (readonly [string, string])[], name: string): readonly string[] {
  return headers.filter(([each]) => each === name).map(([, value]) => value);
}

function parseHead(text: string, bodyStart: number): Head | ReadResult {
  const [requestLine = '', ...lines] = text.split('\r\n');
  const match = /^([A-Z]+) (\S+) HTTP\/1\.([01])$/.exec(requestLine);
  if (!match) return bad(400, 'malformed request line');
  const headers: (readonly [string, string])[] = [];
  for (const line of lines) {
    const field = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*$/.exec(line);
    if (!field) return bad(400, 'malformed header line');
    headers.push([(field[1] ?? '').toLowerCase(), field[2] ?? '']);
  }
  const lengths = valuesOf(headers, 'content-length');
  const codings = valuesOf(headers, 'transfer-encoding');
  if (lengths.length > 1 || (lengths.length > 0 && codings.length > 0)) return bad(400, 'ambiguous length');
  if (codings.length > 0 && codings.join().toLowerCase() !== 'chunked') return bad(501, 'unknown transfer-encoding');
  const [lengthText = '0'] = lengths;
  if (!/^\d{1,15}$/.test(lengthText)) return bad(400, 'malformed content-length');
  if (Number(lengthText) > bodyBytesMax) return bad(413, 'body too large');
  const connection = valuesOf(headers, 'connection').join().toLowerCase();
  return {
    method: match[1] ?? '',
    target: match[2] ?? '',
    headers,
    keepAlive: match[3] === '1' ? !connection.includes('close') : connection.includes('keep-alive'),
    length: codings.length > 0 ? undefined : Number(lengthText),
    bodyStart,
  };
}

export function createRequestReader(): RequestReader {
  let store = Buffer.alloc(0);
  let end = 0;
  let head: Head | undefined;
  let toldContinue = false;
  /** Chunked bodies: what is decoded, and where the next chunk line starts. */
  let pieces: Uint8Array[] = [];
  let piecesBytes = 0;
  let cursor = 0;

  function consume(upTo: number): void {
    store.copy(store, 0, upTo, end);
    end -= upTo;
    // A large body must not stay for the connection's life.
    if (end === 0 && store.length > keptBytes) store = Buffer.alloc(0);
    head = undefined;
    toldContinue = false;
    pieces = [];
    piecesBytes = 0;
  }

  function readHead(): Head | ReadResult {
    // A method begins with a capital. Anything else, a TLS greeting above all, is told off at once and not
    // waited for.
    const initial = store[0] ?? 0;
    if (initial < 0x41 || initial > 0x5a) return bad(400, 'this port speaks plain HTTP/1.1');
    const found = store.subarray(0, end).indexOf('\r\n\r\n');
    if (found < 0) return end > headBytesMax ? bad(431, 'head too large') : more;
    if (found > headBytesMax) return bad(431, 'head too large');
    return parseHead(store.toString('latin1', 0, found), found + 4);
  }

  function complete(current: Head, body: Uint8Array, upTo: number): ReadResult {
    const { method, target, headers, keepAlive } = current;
    consume(upTo);
    return { kind: 'request', request: { method, target, headers, body, keepAlive } };
  }

  function readChunked(current: Head): ReadResult {
    for (;;) {
      const lineEnd = store.subarray(cursor, Math.min(end, cursor + 1_024)).indexOf('\r\n');
      if (lineEnd < 0) return end - cursor >= 1_024 ? bad(400, 'malformed chunk') : more;
      const size = /^([0-9a-fA-F]{1,8})(?:;.*)?$/.exec(store.toString('latin1', cursor, cursor + lineEnd));
      if (!size) return bad(400, 'malformed chunk');
      const bytes = Number.parseInt(size[1] ?? '', 16);
      const dataStart = cursor + lineEnd + 2;
      if (piecesBytes + bytes > bodyBytesMax) return bad(413, 'body too large');
      if (end < dataStart + bytes + 2) return more;
      if (store[dataStart + bytes] !== 13 || store[dataStart + bytes + 1] !== 10) {
        return bad(400, bytes === 0 ? 'trailers are not read' : 'malformed chunk');
      }
      cursor = dataStart + bytes + 2;
      if (bytes === 0) return complete(current, Buffer.concat(pieces), cursor);
      pieces.push(new Uint8Array(store.subarray(dataStart, dataStart + bytes)));
      piecesBytes += bytes;
    }
  }

  return {
    push(chunk) {
      if (end + chunk.length > store.length) {
        const larger = Buffer.allocUnsafeSlow(Math.max(4_096, 2 * (end + chunk.length)));
        store.copy(larger, 0, 0, end);
        store = larger;
      }
      store.set(chunk, end);
      end += chunk.length;
    },
    next() {
      if (end === 0) return more;
      if (!head) {
        const read = readHead();
        if ('kind' in read) return read;
        head = read;
        cursor = read.bodyStart;
      }
      if (!toldContinue && valuesOf(head.headers, 'expect').join().toLowerCase() === '100-continue') {
        toldContinue = true;
        if (end === head.bodyStart) return { kind: 'continue' };
      }
      if (head.length === undefined) return readChunked(head);
      const bodyEnd = head.bodyStart + head.length;
      if (end < bodyEnd) return more;
      return complete(head, new Uint8Array(store.subarray(head.bodyStart, bodyEnd)), bodyEnd);
    },
    get buffered() {
      return end;
    },
  };
}
