// HTTP and server-sent events as bytes: heads, chunks, events, and the two honest replies that faults deviate
// from.

import { close, finish, wait, write } from './script.ts';
import type { Script } from './script.ts';

export type Headers = readonly (readonly [name: string, value: string])[];

const reasons: Readonly<Record<number, string>> = {
  200: 'OK',
  400: 'Bad Request',
  401: 'Unauthorized',
  402: 'Payment Required',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  413: 'Content Too Large',
  429: 'Too Many Requests',
  431: 'Request Header Fields Too Large',
  500: 'Internal Server Error',
  501: 'Not Implemented',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
};

export const jsonType: Headers = [['content-type', 'application/json']];
export const chunked: Headers = [['transfer-encoding', 'chunked']];
export const streamHeaders: Headers = [
  ['content-type', 'text/event-stream; charset=utf-8'],
  ['cache-control', 'no-cache'],
  ...chunked,
];
/** A stream that is one JSON array. */
export const arrayHeaders: Headers = [['content-type', 'application/json; charset=UTF-8'], ...chunked];
/** A body that ends where the connection does. */
export const untilClose: Headers = [['connection', 'close']];

export function head(status: number | string, headers: Headers): string {
  const reason = reasons[Number(status)] ?? 'Status';
  return `HTTP/1.1 ${status} ${reason}\r\n${headers.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`;
}

export function withLength(headers: Headers, bytes: number): Headers {
  return [...headers, ['content-length', String(bytes)]];
}

function chunkText(content: string): string {
  return `${Buffer.byteLength(content).toString(16)}\r\n${content}\r\n`;
}

/** One chunk of a chunked body. */
export function chunk(content: string | Uint8Array): Uint8Array {
  if (typeof content === 'string') return Buffer.from(chunkText(content));
  return Buffer.concat([Buffer.from(`${content.length.toString(16)}\r\n`), content, Buffer.from('\r\n')]);
}

export const lastChunk = '0\r\n\r\n';
export const doneEvent = 'data: [DONE]\n\n';

export function event(json: string): string {
  return `data: ${json}\n\n`;
}

export function errorBody(
  message: string,
  type: string,
  code: string | number | null,
  param: string | null = null,
): string {
  return JSON.stringify({ error: { message, type, param, code } });
}

export interface Timing {
  /** Before the head. */
  readonly delayMs: number;
  /** Between the head and the first event, or the body. */
  readonly firstMs: number;
  /** After each event. */
  readonly gapMs: number;
}

export const noWaiting: Timing = { delayMs: 0, firstMs: 0, gapMs: 0 };

/** A whole JSON reply. Head and body go out in one write unless something is to be waited for. */
export function* jsonReply(
  status: number,
  body: string,
  headers: Headers = jsonType,
  timing: Timing = noWaiting,
): Script {
  const bytes = Buffer.from(body);
  if (timing.delayMs > 0) yield wait(timing.delayMs);
  const start = head(status, withLength(headers, bytes.length));
  if (timing.firstMs > 0) {
    yield write(start);
    yield wait(timing.firstMs);
    yield write(bytes);
  } else yield write(Buffer.concat([Buffer.from(start), bytes]));
  yield finish;
}

/** A head and these events, each a chunk and a write of its own, with the waits between; no last chunk. */
export function* streamStart(
  events: Iterable<string | Uint8Array>,
  timing: Timing,
  headers: Headers = streamHeaders,
): Script {
  if (timing.delayMs > 0) yield wait(timing.delayMs);
  yield write(head(200, headers));
  if (timing.firstMs > 0) yield wait(timing.firstMs);
  for (const each of events) {
    yield write(chunk(each));
    if (timing.gapMs > 0) yield wait(timing.gapMs);
  }
}

/**
 * A whole stream. The last chunk goes out with the last event: a client that leaves at `[DONE]` has then had all of
 * it, and is not counted as one that left early.
 */
export function* streamReply(
  events: Iterable<string | Uint8Array>,
  timing: Timing,
  headers: Headers = streamHeaders,
): Script {
  let last: string | Uint8Array = '';
  function* allButLast(): Generator<string | Uint8Array, void, undefined> {
    for (const each of events) {
      if (last !== '') yield last;
      last = each;
    }
  }
  yield* streamStart(allButLast(), timing, headers);
  yield write(last === '' ? lastChunk : Buffer.concat([chunk(last), Buffer.from(lastChunk)]));
  yield finish;
}

/** A body without length, ended by FIN. */
export function* closedReply(headers: Headers, pieces: Iterable<string | Uint8Array>): Script {
  yield write(head(200, [...headers, ...untilClose]));
  for (const piece of pieces) yield write(piece);
  yield close;
}
