import { expect, test } from 'bun:test';
import { killLedger } from './kill-ledger.ts';

test('kill -9 at random moments loses nothing acknowledged, doubles nothing, and leaves no hold open', async () => {
  const rounds = Number(process.env['TOLLGATE_KILL_ROUNDS'] ?? 20);
  const report = await killLedger(rounds, 20_261_122);
  expect(report.wrong).toEqual([]);
  expect(report.closed).toBeGreaterThan(rounds);
  expect(report.posted).toBeGreaterThan(rounds);
}, 300_000);
