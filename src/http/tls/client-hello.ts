// The first message of a TLS connection, read for two things only: which name the client calls and which application
// protocols it offers. A certificate authority that proves a name (RFC 8737) is told from all other clients by that.

/** The protocol that a validation by TLS-ALPN-01 offers, and nothing else does. */
export const ACME_PROTOCOL = 'acme-tls/1';

export type ClientHello =
  | { readonly kind: 'incomplete' }
  /** No TLS, or nothing that we can read: whoever serves TLS may judge it. */
  | { readonly kind: 'unreadable' }
  | { readonly kind: 'read'; readonly serverName: string | undefined; readonly protocols: readonly string[] };

/**
 * Bytes of a first message that are looked at. Post-quantum key shares make it 2 KiB; nobody needs eight times that.
 */
export const HELLO_BYTES_MAX = 16 * 1024;

const HANDSHAKE_RECORD = 22;
const CLIENT_HELLO = 1;
const SERVER_NAME = 0;
const PROTOCOLS = 16;
const RECORD_HEAD = 5;
const MESSAGE_HEAD = 4;

const incomplete: ClientHello = { kind: 'incomplete' };
const unreadable: ClientHello = { kind: 'unreadable' };

/** `received` are all bytes of the connection so far. The message may be spread over several records. */
export function readClientHello(received: Uint8Array): ClientHello {
  const joined = joinRecords(received);
  if (joined === undefined) return unreadable;
  const { message, more } = joined;
  const missing = more && received.length < HELLO_BYTES_MAX ? incomplete : unreadable;
  if (message.length < MESSAGE_HEAD) return missing;
  if (message[0] !== CLIENT_HELLO) return unreadable;
  const length = uint(message, 1, 3);
  if (length > HELLO_BYTES_MAX) return unreadable;
  if (message.length < MESSAGE_HEAD + length) return missing;
  return readBody(message.subarray(MESSAGE_HEAD, MESSAGE_HEAD + length));
}

/**
 * The handshake bytes of all records, and whether a record may still be arriving. Undefined where it is no handshake.
 */
function joinRecords(received: Uint8Array): { message: Uint8Array; more: boolean } | undefined {
  const parts: Uint8Array[] = [];
  let at = 0;
  while (at < received.length) {
    if (received[at] !== HANDSHAKE_RECORD)
      return parts.length === 0 ? undefined : { message: join(parts), more: false };
    if (received.length < at + RECORD_HEAD) break;
    const end = at + RECORD_HEAD + uint(received, at + 3, 2);
    parts.push(received.subarray(at + RECORD_HEAD, Math.min(end, received.length)));
    at = end;
  }
  return { message: join(parts), more: true };
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  const first = parts[0];
  return parts.length === 1 && first !== undefined ? first : Buffer.concat(parts);
}

function readBody(body: Uint8Array): ClientHello {
  // Version and random, then three lists with lengths before them: session id, cipher suites, compression methods.
  let at = 2 + 32;
  for (const lengthBytes of [1, 2, 1]) {
    if (at + lengthBytes > body.length) return unreadable;
    at += lengthBytes + uint(body, at, lengthBytes);
  }
  let serverName: string | undefined;
  let protocols: readonly string[] = [];
  if (at + 2 > body.length) return { kind: 'read', serverName, protocols };
  const end = at + 2 + uint(body, at, 2);
  if (end > body.length) return unreadable;
  at += 2;
  while (at + 4 <= end) {
    const type = uint(body, at, 2);
    const next = at + 4 + uint(body, at + 2, 2);
    if (next > end) return unreadable;
    const value = body.subarray(at + 4, next);
    if (type === SERVER_NAME) serverName = readServerName(value);
    if (type === PROTOCOLS) protocols = readProtocols(value);
    at = next;
  }
  return { kind: 'read', serverName, protocols };
}

/** A list of names of which only host names are defined, and only one. */
function readServerName(value: Uint8Array): string | undefined {
  if (value.length < 5 || value[2] !== 0) return undefined;
  const length = uint(value, 3, 2);
  return 5 + length > value.length ? undefined : text(value.subarray(5, 5 + length)).toLowerCase();
}

function readProtocols(value: Uint8Array): readonly string[] {
  const found: string[] = [];
  for (let at = 2; at < value.length;) {
    const length = value[at] ?? 0;
    if (length === 0 || at + 1 + length > value.length) break;
    found.push(text(value.subarray(at + 1, at + 1 + length)));
    at += 1 + length;
  }
  return found;
}

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');

function uint(bytes: Uint8Array, at: number, length: number): number {
  let value = 0;
  for (let index = at; index < at + length; index++) value = value * 256 + (bytes[index] ?? 0);
  return value;
}
