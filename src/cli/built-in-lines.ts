// Where the config that is compiled in says what it says. The build finds it and the executable carries it as a file; a
// gateway that runs from sources looks for itself. Asked for by operators only, never by a start.

import { readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import type { ConfigLinesTable } from '../config/config-lines.ts';
import { configLinesTable } from '../config/parse-config-lines.ts';
import { readClosure } from './module-closure.ts';

/** At the root of what is embedded, beside the program. */
export const LINES_FILE = 'config-lines.json';

const HOST_MODULES = ['tollgate/plugin', 'tollgate/plugins'] as const;

export const builtInLines = async (): Promise<ConfigLinesTable> =>
  Bun.isStandaloneExecutable
    ? JSON.parse(readFileSync(join(import.meta.dir, LINES_FILE), 'utf8'))
    : tableOf(join(import.meta.dir, '../../plugins/gateway.config.ts'));

/** Empty where the file cannot be followed: a build must not fail for want of a line. */
export async function tableOf(configFile: string): Promise<ConfigLinesTable> {
  try {
    const { sources } = await readClosure(configFile, HOST_MODULES);
    const folder = dirname(configFile);
    return configLinesTable(sources.map(({ path, text }) => ({ path: relative(folder, path), text })));
  } catch {
    return {};
  }
}
