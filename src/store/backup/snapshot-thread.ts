// The serving side of the snapshot worker: one worker for one snapshot, gone when it is taken.

import { rmSync } from 'node:fs';
import { SnapshotError, type Snapshot, type SnapshotOrder } from './snapshot.ts';
import type { FromSnapshotWorker } from './snapshot-worker.ts';

export interface SnapshotThread {
  /** Rejects with SnapshotError. */
  readonly taken: Promise<Snapshot>;
  /** Ends it and removes what it has made; `taken` rejects. Nothing happens once it is taken. */
  stop(): void;
}

export function startSnapshotThread(order: SnapshotOrder): SnapshotThread {
  const { promise, resolve, reject } = Promise.withResolvers<Snapshot>();
  const worker = new Worker(new URL('./snapshot-worker.ts', import.meta.url).href);
  let ended = false;
  const end = (settle: () => void): void => {
    if (ended) return;
    ended = true;
    worker.terminate();
    settle();
  };
  const fail = (because: SnapshotError['because'], message: string): void => end(() => {
    rmSync(order.workFolder, { recursive: true, force: true });
    reject(new SnapshotError(because, message));
  });
  worker.onmessage = (event: MessageEvent<FromSnapshotWorker>) => {
    const message = event.data;
    if (message.kind === 'taken') end(() => resolve(message.snapshot));
    else fail(message.because, message.message);
  };
  worker.onerror = (event) => fail('failed', event.message);
  worker.addEventListener('close', () => fail('failed', 'the thread that copies the files ended'));
  worker.postMessage(order);
  return { taken: promise, stop: () => fail('failed', 'the gateway is shutting down') };
}
