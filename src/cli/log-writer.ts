// Where lines of the log go: standard error, or a file of its own, which is begun before anything else so that a wrong
// path is heard of at once.

import { resolve } from 'node:path';
import type { ServeSettings } from './arguments.ts';
import type { CommandContext } from './serve.ts';
import { UsageError } from './usage-error.ts';

export async function logWriter(
  { logFile, logMaxMb }: Pick<ServeSettings, 'logFile' | 'logMaxMb'>,
  { printError }: CommandContext,
): Promise<(line: string) => void> {
  if (logFile === undefined) return printError;
  const { openLogFile } = await import('../core/log-file.ts');
  try {
    const file = openLogFile({ path: resolve(logFile), bytesMax: logMaxMb * 1_000_000 });
    process.once('exit', () => file.end());
    return (line) => file.write(line);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new UsageError(`--log: ${logFile} cannot be written: ${why}`);
  }
}
