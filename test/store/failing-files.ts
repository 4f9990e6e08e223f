// A file layer that works like the disk until it is told to fail, and that can hold syncs back.

import { diskFiles, type Done, type JournalFiles } from '../../src/store/journal-files.ts';

export type Failing = 'write' | 'short-write' | 'sync' | 'folder-sync' | 'create';

export interface FaultyFiles extends JournalFiles {
  fail: Failing | undefined;
  /** While true, syncs wait for `release`. */
  held: boolean;
  syncs: number;
  writes: number;
  release(): void;
}

const failure = (code: string): Error => Object.assign(new Error(`${code}: injected`), { code });

export function faultyFiles(): FaultyFiles {
  const waiting: (() => void)[] = [];
  const files: FaultyFiles = {
    ...diskFiles,
    fail: undefined,
    held: false,
    syncs: 0,
    writes: 0,
    release() {
      files.held = false;
      for (const run of waiting.splice(0)) run();
    },
    createSegment(path) {
      if (files.fail === 'create') throw failure('ENOSPC');
      return diskFiles.createSegment(path);
    },
    write(file, bytes, length) {
      files.writes += 1;
      if (files.fail === 'write') throw failure('ENOSPC');
      return diskFiles.write(file, bytes, files.fail === 'short-write' ? Math.floor(length / 2) : length);
    },
    datasync(file, done: Done) {
      files.syncs += 1;
      const run = (): void => {
        if (files.fail === 'sync') done(failure('EIO'));
        else diskFiles.datasync(file, done);
      };
      if (files.held) waiting.push(run);
      else run();
    },
    syncFolder(folder, done: Done) {
      if (files.fail === 'folder-sync') done(failure('EIO'));
      else diskFiles.syncFolder(folder, done);
    },
  };
  return files;
}
