// `tollgate upstream`: the simulator alone, for trying a gateway against an upstream that needs nobody.

import { parseArgs } from 'node:util';
import { startSimulator } from '../simulator/server.ts';
import { UsageError } from './arguments.ts';
import type { CommandContext } from './serve.ts';

export async function upstreamCommand(argv: readonly string[], context: CommandContext): Promise<number> {
  const { values } = parseArgs({
    args: [...argv],
    strict: true,
    options: {
      port: { type: 'string' },
      host: { type: 'string' },
      faults: { type: 'boolean' },
      recordings: { type: 'string' },
    },
  });
  const port = Number(values.port ?? 0);
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new UsageError('--port: give a number from 0 to 65535');
  const recordings = values.recordings ?? context.environment.recordings;
  const simulator = startSimulator({
    port,
    host: values.host ?? '127.0.0.1',
    faults: values.faults ?? false,
    ...(recordings === undefined ? {} : { recordings }),
  });
  context.print(`The simulator serves on ${simulator.url}\n`);
  const { promise, resolve } = Promise.withResolvers<number>();
  const stop = () => {
    simulator.close();
    resolve(0);
  };
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  return promise;
}
