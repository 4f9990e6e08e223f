import { describe, expect, test } from 'bun:test';
import { DataFolderInUseError, lockDataFolder } from '../../src/store/data-folder-lock.ts';
import { scratchFolders } from './scratch.ts';

const scratch = scratchFolders();
const holder = (folder: string) => Bun.spawn([process.execPath, '-e', `
  const { lockDataFolder } = await import(${JSON.stringify(new URL('../../src/store/data-folder-lock.ts',
    import.meta.url).pathname)});
  lockDataFolder(${JSON.stringify(folder)});
  console.log('locked');
  // Ends with its parent, however that one ends.
  for await (const _ of Bun.stdin.stream());
`], { stdin: 'pipe', stdout: 'pipe', stderr: 'ignore' });

describe('data folder lock', () => {
  test('a second holder is refused, in this process and in another, with folder and process id', async () => {
    const folder = scratch();
    const lock = lockDataFolder(folder);
    expect(() => lockDataFolder(folder)).toThrow(DataFolderInUseError);
    lock.release();
    const child = holder(folder);
    const reader = child.stdout.getReader();
    await reader.read();
    expect(() => lockDataFolder(folder)).toThrow(`${folder} is in use by process ${child.pid}`);
    child.kill('SIGKILL');
    await child.exited;
    // The kernel freed it: nothing is left to clean up.
    lockDataFolder(folder).release();
  });
});
