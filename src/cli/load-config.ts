// The config to run with: the one that was compiled in, or a file of the operator's, imported at start with the same
// imports that the built-in one has. A config file is trusted code, as plugins are.

import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { GatewayConfig } from '../plugin/gateway.ts';
import { provideHostModules, type HostModules } from '../drop-ins/host-modules.ts';
import { UsageError } from './arguments.ts';


export async function loadConfig(
  file: string | undefined,
  builtIn: GatewayConfig,
  modules: HostModules,
): Promise<GatewayConfig> {
  if (file === undefined) return builtIn;
  const path = resolve(file);
  if (!(await Bun.file(path).exists())) throw new UsageError(`--config: there is no file ${path}`);
  await provideHostModules(modules);
  let loaded: unknown;
  try {
    loaded = await import(pathToFileURL(path).href);
  } catch (error) {
    throw new UsageError(
      `--config: ${path} could not be loaded: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
  const config: unknown =
    typeof loaded === 'object' && loaded !== null && 'default' in loaded ? loaded.default : undefined;
  if (!isConfig(config))
    throw new UsageError(`--config: ${path} has no default export; write: export default defineGateway({ ... })`);
  return config;
}

/**
 * Only whether it is an object at all: `resolveConfig` checks every part of it and reports each error with its path.
 */
function isConfig(value: unknown): value is GatewayConfig {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
