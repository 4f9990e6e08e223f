// Commands that need a folder for themselves, at the moment in which one process hands it over to another.

import { expect, test } from 'bun:test';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { lockDataFolderWithin } from '../../src/store/data-folder-lock.ts';
import { scratchFolders } from '../store/scratch.ts';
import { command } from '../support/commands.ts';
import { startTestGateway } from '../support/gateway.ts';

const scratch = scratchFolders();

test('a folder that nobody has for a moment, between two processes that serve it, is not taken from them', async () => {
  const dataFolder = join(scratch(), 'data');
  await (await startTestGateway({ dataFolder })).stop();
  const leaving = Bun.spawn(['sleep', '60']);
  writeFileSync(join(dataFolder, 'lock.owner'), `${leaving.pid}\n`);
  const running = { pid: leaving.pid, url: 'http://127.0.0.1:1', startedAt: '' };
  writeFileSync(join(dataFolder, 'running.json'), JSON.stringify(running));
  const coming = Bun.sleep(100).then(() => lockDataFolderWithin(dataFolder, 5_000));
  const { exitCode, errors } = await command(['migrate', '--data', dataFolder]);
  expect([exitCode, errors]).toEqual([1, expect.stringContaining('is in use by process')]);
  (await coming).release();
  leaving.kill();
  await leaving.exited;
  expect((await command(['migrate', '--data', dataFolder])).exitCode).toBe(0);
});
