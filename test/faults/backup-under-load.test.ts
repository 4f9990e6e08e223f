import { expect, test } from 'bun:test';
import { backupUnderLoad, summaryOf } from './backup-under-load.ts';

const rounds = Number(process.env['TOLLGATE_BACKUP_ROUNDS'] ?? 4);

test('backups under load hold all that was acknowledged, whatever is killed meanwhile', async () => {
  const seed = Math.floor(Math.random() * 2 ** 31);
  console.log(`backup-under-load: seed ${seed}`);
  const report = await backupUnderLoad({ rounds, seed, executable: undefined });
  console.log(`backup-under-load: ${summaryOf(report)}`);
  expect(report.wrong).toEqual([]);
  expect(report.backups).toBeGreaterThanOrEqual(3);
  expect(report.gatewaysKilled).toBeGreaterThanOrEqual(1);
  expect(report.restoresKilled).toBeGreaterThanOrEqual(3);
  // What was not acknowledged cannot be missed: a run in which nothing was shows nothing.
  expect(report.topUps).toBeGreaterThan(20);
  expect(report.calls).toBeGreaterThan(50);
}, 120_000);
