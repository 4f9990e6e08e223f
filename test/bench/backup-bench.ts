// What a backup costs those who are served meanwhile: a ledger of so many records, 500 calls a second, and backups one
// after the other. Not a test: `bun test/bench/backup-bench.ts [records] [rounds]` with `dist/tollgate` built.
// A call is due each 2 ms: the longest latency is what the longest stall of the event loop was to somebody.

import { rmSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { outFolder, runOnLoadCore, stopChildren } from './children.ts';
import type { Load, LoadResult } from './load.ts';
import { startMock } from './targets.ts';
import { startTollgate, type TollgateTarget } from './tollgate-target.ts';

const project = resolve(import.meta.dir, '../..');
const executable = join(project, 'dist/tollgate');
const RATE = { connections: 128, perSecond: 500, durationMs: 15_000 };
const BACKUP_AFTER_MS = 2_000;

async function drive(target: TollgateTarget, shape: Pick<Load, 'connections' | 'pattern'>): Promise<LoadResult> {
  const load: Load = {
    ...shape, url: target.url, headers: target.headers, stream: false, script: 'c50-d0', timeoutMs: 300_000,
  };
  const output = await runOnLoadCore([process.execPath, 'driver.ts', JSON.stringify(load)], 300_000);
  const result: LoadResult = JSON.parse(output);
  return result;
}

const atRate = (target: TollgateTarget): Promise<LoadResult> => drive(target, {
  connections: RATE.connections, pattern: { kind: 'open', perSecond: RATE.perSecond, durationMs: RATE.durationMs },
});

function show(what: string, { ok, bad, latencyMs: { p50, p99, max } }: LoadResult): void {
  const wrong = Object.keys(bad).length === 0 ? 'none wrong' : JSON.stringify(bad);
  const figures = `p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms, longest ${max.toFixed(1)} ms`;
  console.log(`${what}: ${ok} calls, ${wrong}; ${figures}`);
}

async function backUp(target: TollgateTarget, file: string): Promise<string> {
  rmSync(file, { force: true });
  const startedMs = performance.now();
  const child = Bun.spawn([executable, 'backup', '--data', target.dataFolder, '--out', file], {
    env: { TOLLGATE_OPERATOR_KEY: target.operatorKey }, stdin: 'ignore', stdout: 'pipe', stderr: 'inherit',
  });
  if ((await child.exited) !== 0) throw new Error('the backup failed');
  const seconds = (performance.now() - startedMs) / 1000;
  const mebibytes = (path: string): string => (statSync(path).size / 1024 / 1024).toFixed(1);
  const memory = Math.round((child.resourceUsage()?.maxRSS ?? 0) / 1024 / 1024);
  const ledger = mebibytes(join(target.dataFolder, 'ledger.db'));
  return `${seconds.toFixed(2)} s, ${mebibytes(file)} MiB of a ledger of ${ledger} MiB, `
    + `peak RSS of the command ${memory} MB`;
}

const [records = 200_000, rounds = 3] = process.argv.slice(2).map(Number);
const target = await startTollgate(executable, await startMock());
const file = join(outFolder, 'bench-backup');
const seeded = await drive(target, { connections: 64, pattern: { kind: 'closed', count: records } });
show(`seeded in ${seeded.seconds.toFixed(0)} s`, seeded);
for (let round = 0; round < rounds; round++) {
  show('without', await atRate(target));
  const load = atRate(target);
  await Bun.sleep(BACKUP_AFTER_MS);
  const made = await backUp(target, file);
  show('with a backup', await load);
  console.log(`  the backup: ${made}`);
}
const restored = join(outFolder, 'bench-restored');
rmSync(restored, { recursive: true, force: true });
const restore = Bun.spawnSync([executable, 'restore', file, '--data', restored]);
console.log(`restore: ${restore.stdout.toString().split('\n').slice(0, 4).join('; ')}`);
console.log(`  peak RSS ${Math.round((restore.resourceUsage.maxRSS) / 1024 / 1024)} MB`);
for (const path of [restored, file]) rmSync(path, { recursive: true, force: true });
await stopChildren();
process.exit(0);
