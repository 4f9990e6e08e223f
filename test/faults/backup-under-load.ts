// Backs up a gateway under load again and again, restores every backup and proves it: what was acknowledged before the
// backup began is there, nothing is there twice, and the books verify. Some gateways are killed during a backup, some
// restores during their work. By hand: `bun test/faults/backup-under-load.ts --rounds 50 [--executable dist/tollgate]`.

import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { Chance } from '../../src/core/clock.ts';
import { openLedgerForReading } from '../../src/store/schema/ledger.ts';
import { unpack } from '../../src/store/usage-packs.ts';
import { readUsageFacts } from '../../src/store/usage-facts.ts';
import { setUpBooks } from './kill-gateway-admin.ts';
import { newBooks, newRound, type DriverBooks, type RoundNotes } from './kill-gateway-books.ts';
import { chanceFrom } from './kill-gateway-chance.ts';
import { startCommand, startGateway, type Launch } from './kill-gateway-child.ts';
import { runLoad } from './kill-gateway-load.ts';
import { startKillUpstream } from './kill-gateway-upstream.ts';

export interface BackupUnderLoadOptions {
  readonly rounds: number;
  readonly seed: number;
  /** Undefined: the source. */
  readonly executable: string | undefined;
}

export interface BackupUnderLoadReport {
  backups: number;
  /** Acknowledged before their backup began, over all backups. */
  topUps: number;
  calls: number;
  gatewaysKilled: number;
  /** Of those, backups that were whole all the same. */
  wholeAllTheSame: number;
  restoresKilled: number;
  /** Of those, restores that were complete all the same. */
  completeAllTheSame: number;
  readonly backupMs: number[];
  readonly wrong: string[];
}

interface Rounds {
  readonly launch: Launch;
  readonly work: string;
  readonly chance: Chance;
  readonly report: BackupUnderLoadReport;
  readonly books: DriverBooks;
}

/** What clients had been told at a moment. */
interface Acknowledged {
  readonly topUps: ReadonlyMap<string, bigint>;
  readonly requestIds: ReadonlySet<string>;
}

function acknowledged({ books }: Rounds, notes: RoundNotes): Acknowledged {
  const booked = [...books.topUps.values()].filter(({ movementId }) => movementId !== undefined);
  const complete = notes.calls.filter((call) => call.complete && call.requestId !== undefined);
  return {
    topUps: new Map(booked.map(({ idempotencyKey, amountNano }) => [idempotencyKey, amountNano])),
    requestIds: new Set(complete.map(({ requestId }) => requestId ?? '')),
  };
}

/** Load for as long as the action takes, and a little before and after it. */
async function underLoad<T>(
  rounds: Rounds, origin: string, round: number, notes: RoundNotes, action: (kill: () => void) => Promise<T>,
): Promise<T> {
  let stopped = false;
  const load = runLoad({
    origin, chance: rounds.chance, books: rounds.books, notes, tight: false, round: `round-${round}`,
    saw: () => {}, stopped: () => stopped,
  });
  await Bun.sleep(30 + rounds.chance() * 120);
  try {
    return await action(() => (stopped = true));
  } finally {
    stopped = true;
    await load;
  }
}

const restoredAt = (rounds: Rounds): string => join(rounds.work, 'restored');

async function restoreAndProve(rounds: Rounds, file: string, before: Acknowledged): Promise<void> {
  const { report, launch } = rounds;
  const folder = restoredAt(rounds);
  const { exitCode, output } = await startCommand(launch, 'restore', file, '--data', folder).ended;
  const clean = exitCode === 0 && output.includes('the books are in order')
    && output.includes('\n0 open holds, 0 journal records not loaded yet\n');
  if (!clean) {
    report.wrong.push(`the restore of ${file} ended with ${exitCode}: ${output.slice(0, 2_000)}`);
    return;
  }
  prove(folder, before, report);
  report.backups += 1;
  report.topUps += before.topUps.size;
  report.calls += before.requestIds.size;
}

function prove(folder: string, before: Acknowledged, report: BackupUnderLoadReport): void {
  const database = openLedgerForReading(folder);
  try {
    const rows = database.query<{ key: string; amount: bigint }, []>(
      `SELECT idempotency_key AS key, amount_nano AS amount FROM movement JOIN entry ON movement_position = position
       WHERE kind = 'top-up' AND address GLOB 'account/*'`).all();
    const found = new Map(rows.map(({ key, amount }) => [key, amount]));
    if (found.size !== rows.length) report.wrong.push('a top-up is in the backup twice');
    for (const [key, amount] of before.topUps) {
      if (found.get(key) !== amount) report.wrong.push(`top-up ${key} was acknowledged before the backup and is not in it`);
    }
    const ids = database.query<{ texts: Uint8Array }, []>('SELECT texts FROM usage_pack').all()
      .flatMap(({ texts }) => unpack(texts).map((text) => readUsageFacts(text).requestId));
    const there = new Set(ids);
    if (there.size !== ids.length) report.wrong.push('a request is in the backup twice');
    for (const id of before.requestIds) {
      if (!there.has(id)) report.wrong.push(`request ${id} was complete before the backup and is not in it`);
    }
  } finally {
    database.close();
  }
}

/** A gateway serves what was restored. */
async function serveRestored(rounds: Rounds): Promise<void> {
  const child = startGateway({ ...rounds.launch, dataFolder: restoredAt(rounds) });
  const origin = await child.ready;
  const [key] = rounds.books.keys;
  const reply = await fetch(`${origin}/v1/chat/completions`, {
    method: 'POST', headers: { authorization: `Bearer ${key?.apiKey ?? ''}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'sim/echo', messages: [{ role: 'user', content: 'after the restore' }] }),
  });
  if (reply.status !== 200) rounds.report.wrong.push(`a restored gateway answered ${reply.status}: ${await reply.text()}`);
  child.kill();
  await child.exited;
}

/** Kills a restore at some moment. The folder is absent or complete then, and the next restore goes through. */
async function killRestore(rounds: Rounds, file: string, usualMs: number): Promise<void> {
  const { chance, report, launch } = rounds;
  const folder = join(rounds.work, 'killed');
  const replaced = chance() < 0.5;
  if (replaced) {
    mkdirSync(folder);
    writeFileSync(join(folder, 'mark'), 'of before');
  }
  const argv = ['restore', file, '--data', folder, ...(replaced ? ['--replace'] : [])];
  const restore = startCommand(launch, ...argv);
  await Bun.sleep(chance() * usualMs * 1.1);
  restore.kill();
  await restore.ended;
  report.restoresKilled += 1;
  const complete = existsSync(join(folder, 'ledger.db'));
  if (complete) report.completeAllTheSame += 1;
  else if (existsSync(folder) && !existsSync(join(folder, 'mark'))) report.wrong.push('a killed restore left half a folder');
  const { exitCode, output } = complete ? await startCommand(launch, 'verify', '--data', folder).ended
    : await startCommand(launch, ...argv).ended;
  const marks = readdirSync(rounds.work).filter((name) => existsSync(join(rounds.work, name, 'mark')));
  if (marks.length !== (replaced ? 1 : 0)) report.wrong.push(`what was there before is in ${marks.length} places`);
  if (exitCode !== 0) {
    const state = complete ? 'complete' : 'absent';
    report.wrong.push(`after a killed restore (${state}): ${exitCode} ${output.slice(0, 2_000)}`);
  }
  const names = readdirSync(rounds.work).filter((name) => name.startsWith('killed.'));
  const left = names.filter((name) => !name.startsWith('killed.replaced-'));
  if (!complete && left.length > 0) report.wrong.push(`a restore left ${left.join(', ')}`);
  for (const name of ['killed', ...names]) rmSync(join(rounds.work, name), { recursive: true, force: true });
}

async function backUp(rounds: Rounds, file: string): Promise<{ readonly whole: boolean; readonly output: string }> {
  const { launch } = rounds;
  const { exitCode, output } = await startCommand(launch, 'backup', '--data', launch.dataFolder, '--out', file).ended;
  return { whole: exitCode === 0, output };
}

async function runRounds(rounds: Rounds, count: number): Promise<void> {
  const { launch, books, chance, report } = rounds;
  let child = startGateway(launch);
  let origin = await child.ready;
  await setUpBooks(origin, books, report.wrong);
  const seen: RoundNotes = newRound();
  let restoreMs = 500;
  for (let round = 0; round < count && report.wrong.length === 0; round++) {
    const file = join(rounds.work, `backup-${round}`);
    const killed = round % 3 === 1;
    let before = acknowledged(rounds, seen);
    const { whole, output } = await underLoad(rounds, origin, round, seen, async (ending) => {
      before = acknowledged(rounds, seen);
      const startedMs = performance.now();
      const backup = backUp(rounds, file);
      if (killed) {
        await Bun.sleep(chance() * (report.backupMs[0] ?? 200));
        ending();
        child.kill();
        report.gatewaysKilled += 1;
      }
      const ended = await backup;
      if (!killed) report.backupMs.push(performance.now() - startedMs);
      return ended;
    });
    if (!whole && !killed) report.wrong.push(`a backup failed: ${output}`);
    if (whole && killed) report.wholeAllTheSame += 1;
    const partial = readdirSync(rounds.work).filter((name) => name.includes('.partial'));
    if (partial.length > 0 || existsSync(file) !== whole) report.wrong.push(`a backup left ${partial.join()} behind`);
    if (whole) {
      const startedMs = performance.now();
      await restoreAndProve(rounds, file, before);
      restoreMs = performance.now() - startedMs;
      await killRestore(rounds, file, restoreMs);
      if (round === count - 1 || round % 10 === 0) await serveRestored(rounds);
      rmSync(restoredAt(rounds), { recursive: true, force: true });
      rmSync(file);
    }
    if (!killed) continue;
    await child.exited;
    child = startGateway(launch);
    origin = await child.ready;
    if (existsSync(join(launch.dataFolder, 'backup.partial'))) report.wrong.push('the start left backup.partial');
  }
  child.kill();
  await child.exited;
  report.wrong.push(...seen.wrong);
  const { exitCode, output } = await startCommand(launch, 'verify', '--data', launch.dataFolder).ended;
  if (exitCode !== 0) report.wrong.push(`verify of the served folder: ${output}`);
}

export async function backupUnderLoad(options: BackupUnderLoadOptions): Promise<BackupUnderLoadReport> {
  const work = mkdtempSync(join(tmpdir(), 'tollgate-backup-load-'));
  const upstream = startKillUpstream();
  const report: BackupUnderLoadReport = {
    backups: 0, topUps: 0, calls: 0, gatewaysKilled: 0, wholeAllTheSame: 0, restoresKilled: 0, completeAllTheSame: 0,
    backupMs: [], wrong: [],
  };
  const launch: Launch = {
    executable: options.executable, dataFolder: join(work, 'data'), logFile: join(work, 'gateway.log'),
    upstreamUrl: upstream.url,
  };
  try {
    await runRounds({ launch, work, chance: chanceFrom(options.seed), report, books: newBooks() }, options.rounds);
  } catch (error) {
    report.wrong.push(error instanceof Error ? (error.stack ?? error.message) : String(error));
  } finally {
    upstream.close();
  }
  if (report.wrong.length === 0) rmSync(work, { recursive: true, force: true });
  else report.wrong.push(`seed ${options.seed}; everything is kept in ${work}`);
  return report;
}

/** One line for a person. */
export function summaryOf(report: BackupUnderLoadReport): string {
  const longest = Math.round(Math.max(0, ...report.backupMs));
  return `${report.backups} backups under load restored and proven (${report.topUps} top-ups and ${report.calls} calls `
    + `acknowledged before them), ${report.gatewaysKilled} gateways killed during one (${report.wholeAllTheSame} whole all `
    + `the same), ${report.restoresKilled} restores killed (${report.completeAllTheSame} complete all the same); longest `
    + `backup ${longest} ms; ${report.wrong.length === 0 ? 'nothing is wrong' : 'WRONG'}`;
}

if (import.meta.main) {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({ options: { rounds: text, seed: text, executable: text } });
  const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
  console.log(`seed ${seed}`);
  const report = await backupUnderLoad({
    rounds: Number(values.rounds ?? 30), seed,
    executable: values.executable === undefined ? undefined : resolve(values.executable),
  });
  for (const line of report.wrong) console.log(line);
  console.log(summaryOf(report));
  process.exit(report.wrong.length === 0 ? 0 : 1);
}
