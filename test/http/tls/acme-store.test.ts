// What an authority gave us stays whole where the disk takes half of what replaces it.

import { expect, test } from 'bun:test';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { openAcmeStore } from '../../../src/http/tls/acme/acme-store.ts';
import { scratchFolders } from '../../store/scratch.ts';

const scratch = scratchFolders();
const order = { directory: 'https://authority.example/directory', domains: ['gw.example'] };

// Skipped without a shell that limits the size of files.
test.skipIf(process.platform === 'win32')('a certificate of which the disk takes half replaces none', async () => {
  const folder = scratch();
  const before = { ...order, cert: 'before', key: 'before' };
  openAcmeStore(folder, () => {}).saveCertificate(before);
  const module = JSON.stringify(join(import.meta.dir, '../../../src/http/tls/acme/acme-store.ts'));
  const after = JSON.stringify({ ...order, cert: 'after'.repeat(1_000), key: 'after' });
  const script = `(await import(${module})).openAcmeStore(${JSON.stringify(folder)}, () => {}).saveCertificate(${after})`;
  // No file of this shell's may be larger than 2 KiB.
  const limited = ['bash', '-c', 'ulimit -f 2 && exec "$0" -e "$1"', process.execPath, script];
  const child = Bun.spawn(limited, { stdin: 'ignore', stdout: 'ignore', stderr: 'pipe' });
  const said = await new Response(child.stderr).text();
  expect([(await child.exited) === 0, said]).toEqual([false, expect.stringContaining('EFBIG')]);
  const warnings: string[] = [];
  expect(openAcmeStore(folder, (message) => void warnings.push(message)).certificate()).toEqual(before);
  expect([warnings, readdirSync(join(folder, 'acme')).filter((name) => name.endsWith('.damaged'))]).toEqual([[], []]);
});
