// The whole journey of docs/vps.md on a bare account, with two versions of the executable, 1,000 streams and real load:
//
//   npm run build && bun test/journeys/vps.ts
//
// As root it makes an account of its own and removes it; as anybody else it runs in a home of its own.

import {
  chmodSync, cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { bareHost } from './vps/host.ts';
import { travel } from './vps/journey.ts';

const project = resolve(import.meta.dir, '../..');
const executable = join(project, 'dist/tollgate');
const FIRST_CALL_MAX_MS = 5 * 60_000;

/** The same sources under another version. */
function buildAnother(): string {
  const folder = mkdtempSync(join(tmpdir(), 'tollgate-other-'));
  // The account of the journey copies from here.
  chmodSync(folder, 0o755);
  for (const name of readdirSync(project).filter((each) => !/^(node_modules|dist|test|\.git)$/.test(each)))
    cpSync(join(project, name), join(folder, name), { recursive: true });
  symlinkSync(join(project, 'node_modules'), join(folder, 'node_modules'));
  const stated = readFileSync(join(folder, 'package.json'), 'utf8');
  writeFileSync(join(folder, 'package.json'), stated.replace(/"version": "[^"]+"/, '"version": "99.0.0"'));
  const words = [process.execPath, 'src/main.ts', 'build', '--out', join(folder, 'tollgate')];
  const built = Bun.spawnSync(words, { cwd: folder });
  if (!built.success) throw new Error(built.stderr.toString());
  return folder;
}

if (!existsSync(executable)) throw new Error(`there is no ${executable}; 'npm run build' makes it`);
const other = buildAnother();
const host = bareHost(true);
console.log(`as ${host.account}, in ${host.home}`);
try {
  const { firstChargedCallMs, totalMs } = await travel({
    host, executable, other: join(other, 'tollgate'), callers: 20, settleMs: 3_000, streams: 1_000, back: true,
    say: console.log,
  });
  const seconds = (ms: number) => `${(ms / 1_000).toFixed(1)} s`;
  console.log(`first charged call after ${seconds(firstChargedCallMs)}, all after ${seconds(totalMs)}`);
  if (firstChargedCallMs > FIRST_CALL_MAX_MS) throw new Error('the first charged call took longer than five minutes');
} finally {
  host.remove();
  rmSync(other, { recursive: true, force: true });
}
process.exit();
