// What the loader promises beyond the ledger's own tests: a power cut may take its last transactions back, and a record
// that stands twice in the journal is booked once.

import { Database } from 'bun:sqlite';
import { describe, expect, test } from 'bun:test';
import { cpSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { newId } from '../../src/core/ids.ts';
import { recordJson, usageRecordJson } from '../../src/domain/ledger/record-json.ts';
import { verifyLedger } from '../../src/domain/ledger/verify.ts';
import { journalStart, segmentPath, type JournalPosition } from '../../src/store/journal-files.ts';
import { readJournal } from '../../src/store/journal-reader.ts';
import { Journal } from '../../src/store/journal.ts';
import { LedgerLoad } from '../../src/store/ledger-load.ts';
import { journalFolder, openLedgerForLoading, openLedgerForReading } from '../../src/store/schema/ledger.ts';
import { chargeOfLines } from '../domain/ledger/embedded-harness.ts';
import { accountId, noon, sampleClosing, sampleHold } from '../domain/ledger/sample-records.ts';
import { scratchFolders } from './scratch.ts';
import { usageTexts } from './usage-texts.ts';

const scratch = scratchFolders();
const SEGMENT_BYTES = 20_000;

/** Charges of 10, 11, 12 … by two accounts, in many segments. Returns where each record ends. */
async function written(
  folder: string, charges: number, twice: readonly number[] = [],
): Promise<readonly JournalPosition[]> {
  const journal = Journal.open({ folder: journalFolder(folder), from: journalStart, segmentBytes: SEGMENT_BYTES });
  for (const name of ['a', 'b']) {
    const account = { accountId: accountId(name), currency: 'USD', overdraftNano: 1_000_000n, at: noon };
    journal.append('account', recordJson(account));
  }
  for (let index = 0; index < charges; index++) {
    const hold = sampleHold(index, 5n, { accountId: accountId(index % 2 === 0 ? 'a' : 'b') });
    const json = usageRecordJson(sampleClosing(hold, 10n + BigInt(index)), 5n, 0n);
    journal.append('usage', json);
    if (twice.includes(index)) journal.append('usage', json);
    if (index % 7 === 0) await journal.durable(journal.lastSequence);
  }
  await journal.close();
  return [...readJournal(journalFolder(folder), journalStart, journal.position)].map(({ end }) => end);
}

function postedIn(folder: string): Record<string, bigint> {
  const database = openLedgerForReading(folder);
  const rows = database.query<{ address: string; posted_nano: string }, []>(
    "SELECT address, posted_nano FROM balance WHERE address GLOB 'account/*'").all();
  database.close();
  return Object.fromEntries(rows.map((row) => [row.address, BigInt(row.posted_nano)]));
}

function expected(charges: number): Record<string, bigint> {
  const sum = (from: number): bigint => {
    let total = 0n;
    for (let index = from; index < charges; index += 2) total += 10n + BigInt(index);
    return -total;
  };
  return { 'account/acc_a': sum(0), 'account/acc_b': sum(1) };
}

const faultsIn = (folder: string) => verifyLedger({ folder, chargeOf: chargeOfLines }).faults;

describe('a power cut', () => {
  test('takes back what the segments that are left bring again', async () => {
    const folder = scratch();
    const ends = await written(folder, 120);
    const database = openLedgerForLoading(folder);
    const load = new LedgerLoad(database, folder, newId);
    const cuts: string[] = [];
    for (let index = 4; index < ends.length; index += 5) {
      const until = ends[index];
      if (until === undefined) throw new Error('no such record');
      // The store as it was, with the journal as it is by then: what is older than the position may be gone.
      const cut = scratch();
      for (const name of ['ledger.db', 'ledger.db-wal']) cpSync(join(folder, name), join(cut, name));
      const { segment } = load.position;
      load.load(until);
      cpSync(journalFolder(folder), journalFolder(cut), { recursive: true });
      for (let number = 1; number < segment; number++) rmSync(segmentPath(journalFolder(cut), number));
      cuts.push(cut);
    }
    database.close();
    expect(ends.at(-1)?.segment).toBeGreaterThan(4);
    expect(readdirSync(journalFolder(cuts.at(-1) ?? ''))[0]).not.toBe('00000001.journal');
    for (const cut of cuts) {
      const again = openLedgerForLoading(cut);
      const last = ends.at(-1);
      if (last === undefined) throw new Error('no records');
      new LedgerLoad(again, cut, newId).load(last);
      again.close();
      expect(postedIn(cut)).toEqual(expected(120));
      expect(faultsIn(cut)).toEqual([]);
    }
  });

  test('the transaction that enters a segment is synced, before which nothing of the one before is forgotten', async () => {
    const folder = scratch();
    const ends = await written(folder, 120);
    const database = openLedgerForLoading(folder);
    const load = new LedgerLoad(database, folder, newId);
    let synchronous = 'FULL';
    const run = database.run.bind(database);
    database.run = (sql: string) => {
      synchronous = /^PRAGMA synchronous = (\w+)$/.exec(sql)?.[1] ?? synchronous;
      return run(sql);
    };
    const seen = new Set<string>();
    for (let index = 4; index < ends.length; index += 5) {
      const until = ends[index];
      if (until === undefined) throw new Error('no such record');
      const entered = until.segment !== load.position.segment;
      load.load(until);
      expect({ entered, synchronous }).toEqual({ entered, synchronous: entered ? 'FULL' : 'NORMAL' });
      seen.add(synchronous);
    }
    expect([...seen].toSorted()).toEqual(['FULL', 'NORMAL']);
    database.close();
  });
});

describe('a record that stands twice in the journal', () => {
  for (const size of [1, 3, 1_000]) {
    test(`is booked once, loaded by ${size}`, async () => {
      const folder = scratch();
      const ends = await written(folder, 40, [3, 17, 38]);
      const database = openLedgerForLoading(folder);
      const load = new LedgerLoad(database, folder, newId);
      ends.forEach((end, index) => {
        if (index % size === size - 1 || index === ends.length - 1) load.load(end);
      });
      database.close();
      expect(postedIn(folder)).toEqual(expected(40));
      expect(faultsIn(folder)).toEqual([]);
      const stored = new Database(join(folder, 'ledger.db'), { readonly: true });
      const positions = stored.query('SELECT count(*) AS rows, max(position) AS last FROM usage').get();
      const packed = usageTexts(stored);
      stored.close();
      expect(positions).toEqual({ rows: 40, last: 40 });
      expect(new Set(packed).size).toBe(packed.length);
      expect(packed).toHaveLength(40);
    });
  }
});

test('a store whose rows an older build laid out otherwise is refused, by name, and left as it is', () => {
  const folder = scratch();
  const path = join(folder, 'ledger.db');
  const older = new Database(path, { create: true });
  older.run('CREATE TABLE migration (position INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT');
  older.run("INSERT INTO migration (name) VALUES ('001-ledger')");
  older.close();
  expect(() => openLedgerForLoading(folder)).toThrow(`${path} was written by another Tollgate`);
  const left = new Database(path, { readonly: true });
  expect(left.query("SELECT name FROM sqlite_schema WHERE type = 'table'").all()).toEqual([{ name: 'migration' }]);
  left.close();
});
