// The config to run with: the one that was compiled in, or a file of the operator's, read anew each time with the same
// imports that the built-in one has. A config file is trusted code, as plugins are.

import { existsSync } from 'node:fs';
import { dirname, relative, resolve } from 'node:path';
import type { ConfigOrigin } from '../config/config-origin.ts';
import type { GatewayConfig } from '../plugin/gateway.ts';
import { provideHostModules, type HostModules } from '../drop-ins/host-modules.ts';
import { CODE, ModuleFileError, readClosure, thrownAt, type ModuleClosure } from './module-closure.ts';

export interface LoadedConfig {
  readonly config: GatewayConfig;
  readonly origin: ConfigOrigin;
}

/** How long a config may take to be evaluated: it may wait for something that never comes. */
export const CONFIG_EVALUATION_MS = 10_000;

/** Throws ModuleFileError. */
export async function loadConfig(
  file: string | undefined,
  builtIn: GatewayConfig,
  modules: HostModules,
  evaluationMs: number = CONFIG_EVALUATION_MS,
): Promise<LoadedConfig> {
  if (file === undefined) return { config: builtIn, origin: { kind: 'compiled-in' } };
  const path = resolve(file);
  if (!CODE.test(path)) {
    throw refused(`${path} is no TypeScript or JavaScript file; a config is code, so that its types are checked`);
  }
  if (!existsSync(path)) throw refused(`there is no file ${path}`);
  await provideHostModules(modules);
  const closure = await readClosure(path, Object.keys(modules));
  const loaded = await evaluated(closure, path, evaluationMs);
  const config: unknown =
    typeof loaded === 'object' && loaded !== null && 'default' in loaded ? loaded.default : undefined;
  if (!isConfig(config)) {
    throw refused('the file has no default export; write: export default defineGateway({ ... })', `${shortOf(path)}:1`);
  }
  const inFolder = <T extends { readonly path: string }>(entry: T): T => ({
    ...entry,
    path: relative(dirname(path), entry.path),
  });
  const origin = {
    kind: 'file',
    file: path,
    files: closure.files.map(inFolder),
    sources: closure.sources.map(inFolder),
  } as const;
  return { config, origin };
}

async function evaluated(closure: ModuleClosure, path: string, evaluationMs: number): Promise<unknown> {
  let late: ReturnType<typeof setTimeout> | undefined;
  const { exit } = process;
  const { promise: failed, reject } = Promise.withResolvers<never>();
  // What nobody awaits would end the process, and so would its exit: a config that is tried does neither.
  process.on('unhandledRejection', reject);
  process.exit = (code): never => {
    const refusal = new Error('a config may not end the process');
    if (thrownAt(path, closure.files, refusal) === undefined) return exit(code);
    throw refusal;
  };
  try {
    const running = closure.run().then(async (loaded) => {
      await new Promise((resolved) => setTimeout(resolved, 0));
      return loaded;
    });
    return await Promise.race([
      running,
      failed,
      new Promise((_, giveUp) => {
        const because = `it is not evaluated after ${evaluationMs} ms: something that it awaits never comes`;
        late = setTimeout(() => giveUp(refused(because, `${shortOf(path)}:1`)), evaluationMs);
      }),
    ]);
  } catch (error) {
    if (error instanceof ModuleFileError) throw error;
    const message = error instanceof Error ? error.message : String(error);
    throw refused(`it throws: ${message}`, thrownAt(path, closure.files, error));
  } finally {
    process.off('unhandledRejection', reject);
    process.exit = exit;
    clearTimeout(late);
  }
}

const shortOf = (path: string): string => relative(dirname(path), path);

const refused = (message: string, declaredAt?: string): ModuleFileError =>
  new ModuleFileError([{ path: 'config', message, declaredAt }]);

/**
 * Only whether it is an object at all: `resolveConfig` checks every part of it and reports each error with its path.
 */
function isConfig(value: unknown): value is GatewayConfig {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
