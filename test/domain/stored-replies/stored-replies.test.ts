// Whose a kept reply is: whoever gives its id again, whichever process writes first, and while the disk is away.

import { afterEach, describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { newId, type AccountId, type UpstreamId } from '../../../src/core/ids.ts';
import { openStoredReplies, type StoredReply } from '../../../src/domain/stored-replies/stored-replies.ts';
import { migrate } from '../../../src/store/migrate.ts';
import { nounsDatabasePath, nounsMigrations, openNouns, type NounTables } from '../../../src/store/nouns.ts';
import type { SqlFile } from '../../../src/store/sql-file.ts';
import { openSqlite } from '../../../src/store/sqlite.ts';

const folders: string[] = [];
const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'tollgate-replies-'));
  folders.push(made);
  return made;
}

const DAY_MS = 24 * 60 * 60 * 1_000;
const [owner, stranger] = [newId('acc'), newId('acc')];
const [a, b] = [newId('ups'), newId('ups')];
const reply = (id: string, upstreamId: UpstreamId, accountId: AccountId, createdAt = 0): StoredReply => ({
  id,
  accountId,
  upstreamId,
  model: 'm',
  createdAt,
});

/** A process on that folder; its timers go off when the test says so, and its disk is away while `broken`. */
function opened(dataFolder: string) {
  const nouns = openNouns(dataFolder);
  closers.push(() => nouns.close());
  const disk = { broken: false, transactions: 0 };
  const file: SqlFile<NounTables> = {
    ...nouns,
    transaction(work) {
      disk.transactions += 1;
      return disk.broken ? Promise.reject(new Error('the disk is away')) : nouns.transaction(work);
    },
  };
  const told: string[] = [];
  const waits: number[] = [];
  const works: (() => void)[] = [];
  const time = { now: 0 };
  const replies = openStoredReplies(
    file,
    { now: () => time.now, monotonicMs: () => 0 },
    (message) => void told.push(message),
    (work, waitMs) => {
      waits.push(waitMs);
      works.push(work);
      return () => void works.splice(works.indexOf(work), 1);
    },
  );
  return {
    replies,
    disk,
    told,
    waits,
    time,
    pending: () => works.length,
    /** What was to be done later is done now, to its end. */
    async passed() {
      for (const work of works.splice(0)) work();
      while (works.length === 0 && disk.broken) await new Promise((resolve) => setImmediate(resolve));
      await replies.forget(reply('none', a, owner));
    },
    at: async (id: string, account: AccountId) => (await replies.find(id, account))?.upstreamId,
  };
}

describe('an id that comes twice', () => {
  for (const onDisk of [false, true]) {
    test(`from two upstreams is a reply of each; on the disk ${onDisk}`, async () => {
      const { replies, at } = opened(folder());
      replies.keep(reply('x', a, owner));
      if (onDisk) await replies.close();
      replies.keep(reply('x', b, stranger));
      for (let round = 0; round < 2; round++) {
        expect([await at('x', owner), await at('x', stranger)]).toEqual([a, b]);
        await replies.close();
      }
      await replies.forget(reply('x', b, stranger));
      expect([await at('x', owner), await at('x', stranger)]).toEqual([a, undefined]);
    });

    test(`from two upstreams to one account is the first's, until that is deleted; on the disk ${onDisk}`, async () => {
      const { replies, at } = opened(folder());
      replies.keep(reply('x', b, owner, 5));
      if (onDisk) await replies.close();
      replies.keep(reply('x', a, owner, 4));
      for (let round = 0; round < 2; round++) {
        expect(await at('x', owner)).toBe(b);
        await replies.close();
      }
      replies.keep(reply('x', b, owner, 9));
      expect(await at('x', owner)).toBe(b);
      await replies.forget(reply('x', b, owner));
      expect(await at('x', owner)).toBe(a);
    });

    test(`from one upstream to two accounts is nobody's; on the disk ${onDisk}`, async () => {
      const { replies, at } = opened(folder());
      replies.keep(reply('x', a, owner));
      if (onDisk) await replies.close();
      replies.keep(reply('x', a, stranger));
      for (let round = 0; round < 2; round++) {
        expect([await at('x', owner), await at('x', stranger)]).toEqual([undefined, undefined]);
        await replies.close();
        replies.keep(reply('x', a, owner));
      }
    });
  }

  test('is the same for every reader, whichever of two processes writes first', async () => {
    for (const firstWrites of [0, 1]) {
      const dataFolder = folder();
      const both = [opened(dataFolder), opened(dataFolder)] as const;
      both[0].replies.keep(reply('contested', a, owner));
      both[1].replies.keep(reply('contested', a, stranger));
      both[0].replies.keep(reply('own', a, owner));
      both[1].replies.keep(reply('own', b, stranger));
      await both[firstWrites === 0 ? 0 : 1].replies.close();
      await both[firstWrites === 0 ? 1 : 0].replies.close();
      for (const { at } of both) {
        const found = [await at('contested', owner), await at('contested', stranger)];
        expect([...found, await at('own', owner), await at('own', stranger)]).toEqual([undefined, undefined, a, b]);
      }
    }
  });
});

describe('a disk that is away', () => {
  test('is tried again, later each time, and nothing is forgotten meanwhile', async () => {
    const dataFolder = folder();
    const process = opened(dataFolder);
    process.disk.broken = true;
    process.replies.keep(reply('x', a, owner));
    for (let round = 0; round < 9; round++) await process.passed();
    expect(process.waits).toEqual([1, 2, 4, 8, 16, 32, 60, 60, 60, 60].map((seconds) => seconds * 1_000));
    expect(process.told).toEqual(Array(9).fill('1 could not be written down'));
    expect(await process.at('x', owner)).toBe(a);
    process.disk.broken = false;
    await process.passed();
    expect(process.pending()).toBe(0);
    expect(await opened(dataFolder).at('x', owner)).toBe(a);
    process.replies.keep(reply('y', a, owner));
    expect(process.waits.at(-1)).toBe(1_000);
  });

  test('holds a bounded number of them, which is said once each time', async () => {
    const process = opened(folder());
    process.disk.broken = true;
    for (let i = 0; i < 100_500; i++) process.replies.keep(reply(`r${i}`, a, owner));
    const full = '100000 wait for the disk; what comes beyond them is forgotten';
    expect(process.told).toEqual([full]);
    // One that is known already may still turn out to be another's.
    process.replies.keep(reply('r0', a, stranger));
    expect(await process.at('r0', owner)).toBeUndefined();
    expect(await process.at('r100499', owner)).toBeUndefined();
    process.disk.broken = false;
    await process.replies.close();
    // In many transactions, so that requests go on in between.
    expect(process.disk.transactions).toBe(200);
    expect([await process.at('r99999', owner), await process.at('r0', owner)]).toEqual([a, undefined]);
    process.disk.broken = true;
    for (let i = 0; i < 100_002; i++) process.replies.keep(reply(`s${i}`, a, owner));
    expect(process.told).toEqual([full, full]);
  });
});

test('what is deleted while it is written stays deleted', async () => {
  const { replies, at } = opened(folder());
  replies.keep(reply('x', a, owner));
  const writing = replies.close();
  await replies.forget(reply('x', a, owner));
  await writing;
  expect(await at('x', owner)).toBeUndefined();
});

test('what nobody could ask for, or would be another on the disk, is not kept', async () => {
  const { replies, at, pending } = opened(folder());
  for (const id of ['', '.', '..', 'a\ud800', 'x'.repeat(201)]) {
    replies.keep(reply(id, a, owner));
    expect(await at(id, owner)).toBeUndefined();
  }
  expect(pending()).toBe(0);
});

test('what is older than any upstream keeps it goes with the next write', async () => {
  const { replies, at, time } = opened(folder());
  replies.keep(reply('old', a, owner));
  await replies.close();
  time.now = 41 * DAY_MS;
  replies.keep(reply('new', a, owner, time.now));
  await replies.close();
  expect([await at('old', owner), await at('new', owner)]).toEqual([undefined, a]);
});

describe('a file of before, when an id was known by itself', () => {
  test('keeps what is in it, and an older process still writes there', async () => {
    const at = folder();
    const database = openSqlite({ path: nounsDatabasePath(at) });
    migrate(
      database,
      nounsMigrations.slice(
        0,
        nounsMigrations.findIndex(({ name }) => name.startsWith('009-')),
      ),
    );
    const insert = 'INSERT INTO stored_reply (id, account_id, upstream_id, model, created_at) VALUES (?, ?, ?, ?, ?)';
    database.run(insert, ['r-1', owner, a, 'm', 5]);
    const { replies } = opened(at);
    database.run(`${insert} ON CONFLICT DO NOTHING`, ['r-2', stranger, b, 'm', 6]);
    database.run(`${insert} ON CONFLICT DO NOTHING`, ['r-1', stranger, a, 'm', 7]);
    expect(await replies.find('r-1', owner)).toEqual(reply('r-1', a, owner, 5));
    expect(await replies.find('r-1', stranger)).toBeUndefined();
    expect(await replies.find('r-2', stranger)).toEqual(reply('r-2', b, stranger, 6));
    database.close();
  });
});
