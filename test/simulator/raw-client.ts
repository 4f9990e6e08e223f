// A client that hides nothing: bytes as they came, and how the connection ended. Fault tests look through it.

import { connect } from 'node:net';
import type { Socket } from 'node:net';

const exchangeDeadlineMs = 20_000;

/** `open`: the caller had seen enough while the connection was still open. */
export type Ending = 'fin' | 'reset' | 'open';

export interface RawReply {
  readonly raw: Buffer;
  readonly head: string;
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  /** After the head, framing included. */
  readonly rest: Buffer;
  readonly ending: Ending;
  /** Reads that brought something. */
  readonly reads: number;
}

export interface Exchange {
  readonly socket: Socket;
  /** What came so far. */
  received(): Buffer;
  /** Waits until what came satisfies `enough`, or the connection ends. Throws after the deadline. */
  until(enough: (raw: Buffer) => boolean): Promise<RawReply>;
}

export function requestText(path: string, body: unknown, headers: readonly string[] = []): string {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const lines = [`POST ${path} HTTP/1.1`, 'host: simulator', 'content-type: application/json', ...headers];
  return `${lines.join('\r\n')}\r\ncontent-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`;
}

function parse(raw: Buffer, ending: Ending, reads: number): RawReply {
  const headEnd = raw.indexOf('\r\n\r\n');
  const head = headEnd < 0 ? '' : raw.toString('latin1', 0, headEnd);
  const [statusLine = '', ...lines] = head.split('\r\n');
  const headers = lines.map((line) => [line.split(': ')[0] ?? '', line.slice(line.indexOf(': ') + 2)] as const);
  return {
    raw,
    head,
    ending,
    reads,
    status: Number(statusLine.split(' ')[1]),
    headers: new Map(headers),
    rest: headEnd < 0 ? Buffer.alloc(0) : raw.subarray(headEnd + 4),
  };
}

/** Sends this and collects what comes. */
export function exchange(port: number, request: string | Uint8Array): Exchange {
  let store = Buffer.alloc(64 * 1024);
  let bytes = 0;
  let reads = 0;
  let ending: Ending = 'open';
  let wake: (() => void) | undefined;
  const socket = connect(port, '127.0.0.1', () => socket.write(request));
  const ended = (how: Ending) => {
    if (ending === 'open') ending = how;
    wake?.();
  };
  socket.on('data', (read) => {
    const chunk = Buffer.from(read);
    if (bytes + chunk.length > store.length) store = Buffer.concat([store], 2 * (bytes + chunk.length));
    store.set(chunk, bytes);
    bytes += chunk.length;
    reads++;
    wake?.();
  });
  socket.on('end', () => ended('fin'));
  socket.on('error', () => ended('reset'));
  const received = () => store.subarray(0, bytes);
  return {
    socket,
    received,
    async until(enough) {
      const deadline = Date.now() + exchangeDeadlineMs;
      for (;;) {
        const raw = received();
        if (enough(raw) || ending !== 'open') return parse(raw, ending, reads);
        if (Date.now() > deadline) throw new Error(`nothing more came after ${raw.length} bytes`);
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, 1_000);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
    },
  };
}

/** True once a reply framed by content-length or chunks is whole. */
export function isWhole(raw: Buffer): boolean {
  const { head, headers, rest } = parse(raw, 'open', 0);
  if (head === '') return false;
  const length = headers.get('content-length');
  if (length !== undefined) return rest.length >= Number(length);
  return headers.has('transfer-encoding') && rest.includes('0\r\n\r\n') && dechunk(rest).whole;
}

/** One whole request and reply; the connection is given up after it. */
export async function ask(port: number, request: string | Uint8Array): Promise<RawReply> {
  const open = exchange(port, request);
  try {
    return await open.until(isWhole);
  } finally {
    open.socket.destroy();
  }
}

export interface Dechunked {
  readonly body: Buffer;
  readonly chunks: readonly Buffer[];
  /** Whether the last chunk came. */
  readonly whole: boolean;
  /** What follows it, or an unfinished chunk. */
  readonly rest: Buffer;
}

export function dechunk(rest: Buffer): Dechunked {
  const chunks: Buffer[] = [];
  let at = 0;
  for (;;) {
    const lineEnd = rest.indexOf('\r\n', at);
    const size = lineEnd < 0 ? Number.NaN : Number.parseInt(rest.toString('latin1', at, lineEnd), 16);
    const dataEnd = lineEnd + 2 + size;
    if (Number.isNaN(size) || dataEnd + 2 > rest.length) {
      return { body: Buffer.concat(chunks), chunks, whole: false, rest: rest.subarray(at) };
    }
    at = dataEnd + 2;
    if (size === 0) return { body: Buffer.concat(chunks), chunks, whole: true, rest: rest.subarray(at) };
    chunks.push(rest.subarray(lineEnd + 2, dataEnd));
  }
}

/** Waits until it is true. Throws after the deadline. */
export async function eventually(what: string, condition: () => boolean): Promise<void> {
  const deadline = Date.now() + exchangeDeadlineMs;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`never: ${what}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}
