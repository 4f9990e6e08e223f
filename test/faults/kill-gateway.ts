// Kills the whole gateway at random moments under load, again and again on one data folder, and proves after each start
// that nothing which a client saw complete is lost, nothing is doubled, no hold is open and the books verify.
// By hand: `bun test/faults/kill-gateway.ts --rounds 500 [--seed N] [--executable dist/tollgate] [--verify-every 5]`.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { Chance } from '../../src/core/clock.ts';
import { setUpBooks } from './kill-gateway-admin.ts';
import { newBooks, newRound, type DriverBooks, type RoundNotes } from './kill-gateway-books.ts';
import { chanceFrom } from './kill-gateway-chance.ts';
import { runVerify, startGateway, type GatewayChild, type Launch } from './kill-gateway-child.ts';
import { runLoad, type Moment } from './kill-gateway-load.ts';
import { newReadSoFar, proveRound, type ProofCounts, type ReadSoFar } from './kill-gateway-proof.ts';
import { startKillUpstream } from './kill-gateway-upstream.ts';

export interface KillGatewayOptions {
  readonly rounds: number;
  readonly seed: number;
  /** Undefined: the source. */
  readonly executable: string | undefined;
  /** `tollgate verify` runs after each so many rounds, and after the last. */
  readonly verifyEvery: number;
  /** No round begins after so long. */
  readonly timeMaxMs: number;
}

export interface KillGatewayReport extends ProofCounts {
  rounds: number;
  /** Kills of a process that had not begun to serve, on the folder of the rounds and on empty ones. */
  killsAtStart: number;
  killsOfFirstStarts: number;
  readonly aimed: Record<Aim, number>;
  verifies: number;
  readonly startsMs: number[];
  readonly wrong: string[];
}

type Aim = Moment | 'time';
const aims: readonly (readonly [Aim, number])[] = [
  ['time', 0.42], ['reply', 0.2], ['top-up', 0.16], ['first-byte', 0.14], ['api-key', 0.05], ['account', 0.03],
];
const LOAD_MS = { shortest: 20, longest: 330, longestTight: 900 } as const;
const TIGHT_SHARE = 0.2;
const ROUND_PATIENCE_MS = 60_000;
const VERIFY_DEAD_EVERY = 25;
const FIRST_START_EVERY = 20;

interface Rounds {
  readonly options: KillGatewayOptions;
  readonly chance: Chance;
  readonly launch: Launch;
  readonly books: DriverBooks;
  readonly read: ReadSoFar;
  readonly report: KillGatewayReport;
}

function pickAim(chance: Chance): Aim {
  let left = chance();
  for (const [aim, share] of aims) if ((left -= share) < 0) return aim;
  return 'time';
}

async function withinMs<T>(what: string, patienceMs: number, work: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`${what} took more than ${patienceMs} ms`)), patienceMs);
  try {
    return await Promise.race([work, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** Loads the gateway and kills it at the moment that chance aims at. Resolves when it and all its clients are done. */
async function loadAndKill(rounds: Rounds, child: GatewayChild, origin: string, round: number): Promise<RoundNotes> {
  const { chance, books, report } = rounds;
  const notes = newRound();
  const aim = pickAim(chance);
  report.aimed[aim] += 1;
  let toGo = 1 + Math.floor(chance() * (aim === 'reply' || aim === 'first-byte' ? 60 : aim === 'top-up' ? 8 : 1));
  const tight = chance() < TIGHT_SHARE;
  const longestMs = tight ? LOAD_MS.longestTight : LOAD_MS.longest;
  const afterMs = LOAD_MS.shortest + chance() * (longestMs - LOAD_MS.shortest);
  // A third of the aimed ones come a little after the moment.
  const laterMs = chance() < 0.33 ? chance() * 4 : 0;
  let dead = false;
  const kill = (): void => {
    if (dead) return;
    dead = true;
    child.kill();
  };
  const timer = setTimeout(kill, aim === 'time' ? afterMs : longestMs);
  const load = runLoad({
    origin, chance, books, notes, tight, round: `round-${round}`, stopped: () => dead,
    saw(moment) {
      if (moment !== aim || dead || --toGo > 0) return;
      if (laterMs > 0) setTimeout(kill, laterMs);
      else kill();
    },
  });
  await withinMs('the load', ROUND_PATIENCE_MS, load);
  kill();
  clearTimeout(timer);
  await child.exited;
  return notes;
}

const median = (figures: readonly number[]): number => figures.toSorted((a, b) => a - b)[figures.length >> 1] ?? 0;

interface Started {
  readonly child: GatewayChild;
  readonly origin: string;
  /** Times that it was killed before it could serve. */
  readonly kills: number;
}

/** Starts it, killed on the way as often as chance has it. */
async function startAgain(rounds: Rounds, launch: Launch, killsMax: number): Promise<Started> {
  const { chance, report } = rounds;
  const usualMs = report.startsMs.length === 0 ? 200 : median(report.startsMs.slice(-20));
  let kills = 0;
  while (kills < killsMax && chance() < 0.4) {
    const child = startGateway(launch);
    await Bun.sleep(chance() * usualMs * 1.2);
    child.kill();
    await child.exited;
    kills += 1;
  }
  const child = startGateway(launch);
  const origin = await child.ready;
  report.startsMs.push(performance.now() - child.startedMs);
  return { child, origin, kills };
}

/** A first start that is killed on the way must not stand in the way of the next. */
async function killFirstStart(rounds: Rounds, folder: string): Promise<void> {
  const launch: Launch = { ...rounds.launch, dataFolder: join(folder, 'data') };
  const { child, kills } = await startAgain(rounds, launch, 4);
  rounds.report.killsOfFirstStarts += kills;
  child.kill();
  await child.exited;
  await verify(rounds, launch, 'an empty folder', false);
  rmSync(folder, { recursive: true, force: true });
}

async function verify(rounds: Rounds, launch: Launch, when: string, quiet: boolean): Promise<void> {
  const { exitCode, output } = await runVerify(launch);
  rounds.report.verifies += 1;
  const clean = exitCode === 0 && output.includes('the books are in order')
    && (!quiet || output.includes('\n0 open holds, 0 journal records not loaded yet\n'));
  if (!clean) rounds.report.wrong.push(`tollgate verify (${when}) ended with ${exitCode}:\n${output.slice(0, 2_000)}`);
}

async function runRounds(rounds: Rounds, workFolder: string): Promise<void> {
  const { options, report, books, launch, chance } = rounds;
  const endAtMs = performance.now() + options.timeMaxMs;
  let { child, origin, kills } = await startAgain(rounds, launch, 3);
  report.killsOfFirstStarts += kills;
  await setUpBooks(origin, books, report.wrong);
  while (report.rounds < options.rounds && report.wrong.length === 0 && performance.now() < endAtMs) {
    const round = report.rounds++;
    const notes = await loadAndKill(rounds, child, origin, round);
    if (round % VERIFY_DEAD_EVERY === VERIFY_DEAD_EVERY - 1) await verify(rounds, launch, 'of the dead', false);
    ({ child, origin, kills } = await startAgain(rounds, launch, 3));
    report.killsAtStart += kills;
    const wrong = await withinMs('the proof', ROUND_PATIENCE_MS, proveRound({
      origin, dataFolder: launch.dataFolder, chance, books, notes, read: rounds.read, counts: report,
    }));
    report.wrong.push(...wrong);
    const last = report.rounds === options.rounds || performance.now() >= endAtMs || wrong.length > 0;
    if (last || report.rounds % options.verifyEvery === 0) await verify(rounds, launch, 'after the start', true);
    if (round % FIRST_START_EVERY === FIRST_START_EVERY - 1) {
      await killFirstStart(rounds, join(workFolder, `empty-${round}`));
    }
  }
  child.kill();
  await child.exited;
}

const newReport = (): KillGatewayReport => ({
  rounds: 0, killsAtStart: 0, killsOfFirstStarts: 0, verifies: 0, startsMs: [], wrong: [],
  aimed: { 'time': 0, 'reply': 0, 'first-byte': 0, 'top-up': 0, 'api-key': 0, 'account': 0 },
  calls: 0, complete: 0, stated: 0, refused: 0, begun: 0, unseen: 0, records: 0, charged: 0, chargedUnseen: 0,
  recovered: 0, topUpsAcknowledged: 0, topUpsUnanswered: 0, topUpsSentAgain: 0, keys: 0, accounts: 0,
});

/** Defects and failed settlements that the gateway itself logged. */
function loggedErrors(logFile: string): readonly string[] {
  const lines = readFileSync(logFile, 'utf8').split('\n');
  return lines.filter((line) => line.includes('"level":"error"') || /^\w*Error: /.test(line)).slice(0, 5)
    .map((line) => `the gateway logged: ${line.slice(0, 500)}`);
}

export async function killGateway(options: KillGatewayOptions): Promise<KillGatewayReport> {
  const workFolder = mkdtempSync(join(tmpdir(), 'tollgate-kill-gateway-'));
  const upstream = startKillUpstream();
  const launch: Launch = {
    executable: options.executable, dataFolder: join(workFolder, 'data'), logFile: join(workFolder, 'gateway.log'),
    upstreamUrl: upstream.url,
  };
  const report = newReport();
  try {
    await runRounds(
      { options, chance: chanceFrom(options.seed), launch, books: newBooks(), read: newReadSoFar(), report },
      workFolder,
    );
    report.wrong.push(...loggedErrors(launch.logFile));
  } catch (error) {
    report.wrong.push(error instanceof Error ? (error.stack ?? error.message) : String(error));
  } finally {
    upstream.close();
  }
  if (report.wrong.length === 0) rmSync(workFolder, { recursive: true, force: true });
  else report.wrong.push(`round ${report.rounds - 1} of seed ${options.seed}; everything is kept in ${workFolder}`);
  return report;
}

/** One line for a person. */
export function summaryOf(report: KillGatewayReport): string {
  const { startsMs, aimed, wrong } = report;
  const aimText = Object.entries(aimed).map(([aim, count]) => `${aim} ${count}`).join(', ');
  return `${report.rounds} rounds (killed at: ${aimText}), ${report.killsAtStart} more kills during a start, `
    + `${report.killsOfFirstStarts} during a first start; ${report.calls} calls, ${report.complete} complete replies `
    + `checked (${report.stated} stated usage), ${report.refused} refused, ${report.begun} begun, `
    + `${report.unseen} unseen; ${report.records} usage records, ${report.charged} charged, ${report.chargedUnseen} of them not seen complete, `
    + `${report.recovered} recovered; top-ups: ${report.topUpsAcknowledged} acknowledged, ${report.topUpsUnanswered} `
    + `unanswered, ${report.topUpsSentAgain} sent again; ${report.keys} keys, ${report.accounts} accounts; `
    + `${report.verifies} x verify; start: median ${Math.round(median(startsMs))} ms, longest `
    + `${Math.round(Math.max(0, ...startsMs))} ms; ${wrong.length === 0 ? 'nothing is wrong' : 'WRONG'}`;
}

function readOptions(): KillGatewayOptions {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    options: { 'rounds': text, 'seed': text, 'executable': text, 'verify-every': text, 'minutes': text },
  });
  const number = (name: string, value: string | undefined, otherwise: number): number => {
    if (value === undefined) return otherwise;
    if (!/^\d{1,10}$/.test(value) || Number(value) === 0) throw new Error(`--${name}: a whole number above zero`);
    return Number(value);
  };
  return {
    rounds: number('rounds', values.rounds, 500),
    seed: number('seed', values.seed, Math.floor(Math.random() * 2 ** 31)),
    executable: values.executable === undefined ? undefined : resolve(values.executable),
    verifyEvery: number('verify-every', values['verify-every'], 5),
    timeMaxMs: number('minutes', values.minutes, 60) * 60_000,
  };
}

if (import.meta.main) {
  const options = readOptions();
  console.log(`seed ${options.seed}`);
  const beganMs = performance.now();
  const report = await killGateway(options);
  for (const line of report.wrong) console.log(line);
  console.log(`${summaryOf(report)}; ${Math.round((performance.now() - beganMs) / 1000)} s`);
  process.exit(report.wrong.length === 0 ? 0 : 1);
}
