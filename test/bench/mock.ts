// A mock upstream on raw TCP, as cheap as Bun allows, so that the gateway is what is measured. Prints its port.
//   POST /v1/messages   POST /v1/responses   POST /v1/models/{model}:{verb}
//   POST /v1/chat/completions   POST /v1/embeddings   GET /v1/models   GET /stats

import type { Socket } from 'bun';
import { protocolAsked, replyIn, streamEventIn, type MockProtocol } from './mock-protocols.ts';
import {
  chatReply,
  embeddingReply,
  jsonReply,
  modelsReply,
  readScript,
  streamEvent,
  streamHead,
  type Script,
} from './mock-replies.ts';

interface Connection {
  /** Bytes of a request that is not complete yet, or that waits for a stream to end. */
  pending: Buffer | undefined;
  /** What the socket did not take. */
  unsent: string;
  streaming: boolean;
  closed: boolean;
}

type Client = Socket<Connection>;

interface Stream {
  readonly client: Client;
  readonly script: Script;
  readonly model: string;
  readonly withUsage: boolean;
  readonly protocol: MockProtocol | undefined;
  next: number;
}

/** `aborted` counts streams whose reader left early; `openPeak` is the most at once since the last look. */
const stats = { requests: 0, streams: 0, aborted: 0, open: 0, openPeak: 0 };
const headEnd = Buffer.from('\r\n\r\n');

/** Streams due at each millisecond; it turns only while a stream is open. One timer for all of them is far cheaper. */
const WHEEL_SLOTS = 4096;
const wheel: Stream[][] = Array.from({ length: WHEEL_SLOTS }, () => []);
let tick = 0;
let wheelStartMs = 0;
let wheelTimer: ReturnType<typeof setInterval> | undefined;

function turnWheel(): void {
  const now = Math.floor(performance.now() - wheelStartMs);
  while (tick < now) {
    tick++;
    const slot = wheel[tick % WHEEL_SLOTS];
    if (slot === undefined || slot.length === 0) continue;
    wheel[tick % WHEEL_SLOTS] = [];
    for (const stream of slot) continueStream(stream);
  }
}

function later(stream: Stream, delayMs: number): void {
  if (delayMs >= WHEEL_SLOTS) setTimeout(continueStream, delayMs, stream);
  else wheel[(tick + Math.max(1, delayMs)) % WHEEL_SLOTS]?.push(stream);
}

let nextTurn: Stream[] = [];

function soon(stream: Stream): void {
  nextTurn.push(stream);
  if (nextTurn.length > 1) return;
  setImmediate(() => {
    const due = nextTurn;
    nextTurn = [];
    for (const one of due) continueStream(one);
  });
}

function openStream(stream: Stream): void {
  stats.streams++;
  stats.open++;
  stats.openPeak = Math.max(stats.openPeak, stats.open);
  stream.client.data.streaming = true;
  if (wheelTimer === undefined) {
    wheelStartMs = performance.now();
    tick = 0;
    wheelTimer = setInterval(turnWheel, 1);
  }
  if (stream.script.firstDelayMs > 0) later(stream, stream.script.firstDelayMs);
  else continueStream(stream);
}

function closeStream({ client }: Stream): void {
  client.data.streaming = false;
  stats.open--;
  if (stats.open > 0 || wheelTimer === undefined) return;
  clearInterval(wheelTimer);
  wheelTimer = undefined;
}

function continueStream(stream: Stream): void {
  const { client, script } = stream;
  if (client.data.closed) {
    closeStream(stream);
    return;
  }
  if (client.data.unsent !== '') {
    later(stream, 1); // the reader is slow: wait, as a real upstream would
    return;
  }
  const head = stream.next === 0 ? streamHead : '';
  let events = '';
  for (let count = 0; count < script.chunksPerWrite && stream.next <= script.chunks; count++, stream.next++) {
    events +=
      stream.protocol === undefined
        ? streamEvent(script, stream.model, stream.next, stream.withUsage)
        : streamEventIn(stream.protocol, script, stream.next);
  }
  const ended = stream.next > script.chunks;
  send(client, `${head}${events.length.toString(16)}\r\n${events}\r\n${ended ? '0\r\n\r\n' : ''}`);
  if (!ended) {
    if (script.delayMs > 0) later(stream, script.delayMs);
    else soon(stream);
    return;
  }
  closeStream(stream);
  const { pending } = client.data;
  client.data.pending = undefined;
  if (pending !== undefined) receive(client, pending);
}

function send(client: Client, text: string): void {
  if (client.data.unsent !== '') {
    client.data.unsent += text;
    return;
  }
  const sent = client.write(text);
  if (sent >= 0 && sent < text.length) client.data.unsent = text.slice(sent);
}

/** The end of a chunked body and its text, or undefined while bytes are missing. */
function readChunked(data: Buffer, from: number): { readonly body: string; readonly end: number } | undefined {
  let body = '';
  let at = from;
  for (;;) {
    const lineEnd = data.indexOf('\r\n', at);
    if (lineEnd < 0) return undefined;
    const size = Number.parseInt(data.toString('latin1', at, lineEnd), 16);
    if (data.length < lineEnd + 2 + size + 2) return undefined;
    if (size === 0) return { body, end: lineEnd + 4 };
    body += data.toString('latin1', lineEnd + 2, lineEnd + 2 + size);
    at = lineEnd + 2 + size + 2;
  }
}

function readRequest(data: Buffer): { readonly head: string; readonly body: string; readonly end: number } | undefined {
  const at = data.indexOf(headEnd);
  if (at < 0) return undefined;
  const head = data.toString('latin1', 0, at);
  const bodyStart = at + headEnd.length;
  const lower = head.toLowerCase();
  const length = /\r\ncontent-length: *(\d+)/.exec(lower)?.[1];
  if (length !== undefined) {
    const end = bodyStart + Number(length);
    return data.length < end ? undefined : { head, body: data.toString('latin1', bodyStart, end), end };
  }
  if (!lower.includes('\r\ntransfer-encoding: chunked')) return { head, body: '', end: bodyStart };
  const chunked = readChunked(data, bodyStart);
  return chunked === undefined ? undefined : { head, ...chunked };
}

function receive(client: Client, bytes: Buffer): void {
  let data = client.data.pending === undefined ? bytes : Buffer.concat([client.data.pending, bytes]);
  client.data.pending = undefined;
  while (data.length > 0) {
    const request = client.data.streaming ? undefined : readRequest(data);
    if (request === undefined) {
      client.data.pending = Buffer.from(data);
      return;
    }
    data = data.subarray(request.end);
    answer(client, request.head, request.body);
  }
}

function answer(client: Client, head: string, body: string): void {
  if (head.startsWith('GET /stats')) {
    send(client, jsonReply('200 OK', JSON.stringify(stats)));
    stats.openPeak = stats.open;
    return;
  }
  stats.requests++;
  const protocol = protocolAsked(head);
  if (protocol !== undefined) answerIn(protocol, client, head, body);
  else if (head.startsWith('POST /v1/chat/completions')) answerChat(client, body);
  else if (head.startsWith('POST /v1/embeddings')) send(client, embeddingReply);
  else if (head.startsWith('GET /v1/models')) send(client, modelsReply);
  else send(client, jsonReply('404 Not Found', '{"error":{"message":"no such path","type":"invalid_request_error"}}'));
}

function answerChat(client: Client, body: string): void {
  const script = readScript(body);
  const model = /"model"\s*:\s*"([^"]*)"/.exec(body)?.[1] ?? 'none';
  if (script.errorStatus > 0) {
    send(client, jsonReply(`${script.errorStatus} Error`, `{"error":{"message":"mock error","type":"mock_error"}}`));
  } else if (/"stream"\s*:\s*true/.test(body)) {
    openStream({ client, script, model, withUsage: body.includes('"include_usage"'), protocol: undefined, next: 0 });
  } else if (script.firstDelayMs > 0) {
    setTimeout(() => {
      if (!client.data.closed) send(client, chatReply(script, model));
    }, script.firstDelayMs);
  } else {
    send(client, chatReply(script, model));
  }
}

function answerIn(protocol: MockProtocol, client: Client, head: string, body: string): void {
  const script = readScript(body);
  const streamed = protocol === 'gemini' ? head.includes(':streamGenerateContent') : /"stream"\s*:\s*true/.test(body);
  if (streamed) openStream({ client, script, model: 'mock', withUsage: true, protocol, next: 0 });
  else send(client, replyIn(protocol, script));
}

const server = Bun.listen<Connection>({
  hostname: '127.0.0.1',
  port: 0,
  socket: {
    open(client) {
      client.data = { pending: undefined, unsent: '', streaming: false, closed: false };
      client.setNoDelay(true);
    },
    data: (client, bytes) => receive(client, bytes),
    drain(client) {
      const { unsent } = client.data;
      client.data.unsent = '';
      if (unsent !== '') send(client, unsent);
    },
    close(client) {
      client.data.closed = true;
      if (client.data.streaming) stats.aborted++;
    },
    error() {},
  },
});
console.log(`port ${server.port}`);
