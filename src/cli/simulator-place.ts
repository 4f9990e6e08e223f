// The simulator that `serve` keeps for configs that name it: started when the first such config is read, on a loopback
// port of its own, and the same one for every later config.

import { simulatorAddress, type GatewayConfig } from '../plugin/gateway.ts';
import { startSimulator, type Simulator, type SimulatorOptions } from '../simulator/server.ts';
import type { PlaceSimulator } from './read-config.ts';

export interface SimulatorPlace {
  readonly place: PlaceSimulator;
  close(): void;
}

export function createSimulatorPlace(options: SimulatorOptions): SimulatorPlace {
  let simulator: Simulator | undefined;
  return {
    place(config) {
      if (!usesSimulator(config)) return config;
      simulator ??= startSimulator(options);
      return atAddress(config, simulator.url);
    },
    close: () => simulator?.close(),
  };
}

/** Stands for the simulator's address in commands that serve nothing; nothing is sent to it. */
const NOWHERE = 'http://127.0.0.1:9/v1';

export const placeNowhere: PlaceSimulator = (config) => (usesSimulator(config) ? atAddress(config, NOWHERE) : config);

/** A config is looked at here before it was checked: its upstreams may be anything. */
const usesSimulator = (config: GatewayConfig) =>
  Array.isArray(config.upstreams) && config.upstreams.some((upstream) => upstream?.baseUrl === simulatorAddress);

const atAddress = (config: GatewayConfig, baseUrl: string): GatewayConfig => ({
  ...config,
  upstreams: config.upstreams.map((upstream) =>
    upstream?.baseUrl === simulatorAddress ? { ...upstream, baseUrl } : upstream,
  ),
});
