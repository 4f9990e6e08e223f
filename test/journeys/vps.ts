// The whole journey of docs/vps.md on a bare account, with two versions of the executable, 1,000 streams and real load:
//
//   npm run build && bun test/journeys/vps.ts
//
// As root it makes an account of its own and removes it; as anybody else it runs in a home of its own.

import {
  chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { bareHost } from './vps/host.ts';
import { travel } from './vps/journey.ts';

const project = resolve(import.meta.dir, '../..');
const executable = join(project, 'dist/tollgate');
const FIRST_CALL_MAX_MS = 5 * 60_000;

/** The same sources under another version. Packages are linked file by file: a build takes no folder that is a link. */
function buildAnother(into: string): void {
  mkdirSync(join(project, 'dist'), { recursive: true });
  const folder = mkdtempSync(join(project, 'dist/other-'));
  for (const name of readdirSync(project).filter((each) => !/^(node_modules|dist|test|\.git)$/.test(each)))
    cpSync(join(project, name), join(folder, name), { recursive: true });
  Bun.spawnSync(['cp', '-al', join(project, 'node_modules'), join(folder, 'node_modules')]);
  const stated = readFileSync(join(folder, 'package.json'), 'utf8');
  writeFileSync(join(folder, 'package.json'), stated.replace(/"version": "[^"]+"/, '"version": "99.0.0"'));
  const words = [process.execPath, 'src/main.ts', 'build', '--out', into];
  const built = Bun.spawnSync(words, { cwd: folder });
  rmSync(folder, { recursive: true, force: true });
  if (!built.success) throw new Error(built.stderr.toString());
}

if (!existsSync(executable)) throw new Error(`there is no ${executable}; 'npm run build' makes it`);
const folder = mkdtempSync(join(tmpdir(), 'tollgate-other-'));
// The account of the journey copies from here.
chmodSync(folder, 0o755);
const other = join(folder, 'tollgate');
buildAnother(other);
const host = bareHost(true);
console.log(`as ${host.account}, in ${host.home}`);
try {
  const { firstChargedCallMs, totalMs } = await travel({
    host, executable, other, callers: 20, settleMs: 3_000, streams: 1_000, back: true,
    say: console.log,
  });
  const seconds = (ms: number) => `${(ms / 1_000).toFixed(1)} s`;
  console.log(`first charged call after ${seconds(firstChargedCallMs)}, all after ${seconds(totalMs)}`);
  if (firstChargedCallMs > FIRST_CALL_MAX_MS) throw new Error('the first charged call took longer than five minutes');
} finally {
  host.remove();
  rmSync(folder, { recursive: true, force: true });
}
process.exit();
