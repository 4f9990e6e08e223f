// Loads the journal into `ledger.db`: each batch with its movements, balances, spending and the journal position in one
// transaction, so that a crash leaves all of it or none. The same code runs in the worker and, at start, in the replay.
// A power cut may take the last transactions back, from the newest on: the journal still has their records, because the
// transaction that enters another segment, without which the one before is not forgotten, is synced.

import type { Database, Statement } from 'bun:sqlite';
import type { IdSource } from '../core/ids.ts';
import type { Nano } from '../core/money.ts';
import { diskFiles, type JournalFiles, type JournalPosition } from './journal-files.ts';
import { readRaw, type RawRecord } from './journal-reader.ts';
import { integerOf, nanoOf, parseFields, textOf, type Fields } from './json-fields.ts';
import { LedgerBatch, type ChainedMovement, type DaySums } from './ledger-batch.ts';
import { readStoredMovement } from './ledger-movement.ts';
import { journalFolder, type LedgerStateRow } from './schema/ledger.ts';
import { monthOfDay } from './spend-periods.ts';
import { readUsageFacts, type UsageFacts } from './usage-facts.ts';
import { UsageScan } from './usage-scan.ts';

/** Records of one transaction: larger ones are hardly faster by the row, and hold the file longer. */
const BATCH_RECORDS = 1_000;
const BATCH_BYTES = 8 * 1024 * 1024;

/** Frames of 4 KiB in the write-ahead log before it is copied back: hot pages are then copied once for many batches. */
const CHECKPOINT_PAGES = 4_000;

const SUMS_KEPT = 20_000;

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

type Binding = string | number | bigint | null | Uint8Array;

/** What a batch does to the open holds; a hold that is closed in it leaves no row. */
interface HoldChanges {
  readonly opened: Map<string, string>;
  readonly closed: string[];
}

/** Sums as the file has them, of whoever was charged lately: this is their only writer, so none is read twice. */
class KnownSums {
  readonly #sums = new Map<string, Nano>();

  get(key: string, stored: () => string | undefined): Nano {
    return this.#sums.get(key) ?? BigInt(stored() ?? 0);
  }

  /** Returns what is to be stored. */
  set(key: string, sum: Nano): string {
    if (this.#sums.size >= SUMS_KEPT) this.#sums.clear();
    this.#sums.set(key, sum);
    return sum.toString();
  }

  /** A batch was rolled back. */
  forget(): void {
    this.#sums.clear();
  }
}

export class LedgerLoad {
  readonly #database: Database;
  readonly #folder: string;
  readonly #newId: IdSource;
  readonly #files: JournalFiles;
  readonly #statements: ReturnType<typeof prepare>;
  /** Request ids in `open_hold`. */
  readonly #openHolds: Set<string>;
  readonly #scan = new UsageScan();
  readonly #sums = new KnownSums();
  #sync: 'NORMAL' | 'FULL' = 'FULL';
  #state: State;

  constructor(database: Database, dataFolder: string, newId: IdSource, files: JournalFiles = diskFiles) {
    this.#database = database;
    this.#folder = journalFolder(dataFolder);
    this.#newId = newId;
    this.#files = files;
    this.#state = readState(database);
    this.#statements = prepare(database);
    database.run(`PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES}`);
    this.#openHolds = new Set(database.query<{ request_id: string }, []>('SELECT request_id FROM open_hold').all()
      .map((row) => row.request_id));
  }

  get position(): JournalPosition {
    return this.#state.position;
  }

  /** Loads everything up to a durable position. Throws JournalDamagedError; what was committed before stays. */
  load(until: JournalPosition): JournalPosition {
    while (until.sequence > this.#state.position.sequence) this.#loadBatch(until);
    return this.#state.position;
  }

  /** Nothing is looked up to find out whether it is there: the position says what is. What is, breaks a constraint. */
  #loadBatch(until: JournalPosition): void {
    try {
      this.#commitBatch(until, undefined);
    } catch (error) {
      this.#sums.forget();
      if (!isDuplicate(error)) throw error;
      this.#commitBatch(until, new Set());
    }
  }

  #commitBatch(until: JournalPosition, known: Set<string> | undefined): void {
    const before = this.#state;
    const changes: HoldChanges = { opened: new Map(), closed: [] };
    const sync = until.segment === before.position.segment ? 'NORMAL' : 'FULL';
    if (sync !== this.#sync) this.#database.run(`PRAGMA synchronous = ${(this.#sync = sync)}`);
    const after = this.#database.transaction((): State => {
      const batch = new LedgerBatch(before.headPosition, this.#newId);
      const number = before.batch + 1;
      const position = this.#takeAll(until, batch, number, known, changes);
      const movements = batch.chain(before.headHash);
      this.#writeMovements(movements, number);
      this.#writeSpend('account', batch.spend.account);
      this.#writeSpend('key', batch.spend.key);
      for (const [requestId, detail] of changes.opened) this.#statements.openHold.run(requestId, detail);
      const head = movements.at(-1);
      const state: State = {
        position, batch: number, headPosition: head?.position ?? before.headPosition,
        headHash: head?.hash ?? before.headHash,
      };
      this.#statements.state.run(
        position.segment, position.offset, position.sequence, number, state.headPosition, state.headHash,
      );
      return state;
    }).immediate();
    for (const requestId of changes.closed) this.#openHolds.delete(requestId);
    for (const requestId of changes.opened.keys()) this.#openHolds.add(requestId);
    this.#state = after;
  }

  /** Takes the records of one transaction, and returns where they end. */
  #takeAll(
    until: JournalPosition, batch: LedgerBatch, number: number, known: Set<string> | undefined, changes: HoldChanges,
  ): JournalPosition {
    let position = this.#state.position;
    let records = 0;
    let bytes = 0;
    for (const record of readRaw(this.#folder, position, until, this.#files)) {
      this.#take(record, batch, number, known, changes);
      records += 1;
      bytes += record.bytes.length;
      if (records < BATCH_RECORDS && bytes < BATCH_BYTES && record.sequence < until.sequence) continue;
      position = { segment: record.segment, offset: record.endOffset, sequence: record.sequence };
      break;
    }
    return position;
  }

  /** With `known`, what was loaded before under the same request or movement id is passed over. */
  #take(
    record: RawRecord, batch: LedgerBatch, number: number, known: Set<string> | undefined, changes: HoldChanges,
  ): void {
    const json = record.bytes.toString('utf8', record.jsonAt);
    switch (record.kind) {
      case 'usage': {
        const facts = this.#scan.read(json) ?? readUsageFacts(json);
        const { requestId } = facts;
        if (!changes.opened.delete(requestId) && this.#openHolds.has(requestId)) {
          this.#statements.closeHold.run(requestId);
          changes.closed.push(requestId);
        }
        if (known !== undefined && this.#seen(known, this.#statements.usageKnown, requestId)) return;
        const detail = record.bytes.subarray(record.jsonAt);
        return this.#writeUsage(facts, detail, batch.addUsage(facts, detail), number);
      }
      case 'hold': {
        changes.opened.set(textOf(parseFields(json), 'requestId'), json);
        return;
      }
      case 'extend': return this.#extend(parseFields(json), changes.opened);
      case 'movement': {
        const fields = parseFields(json);
        if (known !== undefined && this.#seen(known, this.#statements.movementKnown, textOf(fields, 'id'))) return;
        return batch.addMovement((position) => readStoredMovement(fields, position));
      }
      case 'account': {
        const fields = parseFields(json);
        this.#statements.account.run(
          textOf(fields, 'accountId'), textOf(fields, 'currency'), nanoOf(fields, 'overdraftNano'),
          integerOf(fields, 'at'),
        );
        return;
      }
      default: throw new Error(`journal record ${record.sequence} has the unknown kind ${record.kind}`);
    }
  }

  #seen(known: Set<string>, stored: Statement<{ found: bigint }, [string]>, id: string): boolean {
    if (known.has(id) || stored.get(id) !== null) return true;
    known.add(id);
    return false;
  }

  #extend(fields: Fields, opened: Map<string, string>): void {
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
      const before = this.#sums.get(key, () => this.#statements.posted.get(address, currency)?.posted_nano);
      this.#statements.balance.run(address, currency, this.#sums.set(key, before + delta));
    }
  }

  #writeUsage(facts: UsageFacts, detail: Uint8Array, movementPosition: number, batch: number): void {
    this.#statements.usage.run(
      facts.requestId, movementPosition, batch, facts.accountId, facts.apiKeyId, facts.admittedAt, facts.model,
      facts.upstream ?? null, facts.stream ? 1 : 0, facts.status, facts.outcome, facts.inputTokens, facts.outputTokens,
      facts.heldNano, facts.chargeNano, facts.lossNano, detail,
    );
  }

  #writeSpend(scope: 'account' | 'key', sums: ReadonlyMap<string, DaySums>): void {
    for (const [scopeId, days] of sums) {
      let total = 0n;
      const months = new Map<number, bigint>();
      for (const [day, { value: charge }] of days) {
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
    const key = `${scopeId}\0${window}\0${period}`;
    const stored = (): string | undefined => this.#statements.spent.get(scope, scopeId, window, period)?.charge_nano;
    const before = this.#sums.get(key, stored);
    this.#statements.spend.run(scope, scopeId, window, period, this.#sums.set(key, before + charge));
  }
}

function isDuplicate(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'SQLITE_CONSTRAINT_UNIQUE';
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
    usage: write('INSERT INTO usage VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, CAST(? AS TEXT))'),
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
