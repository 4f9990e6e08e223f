// A whole gateway with short deadlines, a clock of its own or another transport, for attacks that consist in
// being slow or need a world that answers as told. Everything else is as served.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { firstStart } from '../../src/cli/first-start.ts';
import { resolvedOrRefused } from '../../src/cli/read-config.ts';
import { deadlines, type Deadlines } from '../../src/core/bounds.ts';
import { systemClock } from '../../src/core/clock.ts';
import { createLog } from '../../src/core/log.ts';
import { generateKey, sha256Hex, systemRandomBytes } from '../../src/core/secrets.ts';
import { readEnvironment } from '../../src/environment.ts';
import { createGateway, type Gateway } from '../../src/gateway.ts';
import { peerOf, startServer, type RunningServer } from '../../src/http/server.ts';
import type { UpstreamTransport } from '../../src/pipeline/transport/transport.ts';
import type { GatewayConfig } from '../../src/plugin/index.ts';
import { startSimulator, type Simulator } from '../../src/simulator/server.ts';
import { field, testConfig } from '../support/gateway.ts';

export interface ImpatientGateway {
  readonly port: number;
  readonly apiKey: string;
  readonly operatorKey: string;
  readonly dataFolder: string;
  readonly gateway: Gateway;
  readonly simulator: Simulator;
  readonly log: readonly string[];
  /** Usage records, newest first, everything acknowledged before the call included. */
  usage(): Promise<readonly unknown[]>;
  stop(): Promise<void>;
}

export interface ImpatientOptions {
  readonly config?: Partial<GatewayConfig>;
  readonly environment?: Readonly<Record<string, string>>;
  readonly deadlines?: Partial<Deadlines>;
  readonly idleSeconds?: number;
  /** The time of day. Durations are real. */
  readonly now?: () => number;
  readonly transport?: UpstreamTransport;
}

export async function startImpatientGateway(options: ImpatientOptions): Promise<ImpatientGateway> {
  const dataFolder = mkdtempSync(join(tmpdir(), 'tollgate-impatient-'));
  const simulator = startSimulator({ faults: true });
  const log: string[] = [];
  const config = testConfig({
    upstreams: [{ name: 'simulator', provider: 'simulator', baseUrl: simulator.url, addresses: 'any' }],
    ...options.config,
  });
  // Made after the gateway, which tells it of bodies and endings.
  const made: { server?: RunningServer } = {};
  const operatorKey = generateKey('operator-key', systemRandomBytes);
  const operator = { id: 'opk_test', scopes: ['admin'] } as const;
  const clock = { now: options.now ?? systemClock.now, monotonicMs: systemClock.monotonicMs };
  const gateway = await createGateway({
    resolved: await resolvedOrRefused(
      config,
      { preset: undefined },
      { environment: readEnvironment(options.environment ?? {}), modules: {} },
    ),
    dataFolder,
    version: '0',
    publicUrl: () => '',
    trustedProxies: [],
    operatorKeys: { find: (sha256) => (sha256 === sha256Hex(operatorKey) ? operator : undefined) },
    clock,
    chance: Math.random,
    log: createLog(
      clock,
      (line) => void log.push(line),
      (text) => text,
    ),
    peerOf,
    connections: {
      mayBeQuiet: (request) => made.server?.mayBeQuiet(request),
      replyEnds: (request) => made.server?.replyEnds(request),
    },
    deadlines: { ...deadlines, ...options.deadlines },
    ...(options.transport === undefined ? {} : { transport: options.transport }),
  });
  const first = await firstStart(gateway, dataFolder);
  const running = startServer({
    host: '127.0.0.1',
    port: 0,
    hostNames: [],
    faces: gateway.faces,
    idleSeconds: options.idleSeconds ?? 60,
  });
  made.server = running;
  return {
    port: running.port,
    apiKey: first?.apiKey ?? '',
    operatorKey,
    dataFolder,
    gateway,
    simulator,
    log,
    async usage() {
      const answer = await fetch(`${running.url}/admin/v1/usage?limit=200`, {
        headers: { authorization: `Bearer ${operatorKey}` },
      });
      const rows = field(await answer.json(), 'items');
      return Array.isArray(rows) ? rows : [];
    },
    async stop() {
      running.kill();
      await gateway.close();
      simulator.close();
      rmSync(dataFolder, { recursive: true, force: true });
    },
  };
}
