// From a config file, or the config that was compiled in, to one that can be run: the same steps for every command,
// and for a reload as for a start.

import { resolveConfig, type ConfigResult, type ResolvedConfig } from '../config/resolve.ts';
import type { Environment } from '../environment.ts';
import type { GatewayConfig } from '../plugin/gateway.ts';
import { UsageError, type ServeSettings } from './arguments.ts';
import { loadConfig } from './load-config.ts';
import type { CommandContext } from './serve.ts';

/** Gives the upstreams that stand for the simulator an address. */
export type PlaceSimulator = (config: GatewayConfig) => GatewayConfig;

type Which = Pick<ServeSettings, 'configFile' | 'preset'>;

/** Throws UsageError where there is no config at all; what is wrong inside one is in the result. */
export async function readConfig(which: Which, context: CommandContext, place: PlaceSimulator): Promise<ConfigResult> {
  const config = await loadConfig(which.configFile, context.builtIn, context.modules);
  return resolved(place(config), which.preset, context.environment);
}

/** Throws UsageError with all that is wrong, a line each. */
export async function readUsableConfig(
  which: Which,
  context: CommandContext,
  place: PlaceSimulator,
): Promise<ResolvedConfig> {
  return usable(await readConfig(which, context, place));
}

/** The same for a config that is at hand. */
export const resolvedOrRefused = (
  config: GatewayConfig,
  { preset }: Pick<ServeSettings, 'preset'>,
  environment: Environment,
): ResolvedConfig => usable(resolved(config, preset, environment));

const resolved = (config: GatewayConfig, preset: string | undefined, environment: Environment): ConfigResult =>
  resolveConfig(config, { secret: (name) => environment.secret(name), preset });

function usable(result: ConfigResult): ResolvedConfig {
  if (result.ok) return result.resolved;
  throw new UsageError(
    ['The config cannot be used:', ...result.problems.map(({ path, message }) => `  ${path}: ${message}`)].join('\n'),
  );
}
