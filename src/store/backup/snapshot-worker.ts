// The worker that takes a snapshot beside a serving gateway: its files are copied here, at once and a little nice, so
// that the thread that serves never waits for them.

import { getPriority, setPriority } from 'node:os';
import { SnapshotError, takeSnapshot, type Snapshot, type SnapshotOrder } from './snapshot.ts';

declare const self: Worker;

export type FromSnapshotWorker =
  | { readonly kind: 'taken'; readonly snapshot: Snapshot }
  | { readonly kind: 'failed'; readonly because: SnapshotError['because']; readonly message: string };

/** Nicer than the loader: what waits for a backup can wait. Elsewhere than on Linux it would be the whole process's. */
const NICENESS = 10;

try {
  if (process.platform === 'linux' && getPriority(0) < NICENESS) setPriority(0, NICENESS);
} catch {
  // Not allowed here: a courtesy only.
}

self.onmessage = (event: MessageEvent<SnapshotOrder>): void => {
  let answer: FromSnapshotWorker;
  try {
    answer = { kind: 'taken', snapshot: takeSnapshot(event.data) };
  } catch (error) {
    const because = error instanceof SnapshotError ? error.because : 'failed';
    answer = { kind: 'failed', because, message: error instanceof Error ? error.message : String(error) };
  }
  self.postMessage(answer);
};
