// argv to a command; nothing else.

import builtIn from 'tollgate:config';
import { readEnvironment } from './environment.ts';
import { runCommand } from './cli/commands.ts';
import { print, printError } from './cli/print.ts';

process.exitCode = await runCommand(process.argv.slice(2), {
  environment: readEnvironment(),
  builtIn,
  builtInLines: async () => (await import('./cli/built-in-lines.ts')).builtInLines(),
  modules: {
    'tollgate/plugin': () => import('./plugin/index.ts'),
    'tollgate/plugins': () => import('tollgate/plugins'),
    '@sinclair/typebox': () => import('@sinclair/typebox'),
  },
  print,
  printError,
});
process.exit();
