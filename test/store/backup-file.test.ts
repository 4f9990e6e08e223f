// A backup holds the keys of the gateway: it is written to no place that somebody else has prepared.

import { expect, test } from 'bun:test';
import { linkSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeBackupFile } from '../../src/store/backup/backup-file.ts';
import { scratchFolders } from './scratch.ts';

const scratch = scratchFolders();

test.each([['a link', symlinkSync], ['a file of theirs', linkSync]])('not through %s', async (_, prepare) => {
  const [folder, theirs] = [scratch(), join(scratch(), 'theirs')];
  writeFileSync(theirs, 'before', { mode: 0o644 });
  const path = join(folder, 'backup');
  prepare(theirs, `${path}.partial-${process.pid}`);
  await writeBackupFile(path, (async function* () {
    yield Buffer.from('secret');
  })());
  expect(readFileSync(theirs, 'utf8')).toBe('before');
  expect([readFileSync(path, 'utf8'), statSync(path).mode & 0o777]).toEqual(['secret', 0o600]);
  expect(readdirSync(folder)).toEqual(['backup']);
});
