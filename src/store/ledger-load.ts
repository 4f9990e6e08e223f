// Loads the journal into `ledger.db`: each batch with its movements, balances, spending and the journal position in one
// transaction, so that a crash leaves all of it or none. The same code runs in the worker and, at start, in the replay.

import type { Database, Statement } from 'bun:sqlite';
import type { IdSource } from '../core/ids.ts';
import { diskFiles, type JournalFiles, type JournalPosition } from './journal-files.ts';
import { readJournal, type JournalRecord } from './journal-reader.ts';
import { integerOf, nanoOf, parseFields, textOf } from './json-fields.ts';
import { LedgerBatch, type BatchUsage, type ChainedMovement } from './ledger-batch.ts';
import { readStoredMovement } from './ledger-movement.ts';
import { journalFolder, type LedgerStateRow } from './schema/ledger.ts';
import { monthOfDay } from './spend-periods.ts';
import { readUsageFacts } from './usage-facts.ts';

/** Records of one transaction: larger ones are hardly faster by the row, and hold the file longer. */
const BATCH_RECORDS = 1_000;
const BATCH_CHARACTERS = 8 * 1024 * 1024;

interface State {
  readonly position: JournalPosition;
  readonly batch: number;
  readonly headPosition: number;
  readonly headHash: string;
}

export function loadedPosition(database: Database): JournalPosition {
  return readState(database).position;
}

/** Where the journal goes on, when the store was restored without it. Nothing may be left to load. */
export function moveLoadedPosition(database: Database, position: JournalPosition): void {
  database.query('UPDATE ledger_state SET segment = ?, journal_offset = ? WHERE id = 1 AND sequence = ?')
    .run(position.segment, position.offset, position.sequence);
}

function readState(database: Database): State {
  const row = database.query<LedgerStateRow, []>('SELECT * FROM ledger_state WHERE id = 1').get();
  if (row === null) throw new Error(`${database.filename} has no ledger_state row`);
  return {
    position: { segment: Number(row.segment), offset: Number(row.journal_offset), sequence: Number(row.sequence) },
    batch: Number(row.batch), headPosition: Number(row.head_position), headHash: row.head_hash,
  };
}

type Binding = string | number | bigint | null;

export class LedgerLoad {
  readonly #database: Database;
  readonly #folder: string;
  readonly #newId: IdSource;
  readonly #files: JournalFiles;
  readonly #statements: ReturnType<typeof prepare>;
  /** Request ids in `open_hold`. */
  readonly #openHolds: Set<string>;
  #state: State;

  constructor(database: Database, dataFolder: string, newId: IdSource, files: JournalFiles = diskFiles) {
    this.#database = database;
    this.#folder = journalFolder(dataFolder);
    this.#newId = newId;
    this.#files = files;
    this.#state = readState(database);
    this.#statements = prepare(database);
    this.#openHolds = new Set(database.query<{ request_id: string }, []>('SELECT request_id FROM open_hold').all()
      .map((row) => row.request_id));
  }

  get position(): JournalPosition {
    return this.#state.position;
  }

  /** Loads everything up to a durable position. Throws JournalDamagedError; what was committed before stays. */
  load(until: JournalPosition): JournalPosition {
    if (until.sequence <= this.#state.position.sequence) return this.#state.position;
    let records: JournalRecord[] = [];
    let characters = 0;
    for (const record of readJournal(this.#folder, this.#state.position, until, this.#files)) {
      records.push(record);
      characters += record.json.length;
      if (records.length >= BATCH_RECORDS || characters >= BATCH_CHARACTERS) {
        this.#commit(records);
        records = [];
        characters = 0;
      }
    }
    this.#commit(records);
    return this.#state.position;
  }

  #commit(records: readonly JournalRecord[]): void {
    const last = records.at(-1);
    if (last === undefined) return;
    const before = this.#state;
    const opened = new Map<string, string>();
    const closed: string[] = [];
    const after = this.#database.transaction((): State => {
      const batch = new LedgerBatch(before.headPosition, this.#newId);
      const inBatch = new Set<string>();
      for (const record of records) this.#take(record, batch, inBatch, opened, closed);
      const movements = batch.chain(before.headHash);
      const number = before.batch + 1;
      this.#writeMovements(movements, number);
      for (const usage of batch.usage) this.#writeUsage(usage, number);
      this.#writeSpend(batch);
      for (const [requestId, detail] of opened) this.#statements.openHold.run(requestId, detail);
      const head = movements.at(-1);
      const state: State = {
        position: last.end, batch: number, headPosition: head?.position ?? before.headPosition,
        headHash: head?.hash ?? before.headHash,
      };
      this.#statements.state.run(
        last.end.segment, last.end.offset, last.end.sequence, number, state.headPosition, state.headHash,
      );
      return state;
    }).immediate();
    for (const requestId of closed) this.#openHolds.delete(requestId);
    for (const requestId of opened.keys()) this.#openHolds.add(requestId);
    this.#state = after;
  }

  /** What was loaded before, under the same request or movement id, is passed over. */
  #take(
    record: JournalRecord, batch: LedgerBatch, inBatch: Set<string>, opened: Map<string, string>, closed: string[],
  ): void {
    switch (record.kind) {
      case 'usage': {
        const facts = readUsageFacts(record.json);
        if (!opened.delete(facts.requestId) && this.#openHolds.has(facts.requestId)) {
          this.#statements.closeHold.run(facts.requestId);
          closed.push(facts.requestId);
        }
        if (inBatch.has(facts.requestId) || this.#statements.usageKnown.get(facts.requestId) !== null) return;
        inBatch.add(facts.requestId);
        return batch.addUsage(facts, record.json);
      }
      case 'hold': {
        opened.set(textOf(parseFields(record.json), 'requestId'), record.json);
        return;
      }
      case 'extend': return this.#extend(record, opened);
      case 'movement': {
        const fields = parseFields(record.json);
        const id = textOf(fields, 'id');
        if (inBatch.has(id) || this.#statements.movementKnown.get(id) !== null) return;
        inBatch.add(id);
        return batch.addMovement((position) => readStoredMovement(fields, position));
      }
      case 'account': {
        const fields = parseFields(record.json);
        this.#statements.account.run(
          textOf(fields, 'accountId'), textOf(fields, 'currency'), nanoOf(fields, 'overdraftNano'),
          integerOf(fields, 'at'),
        );
        return;
      }
      default: throw new Error(`journal record ${record.sequence} has the unknown kind ${record.kind}`);
    }
  }

  #extend(record: JournalRecord, opened: Map<string, string>): void {
    const fields = parseFields(record.json);
    const requestId = textOf(fields, 'requestId');
    const detail = opened.get(requestId);
    if (detail !== undefined) {
      // The hold's row must exist before it can be extended.
      this.#statements.openHold.run(requestId, detail);
      this.#openHolds.add(requestId);
      opened.delete(requestId);
    }
    const before = this.#statements.extended.get(requestId);
    if (before === null) return;
    const extended = BigInt(before.extended_nano) + nanoOf(fields, 'byNano');
    this.#statements.extendHold.run(extended.toString(), requestId);
  }

  #writeMovements(movements: readonly ChainedMovement[], batch: number): void {
    const deltas = new Map<string, bigint>();
    for (const movement of movements) {
      this.#statements.movement.run(
        movement.position, movement.id, movement.kind, movement.at, movement.reason, movement.actor,
        movement.reference ?? null, movement.idempotencyKey ?? null, movement.inputSha256 ?? null, batch,
        movement.previousHash, movement.hash,
      );
      movement.entries.forEach((entry, line) => {
        this.#statements.entry.run(movement.position, line, entry.address, entry.currency, entry.amountNano);
        const key = `${entry.address}\0${entry.currency}`;
        deltas.set(key, (deltas.get(key) ?? 0n) + entry.amountNano);
      });
    }
    for (const [key, delta] of deltas) {
      const [address = '', currency = ''] = key.split('\0');
      const before = this.#statements.posted.get(address, currency);
      this.#statements.balance.run(address, currency, (BigInt(before?.posted_nano ?? 0) + delta).toString());
    }
  }

  #writeUsage(usage: BatchUsage, batch: number): void {
    const facts = usage.facts;
    this.#statements.usage.run(
      facts.requestId, usage.movementPosition, batch, facts.accountId, facts.apiKeyId, facts.userId ?? null,
      facts.group ?? null, facts.admittedAt, facts.endedAt, facts.operation, facts.model, facts.upstream ?? null,
      facts.stream ? 1 : 0, facts.status, facts.outcome, facts.inputTokens, facts.outputTokens, facts.currency,
      facts.heldNano, facts.chargeNano, facts.lossNano, usage.detail,
    );
  }

  #writeSpend(batch: LedgerBatch): void {
    for (const [key, days] of batch.spend) {
      const [scope = '', scopeId = ''] = key.split('\0');
      let total = 0n;
      const months = new Map<number, bigint>();
      for (const [day, charge] of days) {
        this.#addSpend(scope, scopeId, 'day', day, charge);
        const month = monthOfDay(day);
        months.set(month, (months.get(month) ?? 0n) + charge);
        total += charge;
      }
      for (const [month, charge] of months) this.#addSpend(scope, scopeId, 'month', month, charge);
      this.#addSpend(scope, scopeId, 'total', 0, total);
    }
  }

  #addSpend(scope: string, scopeId: string, window: string, period: number, charge: bigint): void {
    const before = this.#statements.spent.get(scope, scopeId, window, period);
    this.#statements.spend.run(scope, scopeId, window, period, (BigInt(before?.charge_nano ?? 0) + charge).toString());
  }
}

function prepare(database: Database) {
  const write = (sql: string): Statement<unknown, Binding[]> => database.prepare(sql);
  return {
    state: write(`UPDATE ledger_state SET segment = ?, journal_offset = ?, sequence = ?, batch = ?, head_position = ?,
      head_hash = ? WHERE id = 1`),
    account: write(`INSERT INTO ledger_account (account_id, currency, overdraft_nano, opened_at) VALUES (?, ?, ?, ?)
      ON CONFLICT (account_id) DO UPDATE SET overdraft_nano = excluded.overdraft_nano`),
    movement: write('INSERT INTO movement VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)'),
    entry: write('INSERT INTO entry VALUES (?, ?, ?, ?, ?)'),
    usage: write('INSERT INTO usage VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)'),
    balance: write(`INSERT INTO balance VALUES (?, ?, ?)
      ON CONFLICT (address, currency) DO UPDATE SET posted_nano = excluded.posted_nano`),
    spend: write(`INSERT INTO spend VALUES (?, ?, ?, ?, ?)
      ON CONFLICT (scope, scope_id, window_name, period) DO UPDATE SET charge_nano = excluded.charge_nano`),
    openHold: write("INSERT OR REPLACE INTO open_hold VALUES (?, ?, '0')"),
    extendHold: write('UPDATE open_hold SET extended_nano = ? WHERE request_id = ?'),
    closeHold: write('DELETE FROM open_hold WHERE request_id = ?'),
    usageKnown: database.prepare<{ found: bigint }, [string]>('SELECT 1 AS found FROM usage WHERE request_id = ?'),
    movementKnown: database.prepare<{ found: bigint }, [string]>('SELECT 1 AS found FROM movement WHERE id = ?'),
    posted: database.prepare<{ posted_nano: string }, [string, string]>(
      'SELECT posted_nano FROM balance WHERE address = ? AND currency = ?'),
    spent: database.prepare<{ charge_nano: string }, [string, string, string, number]>(
      'SELECT charge_nano FROM spend WHERE scope = ? AND scope_id = ? AND window_name = ? AND period = ?'),
    extended: database.prepare<{ extended_nano: string }, [string]>(
      'SELECT extended_nano FROM open_hold WHERE request_id = ?'),
  };
}
