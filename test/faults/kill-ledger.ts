// Kills a process that works on a ledger, at random moments, again and again on one folder, and proves after each kill:
// nothing acknowledged is lost, nothing is doubled, no hold is open, the books verify.
// By hand: `bun test/faults/kill-ledger.ts [rounds] [seed]`.

import { mkdtempSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openEmbeddedLedger } from '../../src/domain/ledger/embedded-ledger.ts';
import { verifyLedger } from '../../src/domain/ledger/verify.ts';
import { openLedgerForReading, type EntryRow, type MovementRow } from '../../src/store/schema/ledger.ts';
import { readUsageFacts } from '../../src/store/usage-facts.ts';
import { chargeOfLines } from '../domain/ledger/embedded-harness.ts';
import { accountId, apiKeyId, sampleClosing, sampleHold } from '../domain/ledger/sample-records.ts';
import { topUp } from '../store/ledger-suite.ts';
import { usageTexts } from '../store/usage-texts.ts';

const accounts = [accountId('a'), accountId('b'), accountId('c')];
const SEGMENT_BYTES = 30_000;
const CONCURRENCY = 16;
const QUICKEST_MS = 5;
const SLOWEST_MS = 160;

/** A small repeatable source of chance. */
function chanceOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const acknowledge = (line: string): void => void writeSync(1, `${line}\n`);

/** The victim. Each line that it prints says that a promise was resolved, so the thing must be on the disk. */
async function work(folder: string, round: number, seed: number): Promise<never> {
  // Ends with its parent, however that one ends.
  process.stdin.on('end', () => process.exit(1)).resume();
  const chance = chanceOf(seed);
  const ledger = await openEmbeddedLedger({ folder, warn: (line) => process.stderr.write(`${line}\n`),
    segmentBytes: SEGMENT_BYTES });
  for (const account of accounts) await ledger.openAccount(account, 'USD', 100n);
  acknowledge('ready');
  let requests = 0;
  const worker = async (): Promise<never> => {
    for (;;) {
      const account = accounts[Math.floor(chance() * accounts.length)] ?? accounts[0];
      if (account === undefined) throw new Error('no account');
      const name = `${round}-${requests++}`;
      if (chance() < 0.2) {
        const amount = BigInt(Math.floor(chance() * 5_000));
        const result = await ledger.post(topUp(account, amount, { idempotencyKey: name }));
        if (result.posted) acknowledge(`posted ${result.movement.id} ${amount}`);
        continue;
      }
      const hold = sampleHold(name, BigInt(Math.floor(chance() * 200)),
        { accountId: account, apiKeyId: apiKeyId(account.slice(4)) });
      const outcome = await ledger.placeHold(hold, [], chance() < 0.5 ? 'now' : 'later');
      if (!outcome.placed) continue;
      if (chance() < 0.6) {
        await ledger.holdDurable(hold.requestId);
        acknowledge(`held ${hold.requestId}`);
      }
      if (chance() < 0.3) await ledger.extendHold(hold.requestId, 10n);
      if (chance() < 0.1) await Bun.sleep(chance() * 100);
      const charge = BigInt(Math.floor(chance() * 250));
      const results = await Promise.all([ledger.close(sampleClosing(hold, charge)),
        ledger.close(sampleClosing(hold, charge))]);
      for (const result of results) {
        if (result.closed) acknowledge(`closed ${hold.requestId} ${charge} ${result.lossNano}`);
      }
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, worker));
  throw new Error('unreachable');
}

interface Acknowledged {
  readonly posted: Map<string, bigint>;
  readonly closed: Map<string, { readonly charge: bigint; readonly loss: bigint }>;
  readonly held: Set<string>;
}

function take(lines: readonly string[], known: Acknowledged): void {
  for (const line of lines) {
    const [what, id = '', first = '0', second = '0'] = line.split(' ');
    if (what === 'posted') known.posted.set(id, BigInt(first));
    if (what === 'held') known.held.add(id);
    if (what === 'closed') {
      if (known.closed.has(id)) throw new Error(`${id} was acknowledged as closed twice`);
      known.closed.set(id, { charge: BigInt(first), loss: BigInt(second) });
    }
  }
}

/** What is wrong after a restart; empty if nothing is. */
async function prove(folder: string, known: Acknowledged): Promise<readonly string[]> {
  const wrong: string[] = [];
  const ledger = await openEmbeddedLedger({ folder, warn: (line) => wrong.push(line), segmentBytes: SEGMENT_BYTES });
  if (ledger.openHolds.size > 0) wrong.push(`${ledger.openHolds.size} holds are open`);
  const balances = new Map<string, bigint>();
  for (const account of accounts) balances.set(account, (await ledger.balance(account))?.postedNano ?? 0n);
  await ledger.shutDown();
  const report = verifyLedger({ folder, chargeOf: chargeOfLines });
  wrong.push(...report.faults.map((fault) => `${fault.invariant} ${fault.id}: ${fault.message}`));
  if (report.openHolds > 0) wrong.push(`${report.openHolds} holds are open in the store`);
  const database = openLedgerForReading(folder);
  const sums = new Map<string, bigint>();
  const add = (account: string, amount: bigint): void => void sums.set(account, (sums.get(account) ?? 0n) + amount);
  const stored = new Map<string, { readonly charge: bigint; readonly loss: bigint }>();
  for (const { requestId, accountId: account, chargeNano, lossNano } of usageTexts(database).map(readUsageFacts)) {
    if (stored.has(requestId)) wrong.push(`${requestId} has two records`);
    stored.set(requestId, { charge: chargeNano, loss: lossNano });
    add(account, lossNano - chargeNano);
  }
  const posted = new Map<string, bigint>();
  for (const row of database.query<MovementRow & EntryRow, []>(`SELECT * FROM movement
    JOIN entry ON movement_position = position WHERE kind = 'top-up' AND address GLOB 'account/*'`).all()) {
    posted.set(row.id, row.amount_nano);
    add(row.address.slice('account/'.length), row.amount_nano);
  }
  database.close();
  for (const [id, { charge, loss }] of known.closed) {
    const row = stored.get(id);
    if (row?.charge !== charge || row.loss !== loss) {
      wrong.push(`${id} was acknowledged with ${charge} (loss ${loss}), stored is ${row?.charge} (loss ${row?.loss})`);
    }
  }
  for (const [id, amount] of known.posted) {
    if (posted.get(id) !== amount && amount !== 0n) {
      wrong.push(`${id} was acknowledged with ${amount}, stored is ${posted.get(id)}`);
    }
  }
  for (const id of known.held) if (!stored.has(id)) wrong.push(`${id} was acknowledged as held and left no record`);
  for (const [account, balance] of balances) {
    if (balance !== (sums.get(account) ?? 0n)) {
      wrong.push(`${account} has ${balance}, its records sum to ${sums.get(account)}`);
    }
  }
  return wrong;
}

export interface KillReport {
  readonly rounds: number;
  readonly closed: number;
  readonly posted: number;
  readonly held: number;
  /** Kills before the victim had opened the ledger. */
  readonly early: number;
  readonly wrong: readonly string[];
}

export async function killLedger(rounds: number, seed: number): Promise<KillReport> {
  const folder = mkdtempSync(join(tmpdir(), 'tollgate-kill-'));
  const chance = chanceOf(seed);
  const known: Acknowledged = { posted: new Map(), closed: new Map(), held: new Set() };
  const wrong: string[] = [];
  let early = 0;
  for (let round = 0; round < rounds && wrong.length === 0; round++) {
    const child = Bun.spawn([process.execPath, import.meta.path, 'work', folder, String(round),
      String(Math.floor(chance() * 2 ** 31))], {
      stdin: 'pipe', stdout: 'pipe', stderr: 'ignore',
    });
    const waitMs = QUICKEST_MS + chance() * (SLOWEST_MS - QUICKEST_MS);
    // One round in five is killed while it starts.
    const killEarly = chance() < 0.2;
    let text = '';
    let timer = killEarly ? setTimeout(() => child.kill('SIGKILL'), waitMs) : undefined;
    const decoder = new TextDecoder();
    for await (const chunk of child.stdout) {
      text += decoder.decode(chunk, { stream: true });
      if (timer === undefined && text.startsWith('ready')) timer = setTimeout(() => child.kill('SIGKILL'), waitMs);
    }
    clearTimeout(timer);
    await child.exited;
    if (child.signalCode !== 'SIGKILL') wrong.push(`round ${round}: the victim ended by itself (${child.exitCode})`);
    if (!text.startsWith('ready')) early += 1;
    const lines = text.split('\n');
    // The last line may be half of one: it was not yet said.
    take(lines.slice(0, -1), known);
    wrong.push(...(await prove(folder, known)).map((line) => `round ${round}, seed ${seed}: ${line}`));
  }
  if (wrong.length === 0) rmSync(folder, { recursive: true, force: true });
  else wrong.push(`the folder is kept: ${folder}`);
  return { rounds, closed: known.closed.size, posted: known.posted.size, held: known.held.size, early, wrong };
}

if (import.meta.main) {
  const [mode = '200', ...rest] = process.argv.slice(2);
  if (mode === 'work') {
    const [folder = '', round = '0', seed = '1'] = rest;
    await work(folder, Number(round), Number(seed));
  }
  const report = await killLedger(Number(mode), Number(rest[0] ?? Date.now()));
  console.log(report);
  process.exit(report.wrong.length === 0 ? 0 : 1);
}
