// A client that writes what it likes: bytes as an attacker forms them, and every reply that came for them.
// Nothing is made polite on the way, as any HTTP library would.

import { dechunk, exchange, type Ending } from '../simulator/raw-client.ts';

export interface Reply {
  readonly status: number;
  /** Lower-case names; a repeated one has its values joined by a line feed. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

export interface Conversation {
  readonly replies: readonly Reply[];
  /** `fin` or `reset`: the server has closed the connection. */
  readonly ending: Ending;
}

interface Parsed {
  readonly reply: Reply;
  readonly end: number;
}

/** The first reply in these bytes, if it is whole. */
function firstReply(raw: Buffer, closed: boolean): Parsed | undefined {
  const headEnd = raw.indexOf('\r\n\r\n');
  if (headEnd < 0) return undefined;
  const [statusLine = '', ...lines] = raw.toString('latin1', 0, headEnd).split('\r\n');
  const headers = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).trim();
    const before = headers.get(name);
    headers.set(name, before === undefined ? value : `${before}\n${value}`);
  }
  const status = Number(statusLine.split(' ')[1]);
  const start = headEnd + 4;
  const parsed = (body: Buffer, end: number) => ({ reply: { status, headers, body: body.toString() }, end });
  if (status < 200 || status === 204 || status === 304) return parsed(Buffer.alloc(0), start);
  if (headers.get('transfer-encoding') === 'chunked') {
    const { body, whole, rest } = dechunk(raw.subarray(start));
    if (!whole) return closed ? parsed(body, raw.length) : undefined;
    return parsed(body, raw.length - rest.length);
  }
  const length = headers.get('content-length');
  if (length === undefined) return closed ? parsed(raw.subarray(start), raw.length) : undefined;
  const end = start + Number(length);
  return raw.length < end ? undefined : parsed(raw.subarray(start, end), end);
}

export function repliesIn(raw: Buffer, closed: boolean): readonly Reply[] {
  const replies: Reply[] = [];
  for (let rest = raw; rest.length > 0;) {
    const first = firstReply(rest, closed);
    if (first === undefined) break;
    replies.push(first.reply);
    rest = rest.subarray(first.end);
  }
  return replies;
}

/** Sends this on a connection of its own and waits for so many replies, or for the server to close. */
export async function converse(port: number, bytes: string | Uint8Array, replies = 1): Promise<Conversation> {
  const open = exchange(port, bytes);
  try {
    const { raw, ending } = await open.until((soFar) => repliesIn(soFar, false).length >= replies);
    return { replies: repliesIn(raw, ending !== 'open'), ending };
  } finally {
    open.socket.destroy();
  }
}

/** One request, one reply. */
export async function reply(port: number, bytes: string | Uint8Array): Promise<Reply> {
  const [first] = (await converse(port, bytes)).replies;
  if (first === undefined) throw new Error('the server closed the connection without a reply');
  return first;
}

/** A request with these header lines, and with the length of its body where it has one. */
export function requestBytes(line: string, headers: readonly string[], body: string | Uint8Array = ''): Uint8Array {
  const content = Buffer.from(body);
  const length = content.length === 0 ? [] : [`content-length: ${content.length}`];
  return Buffer.concat([Buffer.from(`${[line, ...headers, ...length].join('\r\n')}\r\n\r\n`, 'latin1'), content]);
}

/** One chunk and the end of a chunked body. */
export const inChunks = (body: string): string => `${Buffer.byteLength(body).toString(16)}\r\n${body}\r\n0\r\n\r\n`;

export const chatBody = (content: string, more: Readonly<Record<string, unknown>> = {}): string =>
  JSON.stringify({ model: 'sim/fast', messages: [{ role: 'user', content }], ...more });
