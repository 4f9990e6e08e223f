// Commands in this process, with what they print.

import builtIn from '../../plugins/gateway.config.ts';
import { runCommand } from '../../src/cli/commands.ts';
import { readEnvironment } from '../../src/environment.ts';

export interface CommandResult {
  readonly exitCode: number;
  readonly output: string;
  readonly errors: string;
}

export async function command(
  argv: readonly string[], environment: Readonly<Record<string, string>> = {},
): Promise<CommandResult> {
  let output = '';
  let errors = '';
  const exitCode = await runCommand(argv, {
    environment: readEnvironment(environment), builtIn, modules: {},
    print: (text) => void (output += text),
    printError: (text) => void (errors += text),
  });
  return { exitCode, output, errors };
}
