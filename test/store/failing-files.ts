// A file layer that works like the disk until it is told to fail, and that can hold syncs back.

import { diskFiles, type Done, type JournalFiles, type Written } from '../../src/store/journal-files.ts';

export type Failing = 'write' | 'thrown-write' | 'short-write' | 'sync' | 'folder-sync' | 'create';
/** What becomes of zeros written ahead. */
export type Filling = 'real' | 'refused' | 'short' | 'thrown' | 'held';

export interface FaultyFiles extends JournalFiles {
  fail: Failing | undefined;
  /** While true, writes wait for `release`. */
  held: boolean;
  filling: Filling;
  /** Writes of records, each with its sync. */
  syncs: number;
  fills: number;
  release(): void;
  /** Lets the fills go that were held. */
  fillNow(): void;
}

const failure = (code: string): Error => Object.assign(new Error(`${code}: injected`), { code });

export function faultyFiles(): FaultyFiles {
  const waiting: (() => void)[] = [];
  const fills: (() => void)[] = [];
  const files: FaultyFiles = {
    ...diskFiles,
    fail: undefined,
    held: false,
    filling: 'real',
    syncs: 0,
    fills: 0,
    release() {
      files.held = false;
      for (const run of waiting.splice(0)) run();
    },
    fillNow() {
      for (const run of fills.splice(0)) run();
    },
    createSegment(path) {
      if (files.fail === 'create') throw failure('ENOSPC');
      return diskFiles.createSegment(path);
    },
    writeThrough(file, bytes, length, position, done: Written) {
      files.syncs += 1;
      if (files.fail === 'thrown-write') throw failure('EMFILE');
      if (files.fail === 'write') return queueMicrotask(() => done(failure('ENOSPC'), 0));
      const taken = files.fail === 'short-write' ? Math.floor(length / 2) : length;
      const run = (): void => diskFiles.writeThrough(file, bytes, taken, position, (error, written) =>
        (files.fail === 'sync' ? done(failure('EIO'), 0) : done(error, written)));
      if (files.held) waiting.push(run);
      else run();
    },
    fill(path, position, length, done) {
      files.fills += 1;
      switch (files.filling) {
        case 'real': return diskFiles.fill(path, position, length, done);
        case 'refused': return queueMicrotask(() => done(failure('ENOSPC'), 0));
        case 'short': return diskFiles.fill(path, position, Math.floor(length / 3), done);
        case 'thrown': throw failure('EMFILE');
        case 'held': return void fills.push(() => diskFiles.fill(path, position, length, done));
      }
    },
    syncFolder(folder, done: Done) {
      if (files.fail === 'folder-sync') done(failure('EIO'));
      else diskFiles.syncFolder(folder, done);
    },
  };
  return files;
}
