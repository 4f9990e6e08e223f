// Migrations by name: what ran never runs again, an older executable goes on with what it may go on with, and a crash
// at any statement leaves all of a migration or nothing.

import { Database } from 'bun:sqlite';
import { describe, expect, test } from 'bun:test';
import { join } from 'node:path';
import { appliedMigrations, migrate, planMigrations, type Migration } from '../../src/store/migrate.ts';
import { scratchFolders } from './scratch.ts';

const scratch = scratchFolders();

const first: Migration = { name: '001-first', statements: ['CREATE TABLE first (a INTEGER) STRICT'] };
const second: Migration = {
  name: '002-second',
  statements: ['CREATE TABLE second (a INTEGER) STRICT', 'INSERT INTO second VALUES (1)', 'INSERT INTO second VALUES (2)'],
};
const additive: Migration = {
  name: '003-additive', additive: true, statements: ["ALTER TABLE first ADD COLUMN b TEXT NOT NULL DEFAULT 'none'"],
};
const breaking: Migration = { name: '004-breaking', statements: ['DROP TABLE second'] };

const open = (path = ':memory:'): Database => new Database(path, { create: true, readwrite: true, strict: true });
const namesOf = (database: Database): readonly string[] => appliedMigrations(database).map(({ name }) => name);

describe('migrations', () => {
  test('run once each, in their order', () => {
    const database = open();
    expect(migrate(database, [first])).toEqual(['001-first']);
    expect(migrate(database, [first, second])).toEqual(['002-second']);
    expect(migrate(database, [first, second])).toEqual([]);
    expect(database.query('SELECT a FROM second').values()).toEqual([[1], [2]]);
  });

  test('an older executable goes on with a file that is only additive beyond what it knows', () => {
    const database = open();
    migrate(database, [first, second, additive]);
    expect(migrate(database, [first, second])).toEqual([]);
    // Another newer one that the older line got: it runs, and what is unknown neither counts nor runs again.
    const third: Migration = { name: '003-other', statements: ['CREATE TABLE third (a INTEGER) STRICT'] };
    expect(migrate(database, [first, second, third])).toEqual(['003-other']);
    expect(namesOf(database)).toEqual(['001-first', '002-second', '003-additive', '003-other']);
  });

  test('an older executable refuses what is not additive, by name and with the remedy, and changes nothing', () => {
    const folder = scratch();
    const path = join(folder, 'file.db');
    const database = open(path);
    migrate(database, [first, second, additive, breaking]);
    const before = database.query('SELECT * FROM sqlite_schema').values();
    expect(() => migrate(database, [first])).toThrow(/^.*file\.db was written by another Tollgate.*002-second, 004-breaking/);
    expect(() => migrate(database, [first])).toThrow(`tollgate restore BACKUP --data ${folder} --replace`);
    expect(database.query('SELECT * FROM sqlite_schema').values()).toEqual(before);
  });

  test('what forgets to say so is not additive', () => {
    expect(planMigrations('f', [{ name: '009', additive: false }], [first])).toEqual({
      pending: [first], breaking: ['009'],
    });
  });

  test('a file of before the files said so is told what runs from then on', () => {
    const database = open();
    database.run('CREATE TABLE migration (position INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT');
    database.run("INSERT INTO migration (name) VALUES ('001-first'), ('002-second')");
    for (const statement of [...first.statements, ...second.statements]) database.run(statement);
    expect(migrate(database, [first, second])).toEqual([]);
    expect(migrate(database, [first, second, additive])).toEqual(['003-additive']);
    expect(appliedMigrations(database)).toEqual([
      { name: '001-first', additive: false }, { name: '002-second', additive: false },
      { name: '003-additive', additive: true },
    ]);
  });

  test('a migration does not run after its successors', () => {
    const database = open();
    migrate(database, [first, additive]);
    expect(() => migrate(database, [first, second, additive])).toThrow('lacks the migration 002-second');
    expect(namesOf(database)).toEqual(['001-first', '003-additive']);
  });
});

/** Fails, in one way or the other, at one of its statements. */
class FailingDatabase extends Database {
  left = Number.POSITIVE_INFINITY;
  failAt: () => void = () => {};

  override run(...parameters: Parameters<Database['run']>): ReturnType<Database['run']> {
    this.left -= 1;
    if (this.left === 0) this.failAt();
    return super.run(...parameters);
  }
}

const everything = [first, second, additive];

test('a statement that fails leaves its migration undone, and the next attempt does the rest', () => {
  const places: number[] = [];
  for (let at = 1; ; at++) {
    const database = new FailingDatabase(':memory:', { strict: true });
    database.left = at;
    database.failAt = () => {
      throw new Error('the disk is full');
    };
    let failed = false;
    try {
      migrate(database, everything);
    } catch {
      failed = true;
    }
    if (!failed) break;
    places.push(namesOf(database).length);
    const half = database.query("SELECT count(*) AS count FROM sqlite_schema WHERE name IN ('first', 'second')").values();
    expect(half).toEqual([[Math.min(2, namesOf(database).length)]]);
    database.left = Number.POSITIVE_INFINITY;
    migrate(database, everything);
    expect(namesOf(database)).toEqual(everything.map(({ name }) => name));
    expect(database.query('SELECT a FROM second').values()).toEqual([[1], [2]]);
  }
  expect(new Set(places)).toEqual(new Set([0, 1, 2]));
});

test('kill -9 at each statement leaves a file on which the next start goes on', async () => {
  const script = join(import.meta.dir, 'killed-migration.ts');
  const folder = scratch();
  const applied: number[] = [];
  for (let at = 1; ; at++) {
    const path = join(folder, `${at}.db`);
    const run = async (killAt: number) => {
      const child = Bun.spawn([process.execPath, script, path, String(killAt)], { stderr: 'inherit' });
      await child.exited;
      return child.signalCode;
    };
    if ((await run(at)) === null) break;
    const left = open(path);
    applied.push(namesOf(left).length);
    const tables = left.query("SELECT count(*) FROM sqlite_schema WHERE name IN ('first', 'second')").values();
    expect(tables).toEqual([[namesOf(left).length]]);
    left.close();
    expect(await run(0)).toBeNull();
    const database = open(path);
    expect(namesOf(database)).toEqual(['001-first', '002-second']);
    expect(database.query('SELECT a FROM second').values()).toEqual([[1], [2]]);
    database.close();
  }
  expect(applied).toEqual([0, 0, 1, 1, 1, 1]);
});
