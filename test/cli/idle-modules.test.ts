// Modules of the runtime that bring streams along stay out of a gateway that nobody has asked for anything: one of
// them, imported anywhere on the way to serving and in whatever package, costs every process more than 1 MB.

import { expect, setDefaultTimeout, test } from 'bun:test';
import { join } from 'node:path';
import { scratchFolders } from '../store/scratch.ts';
import { runBare } from '../support/bare-run.ts';

setDefaultTimeout(60_000);
const scratch = scratchFolders();

async function loadedAfterStart(...already: readonly string[]): Promise<unknown> {
  const child = join(import.meta.dir, 'idle-modules-child.ts');
  const { exitCode, output, errors } = await runBare(process.execPath, [child, ...already], scratch(), {});
  if (exitCode !== 0) throw new Error(errors);
  return JSON.parse(output);
}

test('a gateway that idles has loaded none of them', async () => {
  expect(await loadedAfterStart()).toEqual([]);
});

test.each(['node:fs/promises', 'node:crypto', 'node:net', 'node:zlib', 'node:stream'])(
  '%s would have been seen',
  async (name) => {
    expect(await loadedAfterStart(name)).toContain(name);
  },
);
