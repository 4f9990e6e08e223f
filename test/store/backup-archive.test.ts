// The archive: what is written is read, by us and by any tar; sizes beyond what octal digits hold; and what a snapshot
// takes when the ledger has not loaded everything.

import { describe, expect, test } from 'bun:test';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { verifyLedger } from '../../src/domain/ledger/verify.ts';
import { openEmbeddedLedger } from '../../src/domain/ledger/embedded-ledger.ts';
import { backUpFolder } from '../../src/store/backup/back-up-folder.ts';
import { writeBackupFile } from '../../src/store/backup/backup-file.ts';
import { compressed, decompressedFile } from '../../src/store/backup/compress.ts';
import { repacked } from '../../src/store/backup/repack.ts';
import { takeSnapshot } from '../../src/store/backup/snapshot.ts';
import { tarHead } from '../../src/store/backup/tar.ts';
import { unpackArchive } from '../../src/store/backup/unpack.ts';
import { openArchive } from '../../src/store/backup/write-archive.ts';
import { openNouns } from '../../src/store/nouns.ts';
import { archiveOf, chunksOf, memberOf, readWhole, type Archive } from './archives.ts';
import { scratchFolders } from './scratch.ts';

const scratch = scratchFolders();
const some = (length: number, seed: number): Uint8Array =>
  Uint8Array.from({ length }, (_, index) => (index * 31 + seed * (index >> 8)) & 255);

const sample: Archive = {
  manifest: {
    tollgate: '1.2.3', takenAt: '2026-01-02T03:04:05.678Z', withSecrets: false,
    migrations: { 'ledger.db': [{ name: '001-ledger-in-packs', additive: false }], 'tollgate.db': [] }, members: [],
  },
  parts: [
    { name: 'ledger.db', bytes: some(300_001, 1) }, { name: 'tollgate.db', bytes: some(512, 2) },
    { name: 'journal/00000007.journal', bytes: new Uint8Array(0) },
  ],
};

function written(): { readonly folder: string; readonly archive: Archive } {
  const folder = scratch();
  mkdirSync(join(folder, 'journal'));
  for (const { name, bytes } of sample.parts) writeFileSync(join(folder, name), bytes);
  const manifest = { ...sample.manifest, members: sample.parts.map(memberOf) };
  return { folder, archive: { manifest, parts: sample.parts } };
}

async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const all: Uint8Array[] = [];
  for await (const chunk of chunks) all.push(chunk.slice());
  return Buffer.concat(all);
}

describe('an archive', () => {
  test('is read as it was written, in whatever pieces it comes, and its length was known', async () => {
    const { folder, archive } = written();
    const open = openArchive(folder, archive.manifest);
    rmSync(folder, { recursive: true });
    const bytes = await collect(open.chunks());
    open.close();
    expect(bytes.length).toBe(open.size);
    for (const length of [1_000_000, 4_096, 511]) expect(await readWhole(bytes, length)).toEqual(archive);
  });

  test('repacked with secrets has them at its end; without, it says so', async () => {
    const bytes = archiveOf({ ...sample });
    const secret = { name: 'operator-key', bytes: Buffer.from('a-key') };
    const withKey = await readWhole(await collect(repacked(chunksOf(bytes), [secret])));
    expect(withKey.manifest.withSecrets).toBe(true);
    expect(withKey.parts.map(({ name }) => name)).toEqual([...sample.parts.map(({ name }) => name), 'operator-key']);
    expect(Buffer.from(withKey.parts.at(-1)?.bytes ?? []).toString()).toBe('a-key');
    const without = await readWhole(await collect(repacked(chunksOf(bytes), undefined)));
    expect(without).toEqual({ ...sample, manifest: { ...sample.manifest, members: sample.parts.map(memberOf) } });
  });

  test('that is cut while it is repacked leaves no file', async () => {
    const folder = scratch();
    const bytes = archiveOf(sample).subarray(0, 200_000);
    const path = join(folder, 'cut');
    const writing = writeBackupFile(path, compressed(repacked(chunksOf(bytes), [])));
    await expect(writing).rejects.toThrow('cut short within ledger.db');
    expect(readdirSync(folder)).toEqual([]);
  });

  test('is compressed in a file, is its owner\'s alone, and never written over', async () => {
    const folder = scratch();
    const path = join(folder, 'backup');
    const bytes = archiveOf(sample);
    const file = await writeBackupFile(path, compressed(chunksOf(bytes)));
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(file.size).toBe(statSync(path).size);
    expect(file.sha256).toBe(new Bun.CryptoHasher('sha256').update(readFileSync(path)).digest('hex'));
    expect(Buffer.compare(await collect(decompressedFile(path)), bytes)).toBe(0);
    await expect(writeBackupFile(path, chunksOf(bytes))).rejects.toThrow('exists already');
    expect(readdirSync(folder)).toEqual(['backup']);
  });

  test.skipIf(Bun.which('tar') === null)('is a tar to tar (skipped where there is no tar)', async () => {
    const folder = scratch();
    writeFileSync(join(folder, 'a.tar'), archiveOf(sample));
    const child = Bun.spawnSync(['tar', '-xf', 'a.tar'], { cwd: folder });
    expect(child.exitCode).toBe(0);
    for (const { name, bytes } of sample.parts) {
      expect(Buffer.compare(readFileSync(join(folder, name)), bytes)).toBe(0);
    }
    const large = Bun.spawnSync(['tar', '-tvf', '-'], { stdin: tarHead('ledger.db', 20_000_000_000, 0) });
    expect(large.stdout.toString()).toContain('20000000000');
  });
});

/** A folder with movements, of which the last ones are in the journal alone. */
async function unloadedFolder(): Promise<{ readonly folder: string; readonly crash: () => Promise<void> }> {
  const folder = join(scratch(), 'data');
  const never = { postMessage() {}, terminate() {}, onmessage: null, onerror: null, onclose: null };
  const ledger = await openEmbeddedLedger({ folder, warn: () => {}, startThread: () => never });
  await openNouns(folder).close();
  await ledger.openAccount('acc_00000000000000000000000000000001', 'USD', 0n);
  for (const amountNano of [5n, 7n]) {
    await ledger.post({
      kind: 'top-up', reason: 'test', actor: 'system', reference: undefined, inputSha256: undefined,
      idempotencyKey: `key-${amountNano}`,
      entries: [
        { address: 'account/acc_00000000000000000000000000000001', currency: 'USD', amountNano },
        { address: 'house/promotion', currency: 'USD', amountNano: -amountNano },
      ],
    });
  }
  const { end, release } = ledger.keepJournal();
  const archive = takeSnapshot({
    dataFolder: folder, workFolder: join(folder, 'backup.partial'), journalEnd: end, tollgate: '1',
    takenAt: new Date(0).toISOString(),
  });
  release();
  const names = archive.manifest.members.map(({ name }) => name);
  expect(names).toEqual(['ledger.db', 'tollgate.db', 'journal/00000001.journal']);
  return { folder, crash: async () => void (await ledger.shutDown()) };
}

describe('what the ledger has not loaded', () => {
  test('goes along as journal, up to what is on the disk, and a restored folder replays it', async () => {
    const { folder, crash } = await unloadedFolder();
    const restored = join(scratch(), 'restored');
    const snapshot = join(folder, 'backup.partial');
    const { end } = { end: statSync(join(snapshot, 'journal', '00000001.journal')).size };
    // The running one is written ahead in zeros; the copy has none.
    expect(end).toBeLessThan(statSync(join(folder, 'journal', '00000001.journal')).size);
    mkdirSync(restored);
    for (const name of ['ledger.db', 'journal']) {
      Bun.spawnSync(['cp', '-r', join(snapshot, name), join(restored, name)]);
    }
    await crash();
    const again = await openEmbeddedLedger({ folder: restored, warn: () => {} });
    expect((await again.balance('acc_00000000000000000000000000000001'))?.postedNano).toBe(12n);
    await again.shutDown();
    expect(verifyLedger({ folder: restored, chargeOf: () => undefined })).toMatchObject({ ok: true, movements: 2 });
  });

  test('is found in a folder that nobody serves, which stays as it is', async () => {
    const { folder, crash } = await unloadedFolder();
    const dead = join(scratch(), 'dead');
    Bun.spawnSync(['cp', '-r', folder, dead]);
    await crash();
    const path = join(scratch(), 'backup');
    const before = readFileSync(join(dead, 'ledger.db'));
    await backUpFolder({ dataFolder: dead, path, version: '1', now: 0, secrets: true, compress: true });
    expect(Buffer.compare(readFileSync(join(dead, 'ledger.db')), before)).toBe(0);
    expect(existsSync(join(dead, 'backup.partial'))).toBe(false);
    const restored = join(scratch(), 'restored');
    const { members } = await unpackArchive(decompressedFile(path), restored);
    expect(members.map(({ name }) => name)).toContain('journal/00000001.journal');
    const again = await openEmbeddedLedger({ folder: restored, warn: () => {} });
    expect((await again.balance('acc_00000000000000000000000000000001'))?.postedNano).toBe(12n);
    await again.shutDown();
  });
});
