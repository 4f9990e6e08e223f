import { expect, test } from 'bun:test';
import { killGateway, summaryOf } from './kill-gateway.ts';

const rounds = Number(process.env['TOLLGATE_KILL_ROUNDS'] ?? 12);
/** No round begins after that: a slow machine runs fewer of them. */
const timeMaxMs = 20_000 + Math.max(0, rounds - 12) * 2_000;

test('kill -9 of the whole gateway under load loses nothing that a client saw, and doubles nothing', async () => {
  const seed = Math.floor(Math.random() * 2 ** 31);
  console.log(`kill-gateway: seed ${seed}`);
  const report = await killGateway({ rounds, seed, executable: undefined, verifyEvery: 6, timeMaxMs });
  console.log(`kill-gateway: ${summaryOf(report)}`);
  expect(report.wrong).toEqual([]);
  // What was not seen cannot be proven: a run in which clients got nothing shows nothing.
  expect(report.rounds).toBeGreaterThan(2);
  expect(report.complete).toBeGreaterThan(report.rounds);
  expect(report.charged).toBeGreaterThan(0);
  expect(report.topUpsSentAgain).toBeGreaterThan(0);
}, timeMaxMs + 120_000);
