// A data folder between versions: what a start does before a migration that cannot be undone, and whether this very
// gateway goes on with files that a newer one has added to.

import { Database } from 'bun:sqlite';
import { describe, expect, test } from 'bun:test';
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { verifyLedger } from '../../src/domain/ledger/verify.ts';
import { openEmbeddedLedger } from '../../src/domain/ledger/embedded-ledger.ts';
import { decompressedFile } from '../../src/store/backup/compress.ts';
import { unpackArchive } from '../../src/store/backup/unpack.ts';
import { Journal } from '../../src/store/journal.ts';
import { loadedPosition } from '../../src/store/ledger-load.ts';
import { migrate, type Migration } from '../../src/store/migrate.ts';
import { nounsMigrations, openNouns } from '../../src/store/nouns.ts';
import { journalFolder, ledgerMigrations, openLedgerForLoading } from '../../src/store/schema/ledger.ts';
import { planUpgrade, prepareUpgrade, type KnownMigrations } from '../../src/store/upgrade.ts';
import { startTestGateway } from '../support/gateway.ts';
import { scratchFolders } from './scratch.ts';

const scratch = scratchFolders();
const files = ['ledger.db', 'tollgate.db'] as const;

/** A folder that was served once. */
async function servedFolder(): Promise<string> {
  const dataFolder = join(scratch(), 'data');
  const gateway = await startTestGateway({ dataFolder });
  await gateway.client('/chat/completions', { model: 'sim/echo', messages: [{ role: 'user', content: 'Hello' }] });
  await gateway.stop();
  return dataFolder;
}

const breaking: Migration = { name: '900-breaking', statements: ['DROP TABLE usage_key'] };
const newer: KnownMigrations = { ledger: [...ledgerMigrations, breaking], nouns: nounsMigrations };

/** Of what is in the files, wherever SQLite has it: a log of theirs may be copied back at any time. */
const digests = (folder: string): Readonly<Record<string, string>> => Object.fromEntries(files.map((name) => {
  const database = new Database(join(folder, name), { readonly: true });
  const digest = Bun.hash(database.serialize()).toString(16);
  database.close();
  return [name, digest];
}));

async function prepare(folder: string, freeBytes?: number): Promise<readonly string[]> {
  const said: string[] = [];
  await prepareUpgrade(folder, '9.9.9', Date.now(), (line) => void said.push(line), {
    migrations: newer, ...(freeBytes === undefined ? {} : { freeBytes: () => freeBytes }),
  });
  return said;
}

describe('before a migration that an older Tollgate cannot go on with', () => {
  test('a backup is made, says so, and is what the folder was', async () => {
    const folder = await servedFolder();
    const said = await prepare(folder);
    const copy = join(folder, 'before-900-breaking.tar');
    expect(said).toEqual([expect.stringContaining(copy)]);
    expect(statSync(copy).mode & 0o777).toBe(0o600);
    expect(readdirSync(folder).filter((name) => name.includes('partial'))).toEqual([]);
    const restored = join(scratch(), 'restored');
    await unpackArchive(decompressedFile(copy), restored);
    expect(readFileSync(join(restored, 'operator-key'))).toEqual(readFileSync(join(folder, 'operator-key')));
    expect(verifyLedger({ folder: restored, chargeOf: () => undefined })).toMatchObject({ ok: true, usageRecords: 1 });
  });

  test('one that was made before an attempt that came to nothing gives way to the newer', async () => {
    const folder = await servedFolder();
    const copy = join(folder, 'before-900-breaking.tar');
    writeFileSync(copy, 'of before');
    await prepare(folder);
    expect(statSync(copy).size).toBeGreaterThan(10_000);
    expect(await prepare(folder)).toHaveLength(1);
  });

  test('without room for it nothing is changed', async () => {
    const folder = await servedFolder();
    const before = digests(folder);
    const names = readdirSync(folder).toSorted();
    await expect(prepare(folder, 64 * 1024 * 1024)).rejects.toThrow(/no backup was made: .* has 64 MiB free .*make room/);
    expect(digests(folder)).toEqual(before);
    expect(readdirSync(folder).toSorted()).toEqual(names);
  });

  test('the older one then refuses, and says how to go back', async () => {
    const folder = await servedFolder();
    await prepare(folder);
    const database = new Database(join(folder, 'ledger.db'));
    migrate(database, newer.ledger);
    database.close();
    const before = digests(folder);
    const way = `tollgate restore ${join(folder, 'before-900-breaking.tar')} --data ${folder} --replace`;
    await expect(startTestGateway({ dataFolder: folder })).rejects.toThrow(way);
    expect(() => verifyLedger({ folder, chargeOf: () => undefined })).toThrow('900-breaking');
    expect(digests(folder)).toEqual(before);
  });

  test('a refusal of the second file leaves the first as it was', async () => {
    const folder = await servedFolder();
    const nouns = new Database(join(folder, 'tollgate.db'));
    migrate(nouns, [...nounsMigrations, { name: '900-unknown', statements: [] }]);
    nouns.close();
    const before = digests(folder);
    await expect(prepare(folder)).rejects.toThrow('tollgate.db was written by another Tollgate');
    expect(digests(folder)).toEqual(before);
    expect(existsSync(join(folder, 'before-900-breaking.tar'))).toBe(false);
  });

  test('a fresh folder and a current one need none', async () => {
    expect(planUpgrade(scratch()).every(({ fresh }) => fresh)).toBe(true);
    await prepareUpgrade(await servedFolder(), '9.9.9', 0, (line) => {
      throw new Error(line);
    });
  });
});

/** What a newer Tollgate may do that lets an older one go on: here everything of it at once. */
function addToEverything(folder: string): void {
  for (const name of files) {
    const database = new Database(join(folder, name));
    const tables = database.query<{ name: string }, []>(
      "SELECT name FROM sqlite_schema WHERE type = 'table' AND name != 'migration' AND name NOT GLOB 'sqlite_*'").all();
    expect(tables.length).toBeGreaterThan(8);
    const statements = tables.flatMap(({ name: table }) => [
      `ALTER TABLE "${table}" ADD COLUMN later TEXT NOT NULL DEFAULT 'later'`,
      `ALTER TABLE "${table}" ADD COLUMN later_still INTEGER`,
      `CREATE INDEX "${table}_later" ON "${table}" (later)`,
    ]);
    const known = name === 'ledger.db' ? ledgerMigrations : nounsMigrations;
    migrate(database, [...known, {
      name: '900-later', additive: true, statements: [...statements, 'CREATE TABLE later (a INTEGER) STRICT'],
    }]);
    database.close();
  }
}

test('this gateway goes on with files to which a newer one has added columns, tables and indexes', async () => {
  const dataFolder = await servedFolder();
  addToEverything(dataFolder);
  for (const round of [1, 2]) {
    const gateway = await startTestGateway({ dataFolder });
    const { apiKey, accountId } = await gateway.fundedKey(1_000_000_000n);
    const headers = { authorization: `Bearer ${apiKey}` };
    const call = { model: 'sim/echo', messages: [{ role: 'user', content: 'Hello' }] };
    expect((await gateway.client('/chat/completions', call, headers)).status).toBe(200);
    const streamed = await gateway.client('/chat/completions', { ...call, stream: true }, headers);
    expect(await streamed.text()).toContain('[DONE]');
    expect((await gateway.admin('PATCH', `/accounts/${accountId}`, { limits: { concurrency: 5 } })).status).toBe(200);
    const usage = await gateway.admin('GET', '/usage?limit=200');
    expect(usage.body['items']).toHaveLength(1 + 2 * round);
    await gateway.stop();
    expect(verifyLedger({ folder: dataFolder, chargeOf: () => undefined })).toMatchObject({ ok: true });
  }
  const database = new Database(join(dataFolder, 'ledger.db'));
  expect(database.query("SELECT count(*) FROM usage_pack WHERE later != 'later'").values()).toEqual([[0]]);
  database.close();
});

describe('a journal of a newer Tollgate', () => {
  test('in another form is refused by name', async () => {
    const folder = await servedFolder();
    writeFileSync(join(journalFolder(folder), 'format-2'), '');
    const before = readdirSync(journalFolder(folder));
    await expect(startTestGateway({ dataFolder: folder })).rejects.toMatchObject({
      name: 'NewerJournalError', message: expect.stringContaining('its form is version 2'),
    });
    expect(readdirSync(journalFolder(folder))).toEqual(before);
  });

  test('with a record of an unknown kind is refused by name, and loaded by whoever knows it', async () => {
    const folder = await servedFolder();
    const database = openLedgerForLoading(folder);
    const journal = Journal.open({ folder: journalFolder(folder), from: loadedPosition(database) });
    database.close();
    await journal.durable(journal.append('notice', '{"to":"acc_1"}'));
    await journal.close();
    const segments = readdirSync(journalFolder(folder));
    await expect(openEmbeddedLedger({ folder, warn: () => {} })).rejects.toMatchObject({
      name: 'NewerJournalError', message: expect.stringMatching(/is of the kind notice.*stop it cleanly/),
    });
    expect(readdirSync(journalFolder(folder))).toEqual(segments);
    await openNouns(folder).close();
  });
});

test('a file whose making was cut off is made anew: a reader alone could not undo what was begun', async () => {
  const [begun, cut] = [scratch(), scratch()];
  const path = join(begun, 'tollgate.db');
  const database = new Database(path, { create: true });
  database.run('CREATE TABLE begun (content BLOB)');
  // With no room in memory its pages go to the file before the end: what a crash leaves then has to be undone.
  database.run('PRAGMA cache_size = 1');
  database.run('BEGIN IMMEDIATE');
  database.run('INSERT INTO begun VALUES (zeroblob(1000000))');
  mkdirSync(cut, { recursive: true });
  for (const name of ['tollgate.db', 'tollgate.db-journal']) copyFileSync(join(begun, name), join(cut, name));
  database.run('ROLLBACK');
  database.close();
  const reader = new Database(join(cut, 'tollgate.db'), { readonly: true });
  expect(() => reader.query('SELECT * FROM begun').all()).toThrow('readonly');
  reader.close();
  expect(planUpgrade(cut).map(({ fresh }) => fresh)).toEqual([true, true]);
  await prepareUpgrade(cut, '0.0.0', 0, () => {});
  await openNouns(cut).close();
  expect(planUpgrade(cut)[1]?.pending).toEqual([]);
});
