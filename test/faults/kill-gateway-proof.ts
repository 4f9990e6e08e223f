// What must hold after a start that followed a kill. The store is read beside the running gateway and held against what
// the clients saw and against what the driver computed itself.

import type { Database } from 'bun:sqlite';
import type { Chance } from '../../src/core/clock.ts';
import { openLedgerForReading } from '../../src/store/schema/ledger.ts';
import { askAdmin, sendTopUp, textIn } from './kill-gateway-admin.ts';
import type { DriverBooks, RoundNotes, TopUp } from './kill-gateway-books.ts';
import type { UsagePackRow } from '../../src/store/schema/ledger.ts';
import { readUsageFacts } from '../../src/store/usage-facts.ts';
import { unpack } from '../../src/store/usage-packs.ts';
import { judgeCalls, type CallCounts, type UsageFound } from './kill-gateway-verdict.ts';

/** How far the store has been read in the rounds before. */
export interface ReadSoFar {
  usagePosition: bigint;
  movementPosition: bigint;
  readonly requestIds: Set<string>;
}

export const newReadSoFar = (): ReadSoFar => ({ usagePosition: 0n, movementPosition: 0n, requestIds: new Set() });

export interface ProofCounts extends CallCounts {
  topUpsAcknowledged: number;
  /** Sent before the kill without an answer: booked or not, and once in the end. */
  topUpsUnanswered: number;
  topUpsSentAgain: number;
  keys: number;
  accounts: number;
}

interface Proof {
  readonly origin: string;
  readonly dataFolder: string;
  readonly chance: Chance;
  readonly books: DriverBooks;
  readonly notes: RoundNotes;
  readonly read: ReadSoFar;
  readonly counts: ProofCounts;
  readonly wrong: string[];
}

/** Says what is wrong; nothing if all is well. */
export async function proveRound(parts: Omit<Proof, 'wrong'>): Promise<readonly string[]> {
  const wrong = [...parts.notes.wrong];
  const proof: Proof = { ...parts, wrong };
  await sendTopUpsAgain(proof);
  await proveKeys(proof);
  // Its answer waits until everything durable can be read from the store.
  await askAdmin(proof.origin, 'GET', 'usage?limit=1');
  const database = openLedgerForReading(proof.dataFolder);
  try {
    proveNoOpenHold(database, proof);
    proveTopUps(database, proof);
    proveUsage(database, proof);
  } finally {
    database.close();
  }
  await proveBalances(proof);
  return wrong;
}

/** Every unanswered one, some of this round and one of any round. */
async function sendTopUpsAgain({ origin, books, notes, chance, counts, wrong }: Proof): Promise<void> {
  const all = [...books.topUps.values()];
  const again = new Set<TopUp>();
  for (const topUp of notes.topUps) {
    if (topUp.movementId === undefined) counts.topUpsUnanswered += 1;
    else counts.topUpsAcknowledged += 1;
    if (topUp.movementId === undefined || chance() < 0.2) again.add(topUp);
  }
  const last = notes.topUps.at(-1);
  if (last !== undefined) again.add(last);
  const ofAnyRound = all[Math.floor(chance() * all.length)];
  if (ofAnyRound !== undefined) again.add(ofAnyRound);
  await Promise.all([...again].map(async (topUp) => {
    const acknowledged = topUp.movementId !== undefined;
    const answer = await sendTopUp(origin, topUp, books, wrong);
    counts.topUpsSentAgain += 1;
    if (acknowledged && !answer.replayed) {
      wrong.push(`top-up ${topUp.idempotencyKey} was acknowledged and is booked anew`);
    }
  }));
}

async function proveKeys({ origin, notes, counts, wrong }: Proof): Promise<void> {
  await Promise.all(notes.issued.map(async (key) => {
    counts.keys += 1;
    const { status } = await fetch(`${origin}/v1/models`, { headers: { authorization: `Bearer ${key.apiKey}` } });
    const allowed = key.deletion === 'none' ? [200] : key.deletion === 'acknowledged' ? [401] : [200, 401];
    if (!allowed.includes(status)) wrong.push(`key ${key.apiKeyId} (deletion ${key.deletion}) is answered ${status}`);
  }));
  for (const id of notes.accounts) {
    counts.accounts += 1;
    const { status } = await askAdmin(origin, 'GET', `accounts/${id}/balance`);
    if (status !== 200) wrong.push(`account ${id} was acknowledged; its balance is answered ${status}`);
  }
}

function proveNoOpenHold(database: Database, { wrong }: Proof): void {
  const open = database.query<{ request_id: string }, []>('SELECT request_id FROM open_hold').all();
  if (open.length > 0) wrong.push(`open holds after the start: ${open.map((row) => row.request_id).join(', ')}`);
}

interface MovementFound {
  readonly position: bigint;
  readonly id: string;
  readonly idempotency_key: string | null;
  readonly address: string;
  readonly amount_nano: bigint;
}

function proveTopUps(database: Database, { books, notes, read, wrong }: Proof): void {
  const rows = database.query<MovementFound, [bigint]>(
    `SELECT position, id, idempotency_key, address, amount_nano FROM movement JOIN entry ON movement_position = position
     WHERE kind = 'top-up' AND position > ? AND address GLOB 'account/*' ORDER BY position`).all(read.movementPosition);
  const found = new Set<string>();
  for (const row of rows) {
    read.movementPosition = row.position;
    const key = row.idempotency_key ?? '';
    if (key.startsWith('first-start-')) continue;
    const topUp = books.topUps.get(key);
    const expected = topUp?.movementId === row.id && topUp.amountNano === row.amount_nano
      && row.address === `account/${topUp.accountId}`;
    if (!expected || found.has(key)) {
      const about = `${row.id} (${key}, ${row.amount_nano} to ${row.address})`;
      wrong.push(`movement ${about} is not a top-up that was acknowledged once`);
    }
    found.add(key);
  }
  for (const { idempotencyKey } of notes.topUps) {
    if (!found.has(idempotencyKey)) wrong.push(`top-up ${idempotencyKey} is not in the store`);
  }
}

function usageAfter(database: Database, last: bigint): readonly UsageFound[] {
  const packs = database.query<UsagePackRow, [bigint]>(
    'SELECT * FROM usage_pack WHERE position + records - 1 > ? ORDER BY position').all(last);
  return packs.flatMap((pack) => unpack(pack.texts).map((text, index): UsageFound => {
    const facts = readUsageFacts(text);
    return {
      position: pack.position + BigInt(index), request_id: facts.requestId, account_id: facts.accountId,
      api_key_id: facts.apiKeyId, model: facts.model, stream: facts.stream ? 1n : 0n, status: BigInt(facts.status),
      outcome: facts.outcome, input_tokens: BigInt(facts.inputTokens), output_tokens: BigInt(facts.outputTokens),
      held_nano: facts.heldNano, charge_nano: facts.chargeNano, loss_nano: facts.lossNano,
    };
  })).filter(({ position }) => position > last);
}

function proveUsage(database: Database, proof: Proof): void {
  const { read, notes, books, counts, wrong } = proof;
  const rows = usageAfter(database, read.usagePosition);
  for (const row of rows) {
    read.usagePosition = row.position;
    if (read.requestIds.has(row.request_id)) wrong.push(`${row.request_id} has two usage records`);
    read.requestIds.add(row.request_id);
  }
  for (const { accountId, apiKeyId, chargeNano } of judgeCalls(notes.calls, rows, counts, wrong)) {
    const account = books.accounts.get(accountId);
    if (account === undefined) wrong.push(`a charge for ${accountId}, which made no calls`);
    else account.balanceNano -= chargeNano;
    const budget = books.budgets.get(apiKeyId);
    if (budget === undefined) continue;
    budget.chargedNano += chargeNano;
    if (budget.chargedNano > budget.capNano) {
      wrong.push(`${apiKeyId} was charged ${budget.chargedNano} of ${budget.capNano}`);
    }
  }
}

async function proveBalances({ origin, books, wrong }: Proof): Promise<void> {
  await Promise.all([...books.accounts.values()].map(async (account) => {
    const answer = await askAdmin(origin, 'GET', `accounts/${account.id}/balance`);
    const posted = BigInt(textIn(answer, 'postedNano'));
    if (posted !== account.balanceNano) {
      wrong.push(`${account.id} has ${posted}, top-ups less charges are ${account.balanceNano}`);
    }
    if (posted < 0n) wrong.push(`${account.id} is at ${posted}, below zero without an overdraft`);
    const held = textIn(answer, 'heldNano');
    if (held !== '0') wrong.push(`${account.id} holds ${held} without a request`);
  }));
}
