// One pass over movements, entries and usage records, batch by batch in the order of the hash chain. Holds one batch at
// a time, so that a ledger of any size can be proven.

import type { Database } from 'bun:sqlite';
import type { Nano } from '../../core/money.ts';
import { chargesEntries, costsEntries } from '../../store/ledger-batch.ts';
import { movementHash, type StoredEntry } from '../../store/ledger-movement.ts';
import {
  genesisHash, type BalanceRow, type EntryRow, type LedgerStateRow, type MovementRow, type SpendRow,
} from '../../store/schema/ledger.ts';
import { dayOf, monthOfDay } from '../../store/spend-periods.ts';
import { PackFacets } from '../../store/usage-facets.ts';
import { readUsageFacts, type ParsedFacts } from '../../store/usage-facts.ts';
import { mayCharge } from './charge-table.ts';
import { readUsageRecord } from './record-json.ts';
import type { UsageRecord } from './records.ts';
import type { Findings } from './verify-findings.ts';
import { next, UsageIndexCheck, UsageWalk, type OpenedPack } from './verify-usage.ts';

/** What the record's billing rule charges for it; undefined: no such rule in this configuration. */
export type ChargeOf = (record: UsageRecord) => Nano | undefined;

export interface WalkTotals {
  readonly usageRecords: number;
  readonly movements: number;
  readonly entries: number;
  readonly addresses: number;
  readonly unknownRules: readonly string[];
  readonly headHash: string;
}

/** Records of one batch with what they add up to. */
interface BatchSums {
  readonly number: bigint;
  /** By movement position, in the order of loading. */
  readonly usage: Map<bigint, ParsedFacts[]>;
  /** Of all its records; its `charges` movements have it in their hash. */
  readonly usageSha256: string | undefined;
  /** By `upstream NUL currency`. */
  readonly costs: Map<string, Nano>;
}

export class VerifyWalk {
  readonly #database: Database;
  readonly #chargeOf: ChargeOf;
  readonly #findings: Findings;
  readonly #balances = new Map<string, Nano>();
  readonly #spend = new Map<string, Nano>();
  readonly #unknownRules = new Set<string>();
  readonly #usage: UsageWalk;
  readonly #usageIndex: UsageIndexCheck;
  readonly #entryRows: Iterator<EntryRow>;
  #nextEntry: EntryRow | undefined;
  #usageRecords = 0;
  #movements = 0;
  #entries = 0;
  #addresses = 0;
  #headHash = genesisHash;

  constructor(database: Database, chargeOf: ChargeOf, findings: Findings) {
    this.#database = database;
    this.#chargeOf = chargeOf;
    this.#findings = findings;
    this.#usage = new UsageWalk(database, findings);
    this.#usageIndex = new UsageIndexCheck(database, findings);
    this.#entryRows = database.prepare<EntryRow, []>('SELECT * FROM entry ORDER BY movement_position, line')
      .iterate();
  }

  totals(): WalkTotals {
    return {
      usageRecords: this.#usageRecords, movements: this.#movements, entries: this.#entries,
        addresses: this.#addresses,
      unknownRules: [...this.#unknownRules].toSorted(), headHash: this.#headHash,
    };
  }

  run(): void {
    this.#nextEntry = next(this.#entryRows);
    let batch: BatchSums | undefined;
    const movements = this.#database.prepare<MovementRow, []>('SELECT * FROM movement ORDER BY position');
    for (const movement of movements.iterate()) {
      if (batch === undefined || batch.number !== movement.batch) {
        this.#finishBatch(batch);
        batch = this.#startBatch(movement.batch);
      }
      this.#checkMovement(movement, batch);
    }
    this.#finishBatch(batch);
    this.#usage.finish();
    this.#usageIndex.finish();
    for (; this.#nextEntry !== undefined; this.#nextEntry = next(this.#entryRows)) {
      this.#findings.add('I1', this.#nextEntry.address,
        `an entry names movement ${this.#nextEntry.movement_position}, which does not exist`);
    }
    this.#checkHead();
    this.#checkBalances();
    this.#checkSpend();
  }

  #startBatch(number: bigint): BatchSums {
    const { packs, sha256 } = this.#usage.batch(number);
    const batch: BatchSums = { number, usage: new Map(), costs: new Map(), usageSha256: sha256 };
    for (const pack of packs) this.#takePack(pack, batch);
    return batch;
  }

  #takePack({ position: first, records }: OpenedPack, batch: BatchSums): void {
    const facets = new PackFacets();
    for (const { position, movementPosition, text } of records) {
      this.#usageRecords += 1;
      const facts = this.#findings.guard('columns', `usage ${position}`, () => this.#checkUsage(text));
      if (facts === undefined) continue;
      facets.add(facts);
      this.#usageIndex.checkRecord(facts, position);
      for (const cost of facts.costs) {
        const key = `${cost.upstream}\0${cost.currency}`;
        batch.costs.set(key, (batch.costs.get(key) ?? 0n) + cost.costNano);
      }
      if (movementPosition === undefined) continue;
      const ofMovement = batch.usage.get(movementPosition);
      if (ofMovement === undefined) batch.usage.set(movementPosition, [facts]);
      else ofMovement.push(facts);
    }
    if (records.length > 0) this.#usageIndex.checkPack(first, facets);
  }

  #checkUsage(text: string): ParsedFacts {
    const facts = readUsageFacts(text);
    const { requestId } = facts;
    const record = readUsageRecord(text);
    const { chargeNano, lossNano, heldNano } = record;
    if (chargeNano < 0n || heldNano < 0n || lossNano < 0n || lossNano > chargeNano) {
      this.#findings.add('I8', requestId, `charge ${chargeNano}, loss ${lossNano}, held ${heldNano} cannot be`);
    }
    if (chargeNano !== 0n && !mayCharge(record.outcome, record.usageSource)) {
      this.#findings.add('I16', requestId,
        `${record.outcome} with usage ${record.usageSource} is free, but ${chargeNano} was charged`);
    }
    const recomputed = chargeNano === 0n && !mayCharge(record.outcome, record.usageSource) ? 0n
      : this.#chargeOf(record);
    if (recomputed === undefined) this.#unknownRules.add(record.terms.rule);
    else if (recomputed !== chargeNano) this.#findings.add('I7', requestId,
      `the charge is ${chargeNano}, its record gives ${recomputed}`);
    const day = dayOf(facts.admittedAt);
    this.#addSpend('account', facts.accountId, day, chargeNano);
    this.#addSpend('key', facts.apiKeyId, day, chargeNano);
    return facts;
  }

  #checkMovement(row: MovementRow, batch: BatchSums): void {
    this.#movements += 1;
    const entries: StoredEntry[] = [];
    for (; this.#nextEntry !== undefined
      && this.#nextEntry.movement_position <= row.position; this.#nextEntry = next(this.#entryRows)) {
      const entry = this.#nextEntry;
      this.#entries += 1;
      if (entry.movement_position !== row.position) {
        this.#findings.add('I1', entry.address,
          `an entry names movement ${entry.movement_position}, which does not exist`);
        continue;
      }
      entries.push({ address: entry.address, currency: entry.currency, amountNano: entry.amount_nano });
      const key = `${entry.address}\0${entry.currency}`;
      this.#balances.set(key, (this.#balances.get(key) ?? 0n) + entry.amount_nano);
    }
    this.#checkZeroSum(row, entries);
    const usage = batch.usage.get(row.position) ?? [];
    batch.usage.delete(row.position);
    if (row.kind === 'charges') this.#checkCharges(row, entries, usage);
    else if (usage.length > 0) this.#findings.add('I15', row.id,
      `${usage.length} usage records name it, but it is a ${row.kind}`);
    if (row.kind === 'upstream-costs') this.#checkCosts(row, entries, batch);
    this.#checkChain(row, entries, row.kind === 'charges' ? batch.usageSha256 : undefined);
  }

  #checkZeroSum(row: MovementRow, entries: readonly StoredEntry[]): void {
    const sums = new Map<string, Nano>();
    for (const entry of entries) sums.set(entry.currency, (sums.get(entry.currency) ?? 0n) + entry.amountNano);
    for (const [currency, sum] of sums) if (sum !== 0n) this.#findings.add('I1', row.id,
      `its entries sum to ${sum} ${currency}, not to zero`);
  }

  #checkCharges(row: MovementRow, entries: readonly StoredEntry[], usage: readonly ParsedFacts[]): void {
    const first = usage[0];
    if (first === undefined) return this.#findings.add('I15', row.id, 'no usage record names this charges movement');
    let charge = 0n;
    let loss = 0n;
    for (const facts of usage) {
      if (facts.accountId !== first.accountId || facts.currency !== first.currency) {
        this.#findings.add('I15', facts.requestId, `it names movement ${row.id} of another account or currency`);
      }
      charge += facts.chargeNano;
      loss += facts.lossNano;
    }
    if (!sameEntries(entries, chargesEntries(first.accountId, first.currency, charge, loss))) {
      this.#findings.add('I15', row.id,
        `its entries are not the sum of its ${usage.length} usage records (charge ${charge}, loss ${loss})`);
    }
  }

  /**
   * A batch may hold several movements of one upstream, if one sum would have left 64 bits: they are taken off
   * in turn.
   */
  #checkCosts(row: MovementRow, entries: readonly StoredEntry[], batch: BatchSums): void {
    const leg = entries[1];
    const upstream = leg?.address.slice('house/upstream-payable/'.length) ?? '';
    if (leg === undefined || !sameEntries(entries, costsEntries(upstream, leg.currency, leg.amountNano))) {
      return this.#findings.add('I13', row.id, 'it is not an upstream\'s cost against what is payable to it');
    }
    const key = `${upstream}\0${leg.currency}`;
    batch.costs.set(key, (batch.costs.get(key) ?? 0n) - leg.amountNano);
  }

  #finishBatch(batch: BatchSums | undefined): void {
    if (batch === undefined) return;
    for (const usage of batch.usage.values()) {
      for (const facts of usage) this.#findings.add('I15', facts.requestId,
        'the movement that it names is not in its batch');
    }
    for (const [key, difference] of batch.costs) {
      const [upstream, currency] = key.split('\0');
      if (difference !== 0n) this.#findings.add('I13', `house/upstream-cost/${upstream}`,
        `batch ${batch.number}: the attempts' costs and the movements differ by ${difference} ${currency}`);
    }
  }

  #checkChain(row: MovementRow, entries: readonly StoredEntry[], usageSha256: string | undefined): void {
    if (row.position !== BigInt(this.#movements)) this.#findings.add('I14', row.id,
      `its position is ${row.position}, expected ${this.#movements}`);
    if (row.prev_hash !== this.#headHash) this.#findings.add('I14', row.id,
      'its previous hash is not the hash of the movement before it');
    const hash = movementHash(row.prev_hash, {
      position: Number(row.position), id: row.id, kind: row.kind, at: Number(row.at), reason: row.reason,
        actor: row.actor,
      reference: row.reference ?? undefined, idempotencyKey: row.idempotency_key ?? undefined,
      inputSha256: row.input_sha256 ?? undefined, entries,
    }, usageSha256);
    if (hash !== row.hash) this.#findings.add('I14', row.id,
      'it, an entry of it, or a usage record of its batch was changed after it was written');
    this.#headHash = row.hash;
  }

  #checkHead(): void {
    const state = this.#database.query<LedgerStateRow, []>('SELECT * FROM ledger_state WHERE id = 1').get();
    if (state?.head_hash !== this.#headHash || state.head_position !== BigInt(this.#movements)) {
      this.#findings.add('I14', 'ledger_state',
        `the chain ends at ${this.#movements}, but ${state?.head_position ?? 'nothing'} was written`);
    }
  }

  #checkBalances(): void {
    this.#addresses = this.#balances.size;
    for (const row of this.#database.query<BalanceRow, []>('SELECT * FROM balance').all()) {
      const key = `${row.address}\0${row.currency}`;
      const sum = this.#balances.get(key) ?? 0n;
      if (row.posted_nano !== sum.toString()) this.#findings.add('I2', row.address,
        `the balance says ${row.posted_nano} ${row.currency}, its entries sum to ${sum}`);
      this.#balances.delete(key);
    }
    for (const key of this.#balances.keys()) this.#findings.add('I2', key.split('\0')[0] ?? key,
      'it has entries but no balance');
  }

  #addSpend(scope: string, scopeId: string, day: number, charge: Nano): void {
    if (charge === 0n) return;
    for (const [window, period] of [['day', day], ['month', monthOfDay(day)], ['total', 0]] as const) {
      const key = `${scope}\0${scopeId}\0${window}\0${period}`;
      this.#spend.set(key, (this.#spend.get(key) ?? 0n) + charge);
    }
  }

  #checkSpend(): void {
    for (const row of this.#database.query<SpendRow, []>('SELECT * FROM spend').all()) {
      const key = `${row.scope}\0${row.scope_id}\0${row.window_name}\0${row.period}`;
      const sum = this.#spend.get(key) ?? 0n;
      if (row.charge_nano !== sum.toString()) this.#findings.add('spend', row.scope_id,
        `${row.window_name} ${row.period} says ${row.charge_nano}, the records sum to ${sum}`);
      this.#spend.delete(key);
    }
    for (const key of this.#spend.keys()) this.#findings.add('spend', key.split('\0')[1] ?? key,
      'its spending is not counted');
  }
}

function sameEntries(left: readonly StoredEntry[], right: readonly StoredEntry[]): boolean {
  return left.length === right.length && left.every((entry, index) => {
    const other = right[index];
    return entry.address === other?.address && entry.currency === other.currency
      && entry.amountNano === other.amountNano;
  });
}
