// From a config file, or the config that was compiled in, to one that can be run: the same steps for every command,
// and for a reload as for a start. The file is loaded, its drop-ins are tried and loaded, and the whole is resolved.

import { dirname, resolve } from 'node:path';
import type { TObject } from '@sinclair/typebox';
import { describeProblem, linesOfTable, noLines, placedProblems, type ConfigLines } from '../config/config-lines.ts';
import type { ConfigReading } from '../config/config-reading.ts';
import { dropInsOf } from '../config/drop-in-places.ts';
import {
  resolveConfig,
  type ConfigProblem,
  type ConfigResult,
  type LoadedDropIns,
  type ResolvedConfig,
} from '../config/resolve.ts';
import type { HostModules } from '../drop-ins/host-modules.ts';
import { exportedPlugin } from '../plugin/define.ts';
import { simulatorAddress, type GatewayConfig } from '../plugin/gateway.ts';
import { UsageError, type ServeSettings } from './arguments.ts';
import { loadConfig, type LoadedConfig } from './load-config.ts';
import { ModuleFileError } from './module-closure.ts';
import { ownCommand } from './own-command.ts';
import type { CommandContext } from './serve.ts';

/** Gives the upstreams that stand for the simulator an address. */
export type PlaceSimulator = (config: GatewayConfig) => GatewayConfig;

type Which = Pick<ServeSettings, 'configFile' | 'preset'>;
type ConfigContext = Pick<CommandContext, 'environment' | 'modules' | 'trialLimits'>;

/**
 * What is wrong with the config, or keeps it from being one at all, is in the result. A drop-in that is wrong is in
 * `refusals`: a start goes on without it; a reload must not.
 */
export async function readConfig(which: Which, context: CommandContext, place: PlaceSimulator): Promise<ConfigReading> {
  let loaded: LoadedConfig;
  try {
    loaded = await loadConfig(which.configFile, context.builtIn, context.modules, context.configEvaluationMs);
  } catch (error) {
    if (error instanceof ModuleFileError) return { ok: false, problems: error.problems };
    if (error instanceof UsageError) return { ok: false, problems: [{ path: 'config', message: error.message }] };
    throw error;
  }
  const { origin } = loaded;
  const lines = linesOf(loaded, context.builtInLines);
  const result = await resolved(place(loaded.config), which, context);
  if (!result.ok) return { ok: false, problems: placedProblems(result.problems, await lines()) };
  return { ...result, origin, lines, simulated: simulatedIn(loaded.config) };
}

/** Throws UsageError with all that is wrong, a line each. */
export async function readUsableConfig(
  which: Which,
  context: CommandContext,
  place: PlaceSimulator,
): Promise<ResolvedConfig> {
  return usable(await readConfig(which, context, place)).resolved;
}

/** The reading, or UsageError with all that is wrong. */
export function usable(reading: ConfigReading): Extract<ConfigReading, { ok: true }> {
  if (reading.ok) return reading;
  throw refusal(reading.problems);
}

/** The same for a config that is at hand, as one that was compiled in. */
export async function resolvedOrRefused(
  config: GatewayConfig,
  { preset }: Pick<ServeSettings, 'preset'>,
  context: ConfigContext,
): Promise<ResolvedConfig> {
  const result = await resolved(config, { preset, configFile: undefined }, context);
  if (!result.ok) throw refusal(result.problems);
  return result.resolved;
}

const refusal = (problems: readonly ConfigProblem[]): UsageError =>
  new UsageError(
    ['The config cannot be used:', ...problems.map((problem) => `  ${describeProblem(problem)}`)].join('\n'),
  );

const simulatedIn = ({ upstreams }: GatewayConfig): readonly string[] =>
  upstreams.filter(({ baseUrl }) => baseUrl === simulatorAddress).map(({ name }) => name);

/** Found when first asked for: a parser is loaded for it, and most processes never ask. */
function linesOf({ config, origin }: LoadedConfig, builtIn: CommandContext['builtInLines']) {
  let found: Promise<ConfigLines> | undefined;
  const find = async (): Promise<ConfigLines> => {
    if (origin.kind !== 'file') return builtIn === undefined ? noLines : linesOfTable(await builtIn());
    const { parseConfigLines } = await import('../config/parse-config-lines.ts');
    return parseConfigLines(origin.sources, config);
  };
  return () => (found ??= find());
}

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
