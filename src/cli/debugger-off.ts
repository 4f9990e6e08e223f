// No debugger while money is served. The runtime opens one to whoever reaches its address as soon as a variable of its
// own is set, also inside the executable: it reads every secret and runs what it is told.

import type { Environment } from '../environment.ts';
import { UsageError } from './arguments.ts';

const variables = ['BUN_INSPECT', 'BUN_INSPECT_CONNECT_TO', 'BUN_INSPECT_NOTIFY'] as const;

/** Throws UsageError where the environment asks for a debugger. */
export function refuseDebugger(environment: Pick<Environment, 'secret'>): void {
  const options = environment.secret('BUN_OPTIONS') ?? '';
  const name = variables.find((each) => environment.secret(each) !== undefined);
  const found = name ?? (/--inspect\b/.test(options) ? 'BUN_OPTIONS' : undefined);
  if (found === undefined) return;
  throw new UsageError(
    `${found}: opens a debugger, and whoever reaches it has every secret of the gateway; start without that variable`,
  );
}
