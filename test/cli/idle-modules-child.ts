// A gateway that has just started and serves nobody yet, asked which of the runtime's own modules it has loaded.
// A module named as the argument is loaded beforehand: who asks can see that the answer would show it.

import { heapStats } from 'bun:jsc';
import { mkdtempSync, rmSync } from 'node:fs';
import builtIn from '../../plugins/gateway.config.ts';
import { serve } from '../../src/cli/serve.ts';
import { readEnvironment } from '../../src/environment.ts';

/** Those that bring others along come after them. */
const modules = [
  'node:fs/promises', 'node:stream', 'node:crypto', 'node:net', 'node:zlib', 'node:tls', 'node:http', 'node:https',
  'node:http2', 'node:child_process', 'node:readline', 'node:dns',
];

/** The runtime keeps no list of what it loaded. A module that comes new brings functions, one that is there none. */
function isLoaded(name: string): boolean {
  Bun.gc(true);
  const before = heapStats().objectTypeCounts['FunctionExecutable'] ?? 0;
  process.getBuiltinModule(name);
  return (heapStats().objectTypeCounts['FunctionExecutable'] ?? 0) <= before;
}

const [already] = process.argv.slice(2);
if (already !== undefined) process.getBuiltinModule(already);
const folder = mkdtempSync(`${process.cwd()}/idle-`);
const serving = await serve(['--port', '0', '--data', folder], {
  environment: readEnvironment({}), builtIn, modules: {}, print: () => {}, printError: () => {},
});
console.log(JSON.stringify(modules.filter(isLoaded)));
await serving.stop();
rmSync(folder, { recursive: true });
process.exit();
