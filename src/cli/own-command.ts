// How to start ourselves again, from the sources as from the executable.

import { join } from 'node:path';

/** Inside the executable, modules lie in a file system of its own. */
const isCompiled = /^(?:\/\$bunfs\/|[A-Z]:[\\/]~BUN[\\/])/.test(import.meta.dir);

export const ownCommand = (...argv: readonly string[]): readonly string[] =>
  isCompiled ? [process.execPath, ...argv] : [process.execPath, join(import.meta.dir, '../main.ts'), ...argv];
