// A config for commands that serve nothing: the simulator's address is not known then, and need not be.

import { simulatorAddress, type GatewayConfig } from '../plugin/gateway.ts';

/** Stands for the address that `serve` gives the simulator; nothing is sent to it. */
const NOWHERE = 'http://127.0.0.1:9/v1';

export function offline(config: GatewayConfig): GatewayConfig {
  if (!Array.isArray(config.upstreams)) return config;
  return {
    ...config,
    upstreams: config.upstreams.map((upstream) =>
      upstream.baseUrl === simulatorAddress ? { ...upstream, baseUrl: NOWHERE } : upstream,
    ),
  };
}
