// Case G3 of the attack catalogue: backups of another version, changed, cut, or made to hurt whoever restores them.
// Each is refused with one clear line, and there is neither a data folder afterwards nor anything beside it.

import { Database } from 'bun:sqlite';
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import {
  existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zstdCompressSync } from 'node:zlib';
import { backUpFolder } from '../../src/store/backup/back-up-folder.ts';
import { tarHead } from '../../src/store/backup/tar.ts';
import { unpackArchive } from '../../src/store/backup/unpack.ts';
import { archiveOf, chunksOf, memberOf, partOf, readWhole, tarOf, type Archive, type Part } from '../store/archives.ts';
import { command } from '../support/commands.ts';
import { startTestGateway } from '../support/gateway.ts';

const work = mkdtempSync(join(tmpdir(), 'tollgate-test-'));
let bytes: Uint8Array;
let archive: Archive;
let places = 0;
afterAll(() => rmSync(work, { recursive: true, force: true }));

beforeAll(async () => {
  const dataFolder = join(work, 'served');
  const gateway = await startTestGateway({ dataFolder });
  await gateway.client('/chat/completions', { model: 'sim/echo', messages: [{ role: 'user', content: 'Hello' }] });
  await gateway.stop();
  const path = join(work, 'backup.tar');
  await backUpFolder({ dataFolder, path, version: '0.1.0', now: Date.now(), secrets: true, compress: false });
  bytes = readFileSync(path);
  archive = await readWhole(bytes);
});

/** Restores it to a place of its own; what is there afterwards is looked at. */
async function restore(file: Uint8Array, ...flags: readonly string[]) {
  const place = join(work, `place-${places++}`);
  mkdirSync(place);
  const path = join(place, 'backup');
  writeFileSync(path, file);
  const result = await command(['restore', path, '--data', join(place, 'data'), ...flags]);
  return { ...result, left: readdirSync(place).filter((name) => name !== 'backup'), data: join(place, 'data') };
}

async function refused(file: Uint8Array, why: string | RegExp): Promise<void> {
  const { exitCode, errors, left } = await restore(file);
  expect(errors).toMatch(why);
  expect(errors.trimEnd().split('\n').length).toBeLessThan(4);
  expect({ exitCode, left }).toEqual({ exitCode: 1, left: [] });
}

const partNamed = (name: string): Part => {
  const part = archive.parts.find((each) => each.name === name);
  if (part === undefined) throw new Error(name);
  return part;
};

/** The same archive with one database changed, and all sums made anew: an attacker can do that as well. */
function withDatabase(name: string, change: (database: Database) => void): Uint8Array {
  const path = join(work, `changed-${places++}.db`);
  writeFileSync(path, partNamed(name).bytes);
  const database = new Database(path);
  change(database);
  database.close();
  const changed = { ...partOf(work, path.slice(work.length + 1)), name };
  return archiveOf({ ...archive, parts: archive.parts.map((part) => (part.name === name ? changed : part)) });
}

test('as it was made it is restored: the refusals below are for what was changed', async () => {
  expect((await restore(bytes)).exitCode).toBe(0);
  expect((await restore(archiveOf(archive))).exitCode).toBe(0);
  expect((await restore(zstdCompressSync(bytes))).exitCode).toBe(0);
  expect((await restore(withDatabase('ledger.db', () => {}))).exitCode).toBe(0);
});

describe('an archive that was changed', () => {
  test('in a single byte, wherever it is', async () => {
    const folder = join(work, 'unpacked');
    let refusals = 0;
    // Every place of the frame and some of the contents.
    const heads = [0, 100, 124, 130, 136, 140, 148, 156, 157, 257, 345, 511];
    const spread = Array.from({ length: 80 }, (_, at) => Math.floor((at / 80) * bytes.length));
    const places = [...heads, ...spread, bytes.length - 1];
    for (const at of places) {
      const changed = Uint8Array.from(bytes);
      changed[at] = (changed[at] ?? 0) ^ 1;
      await readWhole(changed, 65_536).then(() => {
        throw new Error(`byte ${at} was not missed`);
      }, (error: Error) => {
        expect(error.name).toBe('BackupArchiveError');
        refusals += 1;
      });
    }
    expect(refusals).toBe(places.length);
    const last = Uint8Array.from(bytes);
    last[bytes.length - 1] = 1;
    await expect(unpackArchive(chunksOf(last), folder)).rejects.toThrow('goes on after the last member');
    expect(existsSync(folder)).toBe(false);
  });

  test('cut short or made longer', async () => {
    for (const length of [0, 1, 511, 512, 600, 5_000, bytes.length >> 1, bytes.length - 1_024, bytes.length - 1]) {
      await refused(bytes.subarray(0, length), /cut short/);
      await refused(zstdCompressSync(bytes.subarray(0, length)), /cut short/);
    }
    await refused(zstdCompressSync(bytes).subarray(0, 5_000), /cut short|cannot be decompressed/);
    await refused(Buffer.concat([bytes, new Uint8Array(512)]), 'it goes on after its end');
    await refused(Buffer.concat([bytes, bytes]), 'it goes on after its end');
  });

  test('otherwise than its SHA-256 says', async () => {
    const { exitCode, errors, left } = await restore(bytes, '--sha256', '0'.repeat(64));
    expect({ exitCode, left }).toEqual({ exitCode: 1, left: [] });
    expect(errors).toContain('not the one that was given');
  });
});

describe('an archive of another kind or version', () => {
  test.each([
    ['version', { version: 2 }, /form is version 2, and this Tollgate reads version 1; use Tollgate 0\.1\.0/],
    ['no version', { version: undefined }, /form is version unknown/],
    ['journal', { journalFormat: 2 }, /form of its journal is version 2/],
    ['product', { format: 'other' }, /not a backup of Tollgate/],
    ['members', { members: 'none' }, /members must be a list/],
    ['no members', { members: [] }, /names no ledger\.db/],
    ['time', { takenAt: 'yesterday' }, /does not say when/],
    ['secrets', { withSecrets: 'yes' }, /withSecrets must be true or false/],
  ])('%s', async (_, fields, why) => refused(archiveOf(archive, fields), why));

  test('of a newer schema, before anything is unpacked', async () => {
    const migrations = { 'ledger.db': [{ name: '900-later', additive: false }], 'tollgate.db': [] };
    await refused(archiveOf(archive, { migrations, tollgate: '9.0.0' }), /newer Tollgate, 9\.0\.0.*900-later/);
  });

  test('no archive at all', async () => {
    await refused(Buffer.from('{}'), 'cut short');
    await refused(new Uint8Array(10_000), 'not a backup of Tollgate');
    await refused(tarOf([{ name: 'ledger.db', bytes: new Uint8Array(10) }]), 'does not begin with a manifest');
    await refused(tarOf([{ name: 'manifest.json', bytes: Buffer.from('{"format":') }]), 'not JSON');
    await refused(tarOf([{ name: 'manifest.json', bytes: Buffer.from('[[[[') }]), 'not JSON');
    await refused(zstdCompressSync(new Uint8Array(64 * 1024 * 1024)), 'not a backup of Tollgate');
  });
});

describe('an archive that reaches beyond its folder or its sizes', () => {
  const names = [
    '../escaped', '/escaped', 'journal/../../escaped', 'journal/00000001.journal/../../../escaped', '.', '',
    'lock', 'ledger.db-wal', 'running.json', 'journal/1.journal', 'LEDGER.DB', 'ledger.db\0',
    'journal\\00000001.journal',
  ];
  test.each(names)('by the name %j', async (name) => {
    const extra = { name: 'tollgate.db', bytes: Buffer.from('x') };
    const parts = [...archive.parts, { ...extra, head: tarHead(name.replaceAll('\0', ''), 1, 0) }];
    const members = [...archive.parts.map(memberOf), { ...memberOf(extra), name }];
    await refused(archiveOf({ ...archive, parts }, { members }), 'which no backup holds');
    expect(existsSync(join(work, 'escaped'))).toBe(false);
  });

  test('by a block that is a link, a folder or a device', async () => {
    for (const type of ['1', '2', '3', '5', 'L', 'x']) {
      const parts = archive.parts.map((part) => {
        if (part.name !== 'tollgate.db') return part;
        const head = tarHead(part.name, part.bytes.length, 1_700_000_000);
        head[156] = type.charCodeAt(0);
        head.set(Buffer.from('/etc/passwd'), 157);
        return { ...part, head };
      });
      await refused(archiveOf({ ...archive, parts }), 'in the place of tollgate.db is not it');
    }
  });

  test('by members twice, more, fewer, or in another order than stated', async () => {
    const [first, ...others] = archive.parts;
    if (first === undefined) throw new Error('no parts');
    const members = archive.parts.map(memberOf);
    await refused(archiveOf({ ...archive, parts: [...archive.parts, first] }), 'names a member twice');
    await refused(archiveOf({ ...archive, parts: [...archive.parts, first] }, { members }), 'goes on after the last member');
    await refused(archiveOf({ ...archive, parts: archive.parts.slice(0, -1) }, { members }), /is not it|cut short/);
    await refused(archiveOf({ ...archive, parts: [...others, first] }, { members }), 'is not it');
  });

  test('by sizes that no disk has, and by none', async () => {
    const sized = (size: unknown) => archiveOf(archive, {
      members: archive.parts.map((part) => ({ ...memberOf(part), ...(part.name === 'ledger.db' ? { size } : {}) })),
    });
    await refused(sized(1e15), /MiB free and .* are needed/);
    await refused(sized(-1), 'size below zero');
    await refused(sized(1.5), 'size must be an integer');
    await refused(sized('1'), 'size must be an integer');
    await refused(sized(1e300), 'size must be an integer');
    await refused(sized(partNamed('ledger.db').bytes.length + 512), /is not it/);
    const manifest = tarHead('manifest.json', 3 * 1024 * 1024, 0);
    await refused(Buffer.concat([manifest, new Uint8Array(4 * 1024 * 1024)]), 'at most 2097152 are read');
  });
});

describe('an archive whose sums are right and whose contents are not', () => {
  test.each([
    ['a balance', "UPDATE balance SET posted_nano = '999000000000' WHERE address GLOB 'account/*'"],
    ['a loaded position', "UPDATE ledger_state SET head_hash = '" + 'f'.repeat(64) + "'"],
  ])('%s', async (_, change) => {
    const file = withDatabase('ledger.db', (database) => void database.run(change));
    const { exitCode, output, errors, left } = await restore(file);
    expect({ exitCode, left }).toEqual({ exitCode: 1, left: [] });
    expect(output).toContain('the books are NOT in order');
    expect(errors).toContain('the backup is not in order; nothing was put at');
  });

  test('a trigger that would act at the first start', async () => {
    const file = withDatabase('ledger.db', (database) => void database.run(
      "CREATE TRIGGER gift AFTER UPDATE ON ledger_state BEGIN UPDATE balance SET posted_nano = '1'; END"));
    await refused(file, 'trigger gift was made by no migration');
  });

  test('a trigger that is missing, a view in the place of a table, a column more', async () => {
    const dropped = withDatabase('tollgate.db', (database) => void database.run('DROP TRIGGER terms_acceptance_stays'));
    await refused(dropped, 'trigger terms_acceptance_stays is not what the migrations made');
    const view = withDatabase('tollgate.db', (database) => void database.run('CREATE VIEW seen AS SELECT * FROM account'));
    await refused(view, 'view seen was made by no migration');
    const column = withDatabase('ledger.db', (database) => void database.run('ALTER TABLE balance ADD COLUMN more TEXT'));
    await refused(column, 'table balance is not what the migrations made');
  });

  test('money of an account that is not there', async () => {
    const file = withDatabase('tollgate.db', (database) => {
      database.run('PRAGMA foreign_keys = OFF');
      database.run('DELETE FROM api_key');
      database.run('DELETE FROM account');
    });
    const { exitCode, errors, left } = await restore(file);
    expect({ exitCode, left }).toEqual({ exitCode: 1, left: [] });
    expect(errors).toContain('tollgate.db has no such account');
  });

  test('files that are no databases', async () => {
    const junk = { name: 'ledger.db', bytes: Buffer.alloc(8_192, 7) };
    const parts = archive.parts.map((part) => (part.name === 'ledger.db' ? junk : part));
    await refused(archiveOf({ ...archive, parts }), /ledger\.db cannot be read/);
  });
});

test('a link in the place of the data folder is followed, never replaced', async () => {
  const place = join(work, 'linked');
  const disk = join(work, 'disk');
  mkdirSync(place);
  mkdirSync(join(disk, 'data'), { recursive: true });
  symlinkSync(join(disk, 'data'), join(place, 'data'));
  writeFileSync(join(place, 'backup'), bytes);
  const { exitCode } = await command(['restore', join(place, 'backup'), '--data', join(place, 'data')]);
  expect(exitCode).toBe(0);
  expect(existsSync(join(disk, 'data', 'ledger.db'))).toBe(true);
  expect(readdirSync(disk)).toEqual(['data']);
});
