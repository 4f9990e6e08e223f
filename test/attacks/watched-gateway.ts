// A gateway whose upstream is watched: every request that reaches it is kept as it came, so that a test can
// say what left the gateway and, above all, what did not.

import type { GatewayConfig } from '../../src/plugin/index.ts';
import { startSimulator, type SimulatorRequest } from '../../src/simulator/server.ts';
import { startTestGateway, testConfig, type TestGateway, type TestGatewayOptions } from '../support/gateway.ts';

export interface WatchedGateway {
  readonly gateway: TestGateway;
  readonly port: number;
  /** What the upstream was sent, in order. */
  readonly seen: readonly SimulatorRequest[];
  /** Header lines of every gateway request: host, key and content type. */
  readonly lines: readonly string[];
  stop(): Promise<void>;
}

export interface WatchedOptions extends Omit<TestGatewayOptions, 'config'> {
  readonly config?: Partial<GatewayConfig>;
  /** Of the upstream: a credential by the name of its variable, for example. */
  readonly upstream?: Partial<GatewayConfig['upstreams'][number]>;
}

export async function startWatchedGateway(options: WatchedOptions = {}): Promise<WatchedGateway> {
  const seen: SimulatorRequest[] = [];
  const simulator = startSimulator({ faults: true, observe: (request) => void seen.push(request) });
  const upstreams: GatewayConfig['upstreams'] = [
    { name: 'simulator', provider: 'simulator', baseUrl: simulator.url, addresses: 'any', ...options.upstream },
  ];
  const gateway = await startTestGateway({ ...options, config: testConfig({ upstreams, ...options.config }) });
  const { port } = gateway.serving.server;
  return {
    gateway,
    port,
    seen,
    lines: [`host: 127.0.0.1:${port}`, `authorization: Bearer ${gateway.apiKey}`, 'content-type: application/json'],
    async stop() {
      await gateway.stop();
      simulator.close();
    },
  };
}

/** The values of a header in the order sent. */
export const valuesOf = (request: SimulatorRequest, name: string): readonly string[] =>
  request.headers.filter(([each]) => each === name).map(([, value]) => value);
