// Lets a bare `bun test` work in a fresh clone: installs the locked packages when they are missing or out of date.
// Bun has already looked for packages by then, so the run is repeated in a new process and this one ends with its code.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const project = join(import.meta.dir, '..');

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** The arguments of this process; where the system does not tell, all tests run. */
function ownArguments(): readonly string[] {
  const words = textOf('/proc/self/cmdline').split('\0').slice(1, -1);
  return words.includes('test') ? words : ['test'];
}

if (textOf(join(project, 'bun.lock')) !== textOf(join(project, 'node_modules/.installed.lock'))) {
  const run = (...words: readonly string[]): number =>
    Bun.spawnSync([process.execPath, ...words], { cwd: project, stdio: ['ignore', 'inherit', 'inherit'] }).exitCode;
  const installed = run('run', '--silent', 'toolchain');
  process.exit(installed === 0 ? run(...ownArguments()) : installed);
}
