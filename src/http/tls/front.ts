// Stands before the TLS port while a certificate authority proves a name by TLS-ALPN-01 (RFC 8737), and before the
// first certificate is there. It reads the first message of each connection: validations get the certificate that they
// ask for, everything else goes, byte for byte, to the server behind. Seconds in two months: it costs a hop, and no
// connection.

import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { ACME_PROTOCOL, HELLO_BYTES_MAX, readClientHello } from './client-hello.ts';

/** What a validation is shown: PEM. */
export interface ChallengeCertificate {
  readonly cert: string;
  readonly key: string;
}

export interface FrontOptions {
  readonly host: string;
  readonly port: number;
  /** The loopback port of the server behind; undefined while there is none, and connections are closed. */
  readonly behind: () => number | undefined;
  /** Answered now, by name in lower case. */
  readonly challenges: ReadonlyMap<string, ChallengeCertificate>;
  /** A validation could not be answered. */
  readonly onDefect: (error: unknown) => void;
}

export interface Front {
  readonly port: number;
  /** The client's address of a connection that the server behind sees from this loopback port. */
  addressOf(sourcePort: number): string | undefined;
  /** Takes no new connection; resolves when the last passed-on one has ended. */
  stop(): Promise<void>;
  kill(): void;
}

const LOOPBACK = '127.0.0.1';
/** A client that has not said within this time what it wants is no client. */
const HELLO_MAX_MS = 10_000;
/** Connections that have not said what they want yet. */
const UNDECIDED_MAX = 1_000;

export async function startFront(options: FrontOptions): Promise<Front> {
  const open = new Set<Socket>();
  const addresses = new Map<number, string>();
  const answerer = createAnswerer(options.challenges);
  let undecided = 0;

  const decide = (client: Socket, head: Buffer): void => {
    const hello = readClientHello(head);
    const { remoteAddress } = client;
    if (hello.kind === 'read' && hello.protocols.includes(ACME_PROTOCOL)) {
      answerer.portFor(hello.serverName).then(
        (port) => passOn(client, head, port),
        (error: unknown) => {
          options.onDefect(error);
          client.destroy();
        },
      );
    } else passOn(client, head, options.behind(), (port) => addresses.set(port, remoteAddress ?? ''));
  };

  const passOn = (client: Socket, head: Buffer, port: number | undefined, opened?: (source: number) => void): void => {
    if (port === undefined || client.destroyed) return void client.destroy();
    const server = connect({ port, host: LOOPBACK, allowHalfOpen: true });
    let source: number | undefined;
    server.once('connect', () => {
      source = server.localPort;
      if (source !== undefined) opened?.(source);
      // A stream's small pieces must not wait for each other.
      server.setNoDelay(true);
      client.setNoDelay(true);
      server.write(head);
      client.pipe(server);
      server.pipe(client);
    });
    client.once('close', () => server.destroy());
    client.on('error', () => server.destroy());
    server.on('error', () => client.destroy());
    server.once('close', () => {
      if (source !== undefined) addresses.delete(source);
      client.destroySoon();
    });
  };

  const listener = createServer({ allowHalfOpen: true }, (client) => {
    open.add(client);
    client.once('close', () => open.delete(client));
    if (undecided >= UNDECIDED_MAX) return void client.destroy();
    undecided += 1;
    const parts: Buffer[] = [];
    let decided = false;
    const settle = () => {
      if (decided) return false;
      decided = true;
      undecided -= 1;
      clearTimeout(late);
      client.off('data', read);
      return true;
    };
    const read = (part: Buffer) => {
      parts.push(part);
      const head = parts.length === 1 ? part : Buffer.concat(parts);
      if (readClientHello(head).kind === 'incomplete' && head.length < HELLO_BYTES_MAX) return;
      if (!settle()) return;
      client.pause();
      decide(client, head);
    };
    const late = setTimeout(() => client.destroy(), HELLO_MAX_MS);
    client.once('close', settle);
    client.once('end', () => decided || client.destroy());
    client.on('error', () => client.destroy());
    client.on('data', read);
  });
  const port = await listening(listener, { port: options.port, host: options.host, reusePort: true });
  const closed = new Promise<void>((resolve) => void listener.once('close', () => resolve()));
  return {
    port,
    addressOf: (source) => addresses.get(source),
    async stop() {
      listener.close();
      await closed;
      answerer.close();
    },
    kill() {
      listener.close();
      for (const socket of open) socket.destroy();
      answerer.close();
    },
  };
}

type Listener = ReturnType<typeof createServer>;

function listening(
  server: Listener,
  where: { readonly port: number; readonly host: string; readonly reusePort?: boolean },
): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ ...where }, () => {
      server.off('error', reject);
      server.on('error', () => {});
      resolve(portOf(server.address()));
    });
  });
}

const portOf = (address: AddressInfo | string | null): number =>
  typeof address === 'object' && address !== null ? address.port : 0;

/**
 * Servers on loopback that speak `acme-tls/1` and nothing else, one for each challenge, made when it is first asked
 * for.
 */
function createAnswerer(challenges: ReadonlyMap<string, ChallengeCertificate>) {
  const servers = new Map<ChallengeCertificate, { readonly server: Listener; readonly port: Promise<number> }>();
  /** A front may stand for days, and each try at an authority brings challenges of its own. */
  const closeOld = () => {
    const current = new Set(challenges.values());
    for (const [challenge, { server }] of servers) {
      if (current.has(challenge)) continue;
      servers.delete(challenge);
      server.close();
    }
  };
  return {
    async portFor(name: string | undefined): Promise<number | undefined> {
      closeOld();
      const challenge = name === undefined ? undefined : challenges.get(name);
      if (challenge === undefined) return undefined;
      let made = servers.get(challenge);
      if (made === undefined) {
        const server = createTlsServer({ ...challenge, ALPNProtocols: [ACME_PROTOCOL] }, (socket) => {
          // RFC 8737 section 3: the handshake is all; nothing is said over it.
          socket.on('error', () => {});
          socket.end();
        });
        server.on('tlsClientError', () => {});
        made = { server, port: listening(server, { port: 0, host: LOOPBACK }) };
        servers.set(challenge, made);
      }
      return made.port;
    },
    close() {
      for (const { server } of servers.values()) server.close();
    },
  };
}
