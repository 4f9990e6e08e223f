// Backups of a serving gateway, made to go wrong: whatever happens to the worker or to the reader, the next backup
// finds the way free, nothing stays on the disk and the journal's segments are let go.

import { Database } from 'bun:sqlite';
import { afterAll, beforeEach, describe, expect, test } from 'bun:test';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../../../src/core/clock.ts';
import { createBackupsService, type BackupsOptions, type BackupsService } from '../../../src/domain/backups/backups-service.ts';
import type { SnapshotThread } from '../../../src/store/backup/snapshot-thread.ts';
import { SnapshotError, takeSnapshot, type SnapshotOrder } from '../../../src/store/backup/snapshot.ts';
import { openNouns } from '../../../src/store/nouns.ts';
import { openLedgerForLoading } from '../../../src/store/schema/ledger.ts';
import { readWhole } from '../../store/archives.ts';
import { scratchFolders } from '../../store/scratch.ts';

const scratch = scratchFolders();
const closers: (() => unknown)[] = [];
afterAll(async () => {
  for (const close of closers) await close();
});

interface Rig {
  readonly dataFolder: string;
  readonly service: BackupsService;
  /** Readers of the journal that have not let go. */
  readonly kept: () => number;
  thread: (order: SnapshotOrder) => SnapshotThread;
  settled: () => Promise<void>;
}

const atOnce = (order: SnapshotOrder): SnapshotThread => ({ taken: Promise.resolve(takeSnapshot(order)), stop() {} });

function rigIn(dataFolder: string, more: Partial<BackupsOptions> = {}): Rig {
  openLedgerForLoading(dataFolder).close();
  const nouns = openNouns(dataFolder);
  let kept = 0;
  const rig: Rig = {
    dataFolder, kept: () => kept, thread: atOnce, settled: () => Promise.resolve(),
    service: createBackupsService({
      dataFolder, nouns, clock: systemClock, version: '1.2.3',
      ledger: {
        settled: () => rig.settled(),
        keepJournal() {
          kept += 1;
          return { end: { segment: 1, offset: 0, sequence: 0 }, release: () => void (kept -= 1) };
        },
      },
      startThread: (order) => rig.thread(order),
      ...more,
    }),
  };
  closers.push(() => rig.service.close(), () => nouns.close());
  return rig;
}

let rig: Rig;
beforeEach(() => {
  rig = rigIn(join(scratch()));
});

const workOf = ({ dataFolder }: Rig): string => join(dataFolder, 'backup.partial');
const readAll = async (stream: ReadableStream<Uint8Array>): Promise<Uint8Array> =>
  new Uint8Array(await new Response(stream).arrayBuffer());

test('is an archive of the stated length, tells of itself in its audit, and leaves nothing', async () => {
  const { size, archive, takenAt } = await rig.service.create('operator:opk_1');
  expect(existsSync(workOf(rig))).toBe(false);
  const bytes = await readAll(archive);
  expect(bytes.length).toBe(size);
  const { manifest, parts } = await readWhole(bytes);
  expect(manifest).toMatchObject({ tollgate: '1.2.3', takenAt, withSecrets: false });
  const path = join(scratch(), 'tollgate.db');
  writeFileSync(path, parts[1]?.bytes ?? new Uint8Array(0));
  const copy = new Database(path);
  expect(copy.query('SELECT actor, action, target FROM audit_event').values())
    .toEqual([['operator:opk_1', 'backup.create', 'data-folder']]);
  copy.close();
  expect(rig.kept()).toBe(0);
});

test('one at a time: until the first is read to its end or given up', async () => {
  const first = await rig.service.create('a');
  await expect(rig.service.create('b')).rejects.toMatchObject({ code: 'conflict' });
  await first.archive.cancel();
  const second = await rig.service.create('b');
  await readAll(second.archive);
  await readAll((await rig.service.create('c')).archive);
});

test('two that are asked for in one turn are one', async () => {
  const both = await Promise.allSettled([rig.service.create('a'), rig.service.create('b')]);
  expect(both.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
});

test('a reader that takes nothing is given up', async () => {
  const impatient = rigIn(scratch(), { stallMs: 5 });
  const { archive } = await impatient.service.create('a');
  const reader = archive.getReader();
  await reader.read();
  let freed = false;
  for (let tries = 0; tries < 400 && !freed; tries++) {
    const next = await impatient.service.create('b').catch(() => undefined);
    await next?.archive.cancel();
    freed = next !== undefined;
    await Bun.sleep(2);
  }
  expect(freed).toBe(true);
});

describe('a snapshot that fails', () => {
  test.each([
    ['disk-full', 'storage_full'], ['failed', 'internal_error'],
  ] as const)('because of %s', async (because, code) => {
    rig.thread = ({ workFolder }) => {
      mkdirSync(workFolder, { recursive: true });
      return { taken: Promise.reject(new SnapshotError(because, 'injected')), stop() {} };
    };
    await expect(rig.service.create('a')).rejects.toMatchObject({ code });
    expect({ left: existsSync(workOf(rig)), kept: rig.kept() }).toEqual({ left: false, kept: 0 });
    rig.thread = atOnce;
    await readAll((await rig.service.create('a')).archive);
  });

  test('at once, for want of room', async () => {
    rig.thread = (order) => atOnce({ ...order, freeBytes: () => 1_000_000 });
    await expect(rig.service.create('a')).rejects.toMatchObject({ code: 'storage_full' });
    expect(rig.kept()).toBe(0);
  });

  test('in a real worker', async () => {
    const real = rigIn(join(scratch()));
    const { startSnapshotThread } = await import('../../../src/store/backup/snapshot-thread.ts');
    real.thread = (order) => startSnapshotThread({ ...order, dataFolder: join(order.dataFolder, 'nowhere') });
    await expect(real.service.create('a')).rejects.toMatchObject({
      code: 'internal_error', details: { detail: expect.stringContaining('ledger.db does not exist') },
    });
    real.thread = startSnapshotThread;
    await readAll((await real.service.create('a')).archive);
  });
});

test('a loader that cannot load does not stand in the way', async () => {
  rig.settled = () => Promise.reject(new Error('the loader does not run'));
  await readAll((await rig.service.create('a')).archive);
});

describe('shutting down', () => {
  test('while the files are copied ends the worker', async () => {
    const { promise, reject } = Promise.withResolvers<never>();
    const started = Promise.withResolvers<void>();
    rig.thread = () => {
      started.resolve();
      return { taken: promise, stop: () => reject(new SnapshotError('failed', 'stopped')) };
    };
    const backup = rig.service.create('a');
    await started.promise;
    rig.service.close();
    await expect(backup).rejects.toMatchObject({ code: 'shutting_down' });
    await expect(rig.service.create('a')).rejects.toMatchObject({ code: 'shutting_down' });
    expect(rig.kept()).toBe(0);
  });

  test('while it is read cuts it off', async () => {
    const { archive } = await rig.service.create('a');
    rig.service.close();
    await expect(readAll(archive)).rejects.toThrow('given up');
  });
});
