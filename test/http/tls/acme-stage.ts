// A TLS server of the product with an authority's certificate, over the mock authority: ports, log and clock in hand.

import { connect } from 'node:tls';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '../../../src/core/clock.ts';
import { createLog } from '../../../src/core/log.ts';
import { startTlsServer, type TlsServer } from '../../../src/http/tls/start-tls-server.ts';
import type { TlsSettings } from '../../../src/http/tls/tls-settings.ts';
import type { Face } from '../../../src/http/server.ts';
import { peerOf } from '../../../src/http/server.ts';

export const domains = ['gw.example', 'api.gw.example'] as const;

/** Waits until something holds; there is no other waiting in these tests. */
export async function until(holds: () => boolean | Promise<boolean>, what: string, maxMs = 10_000): Promise<void> {
  const deadline = performance.now() + maxMs;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`not within ${maxMs} ms: ${what}`);
    await Bun.sleep(5);
  }
}

/** A clock that stands where it is put. */
export function settableClock(start = Date.now()): Clock & { advance(ms: number): void } {
  let now = start;
  return { now: () => now, monotonicMs: () => performance.now(), advance: (ms) => void (now += ms) };
}

export interface Shown {
  readonly names: string;
  readonly issuer: string;
  readonly serial: string;
  readonly protocol: string | false | null;
}

/** What a client is shown on a port; undefined if the connection ends before. */
export function shownOn(port: number, servername: string, ALPNProtocols?: string[]): Promise<Shown | undefined> {
  return new Promise((resolve) => {
    const socket = connect({
      host: '127.0.0.1',
      port,
      servername,
      rejectUnauthorized: false,
      ...(ALPNProtocols === undefined ? {} : { ALPNProtocols }),
    });
    socket.once('secureConnect', () => {
      const { subjectaltname = '', issuer, serialNumber } = socket.getPeerCertificate();
      resolve({
        names: subjectaltname,
        issuer: String(issuer.CN),
        serial: serialNumber,
        protocol: socket.alpnProtocol,
      });
      socket.destroy();
    });
    socket.once('error', () => resolve(undefined));
    socket.once('close', () => resolve(undefined));
  });
}

export interface Stage {
  readonly server: TlsServer;
  readonly lines: readonly string[];
  readonly clock: ReturnType<typeof settableClock>;
  readonly dataFolder: string;
  stop(): Promise<void>;
}

export interface StageOptions {
  readonly tls: TlsSettings;
  readonly dataFolder?: string;
  readonly clock?: ReturnType<typeof settableClock>;
  readonly face?: Face;
  readonly everyMs?: number;
  /** A free one if left out. */
  readonly port?: number;
  readonly publicUrl?: string;
}

/** Tells the address of the client that it sees. */
const echo: Face = (request) => new Response(`${peerOf(request)} ${new URL(request.url).pathname}`);

export async function startStage(options: StageOptions): Promise<Stage> {
  const dataFolder = options.dataFolder ?? mkdtempSync(join(tmpdir(), 'tollgate-tls-'));
  const clock = options.clock ?? settableClock();
  const lines: string[] = [];
  const face = async () => options.face ?? echo;
  const server = await startTlsServer({
    host: '127.0.0.1',
    port: options.port ?? 0,
    hostNames: [...domains],
    faces: { client: face, servedBy: () => undefined, admin: face, terms: face, public: face },
    tls: options.tls,
    dataFolder,
    publicUrl: options.publicUrl,
    clock,
    chance: () => 0.5,
    log: createLog(
      clock,
      (line) => void lines.push(line),
      (text) => text,
    ),
    guardSecret: () => {},
    everyMs: options.everyMs ?? 10,
    pollMs: 5,
  });
  return {
    server,
    lines,
    clock,
    dataFolder,
    async stop() {
      server.kill();
      await server.stop();
      if (options.dataFolder === undefined) rmSync(dataFolder, { recursive: true, force: true });
    },
  };
}
