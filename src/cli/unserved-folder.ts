// The lock of a data folder that nobody serves. Where one process hands over to another, nobody has the lock for a
// moment, though the folder is served: whoever took it then would stop both.

import { lockDataFolder, type DataFolderLock } from '../store/data-folder-lock.ts';
import { findRunning, isAlive } from './running-file.ts';

/** The next owner takes it at once; after this time the process that is named there is another one by now. */
const BETWEEN_OWNERS_MS = 1_000;
const LOOK_AGAIN_MS = 25;

/** Throws DataFolderInUseError. */
export async function lockUnserved(dataFolder: string): Promise<DataFolderLock> {
  const running = findRunning(dataFolder);
  const untilMs = performance.now() + BETWEEN_OWNERS_MS;
  for (;;) {
    const lock = lockDataFolder(dataFolder);
    if (running === undefined || running.pid === process.pid || !isAlive(running.pid)) return lock;
    if (performance.now() > untilMs) return lock;
    lock.release();
    await Bun.sleep(LOOK_AGAIN_MS);
  }
}
