// From a config file, or the config that was compiled in, to one that can be run: the same steps for every command,
// and for a reload as for a start. The file is loaded, its drop-ins are tried and loaded, and the whole is resolved.

import { dirname, resolve } from 'node:path';
import type { TObject } from '@sinclair/typebox';
import { dropInsOf } from '../config/drop-in-places.ts';
import { resolveConfig, type ConfigResult, type LoadedDropIns, type ResolvedConfig } from '../config/resolve.ts';
import type { HostModules } from '../drop-ins/host-modules.ts';
import { exportedPlugin } from '../plugin/define.ts';
import type { GatewayConfig } from '../plugin/gateway.ts';
import { UsageError, type ServeSettings } from './arguments.ts';
import { loadConfig } from './load-config.ts';
import type { CommandContext } from './serve.ts';
import { ownCommand } from './own-command.ts';

/** Gives the upstreams that stand for the simulator an address. */
export type PlaceSimulator = (config: GatewayConfig) => GatewayConfig;

type Which = Pick<ServeSettings, 'configFile' | 'preset'>;
type ConfigContext = Pick<CommandContext, 'environment' | 'modules' | 'trialLimits'>;

/**
 * Throws UsageError where there is no config at all; what is wrong inside one is in the result. A drop-in that is wrong
 * is in `refusals`: a start goes on without it; a reload must not.
 */
export async function readConfig(which: Which, context: CommandContext, place: PlaceSimulator): Promise<ConfigResult> {
  const config = await loadConfig(which.configFile, context.builtIn, context.modules);
  return resolved(place(config), which, context);
}

/** Throws UsageError with all that is wrong, a line each. */
export async function readUsableConfig(
  which: Which,
  context: CommandContext,
  place: PlaceSimulator,
): Promise<ResolvedConfig> {
  return usable(await readConfig(which, context, place));
}

/** The same for a config that is at hand, as one that was compiled in. */
export const resolvedOrRefused = async (
  config: GatewayConfig,
  { preset }: Pick<ServeSettings, 'preset'>,
  context: ConfigContext,
): Promise<ResolvedConfig> => usable(await resolved(config, { preset, configFile: undefined }, context));

async function resolved(config: GatewayConfig, which: Which, context: ConfigContext): Promise<ConfigResult> {
  const { environment, modules } = context;
  const loaded = await withDropIns(config, which, context);
  return resolveConfig(loaded.config, {
    secret: (name) => environment.secret(name),
    preset: which.preset,
    dropIns: loaded,
    isBuiltIn: await builtInSchemas(modules),
  });
}

/** Nothing of what drop-ins need is loaded where there are none. */
async function withDropIns(
  config: GatewayConfig,
  { configFile, preset }: Which,
  { modules, trialLimits }: ConfigContext,
): Promise<LoadedDropIns & { readonly config: GatewayConfig }> {
  if (dropInsOf(config, preset).length === 0) return { config, dropInAt: () => undefined, refusals: [] };
  const { loadDropIns } = await import('../drop-ins/load.ts');
  return loadDropIns(config, {
    folder: dropInFolder(configFile),
    preset,
    modules,
    trialCommand: ownCommand('plugin', 'trial'),
    ...(trialLimits === undefined ? {} : { limits: trialLimits }),
  });
}

/** Where drop-ins stand: beside the config file, or where we were started for one that was compiled in. */
export const dropInFolder = (configFile: string | undefined): string =>
  configFile === undefined ? resolve('.') : dirname(resolve(configFile));

/** Whose schema it is tells whose plugin it is, under whatever name it stands in the config. */
async function builtInSchemas(modules: HostModules): Promise<(schema: TObject) => boolean> {
  const exports = Object.values((await modules['tollgate/plugins']?.()) ?? {});
  const schemas = new Set(
    exports.flatMap((value) => {
      const found = exportedPlugin(value);
      return found?.form === 'factory' ? [found.enter({}).schema] : [];
    }),
  );
  return (schema) => schemas.has(schema);
}

function usable(result: ConfigResult): ResolvedConfig {
  if (result.ok) return result.resolved;
  throw new UsageError(
    ['The config cannot be used:', ...result.problems.map(({ path, message }) => `  ${path}: ${message}`)].join('\n'),
  );
}
