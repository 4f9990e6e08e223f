// Backups of a serving gateway: an archive as a stream. Invariant: neither a slow reader nor one that leaves keeps
// anything on the disk, and requests wait for nothing that is done here.

import { rmSync } from 'node:fs';
import type { Clock } from '../../core/clock.ts';
import { TollgateError } from '../../core/errors.ts';
import { snapshotFolder } from '../../store/backup/snapshot-folder.ts';
import { startSnapshotThread, type SnapshotThread } from '../../store/backup/snapshot-thread.ts';
import { SnapshotError, type SnapshotOrder } from '../../store/backup/snapshot.ts';
import { openArchive, type OpenArchive } from '../../store/backup/write-archive.ts';
import type { JournalPosition } from '../../store/journal-files.ts';
import type { AuditTables } from '../../store/schema/accounts.ts';
import type { SqlFile } from '../../store/sql-file.ts';
import { appendAuditEvent } from '../audit/audit-store.ts';

export interface BackupsOptions {
  readonly dataFolder: string;
  readonly nouns: SqlFile<AuditTables>;
  readonly ledger: {
    settled(): Promise<void>;
    keepJournal(): { readonly end: JournalPosition; release(): void };
  };
  readonly clock: Clock;
  /** The version that runs. */
  readonly version: string;
  readonly startThread?: (order: SnapshotOrder) => SnapshotThread;
  /** A reader that takes nothing for so long is given up. */
  readonly stallMs?: number;
}

export interface Backup {
  /** Bytes. */
  readonly size: number;
  /** ISO 8601, in UTC. */
  readonly takenAt: string;
  readonly archive: ReadableStream<Uint8Array>;
}

export interface BackupsService {
  /** Throws `conflict` while another is made or read, and `storage_full` if the disk has no room for the copy. */
  create(actor: string): Promise<Backup>;
  /** Ends the one that is being made or read. */
  close(): void;
}

const STALL_MS = 60_000;

export function createBackupsService(options: BackupsOptions): BackupsService {
  const { dataFolder, clock, stallMs = STALL_MS } = options;
  const workFolder = snapshotFolder(dataFolder);
  let busy = false;
  let closed = false;
  let stop: () => void = () => {};

  const snapshot = async (actor: string, takenAt: string) => {
    await options.nouns.transaction((transaction) => appendAuditEvent(transaction, {
      at: clock.now(), actor, action: 'backup.create', target: 'data-folder', change: '{}',
    }));
    // While the loader cannot load, what it lacks goes along as journal.
    await options.ledger.settled().catch(() => undefined);
    if (closed) throw shuttingDown();
    const journal = options.ledger.keepJournal();
    try {
      const order = { dataFolder, workFolder, journalEnd: journal.end, tollgate: options.version, takenAt };
      const thread = (options.startThread ?? startSnapshotThread)(order);
      stop = thread.stop;
      return await thread.taken;
    } finally {
      journal.release();
    }
  };

  return {
    async create(actor) {
      if (closed) throw shuttingDown();
      if (busy) {
        throw new TollgateError('conflict', {
          message: 'Another backup is being made or read; ask again when it has ended.',
        });
      }
      busy = true;
      const free = (): void => {
        busy = false;
        stop = () => {};
      };
      try {
        const takenAt = new Date(clock.now()).toISOString();
        const { manifest } = await snapshot(actor, takenAt);
        const archive = openArchive(workFolder, manifest);
        rmSync(workFolder, { recursive: true, force: true });
        const { stream, end } = streamOf(archive, stallMs, free);
        stop = end;
        return { size: archive.size, takenAt, archive: stream };
      } catch (error) {
        rmSync(workFolder, { recursive: true, force: true });
        free();
        throw refusalOf(error, closed);
      }
    },
    close() {
      closed = true;
      stop();
    },
  };
}

/** `end` cuts it off. `done` is called once, however it ends. */
function streamOf(archive: OpenArchive, stallMs: number, done: () => void) {
  const chunks = archive.chunks();
  let ended = false;
  let cut: ((reason: Error) => void) | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const finish = (): void => {
    if (ended) return;
    ended = true;
    clearTimeout(timer);
    archive.close();
    done();
  };
  const end = (): void => {
    if (ended) return;
    cut?.(new Error('the backup was given up'));
    finish();
  };
  const watch = (): void => {
    clearTimeout(timer);
    timer = setTimeout(end, stallMs);
  };
  const stream = new ReadableStream<Uint8Array>({
    start(controller) {
      cut = (reason) => controller.error(reason);
      watch();
    },
    async pull(controller) {
      watch();
      try {
        const { value, done: over } = await chunks.next();
        if (ended) return;
        if (over !== true) return controller.enqueue(value);
        controller.close();
      } catch (error) {
        if (!ended) controller.error(error);
      }
      finish();
    },
    cancel: finish,
  });
  return { stream, end };
}

const shuttingDown = (): TollgateError =>
  new TollgateError('shutting_down', { message: 'The gateway is shutting down; no backup was made.' });

function refusalOf(error: unknown, closed: boolean): unknown {
  if (closed) return shuttingDown();
  if (!(error instanceof SnapshotError)) return error;
  if (error.because === 'disk-full') {
    return new TollgateError('storage_full', {
      message: 'The disk of the data folder has no room for the copy that a backup is made from; make room.',
      detail: error.message,
    });
  }
  return new TollgateError('internal_error', {
    message: 'The backup could not be made; the log says why.', detail: error.message,
  });
}
