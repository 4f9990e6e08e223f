// Migrates the file that is named first, and kills itself at the statement whose number is named second.

import { Database } from 'bun:sqlite';
import { migrate } from '../../src/store/migrate.ts';

const [path = '', at = ''] = process.argv.slice(2);
let left = Number(at);

class KilledDatabase extends Database {
  override run(...parameters: Parameters<Database['run']>): ReturnType<Database['run']> {
    left -= 1;
    if (left === 0) process.kill(process.pid, 'SIGKILL');
    return super.run(...parameters);
  }
}

const database = new KilledDatabase(path, { create: true, readwrite: true, strict: true });
database.query('PRAGMA journal_mode = WAL').get();
migrate(database, [
  { name: '001-first', statements: ['CREATE TABLE first (a INTEGER) STRICT'] },
  {
    name: '002-second',
    statements: ['CREATE TABLE second (a INTEGER) STRICT', 'INSERT INTO second VALUES (1)', 'INSERT INTO second VALUES (2)'],
  },
]);
