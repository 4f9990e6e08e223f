// Loads the journal into `ledger.db`: each batch with its movements, balances, spending and the journal position in one
// transaction, so that a crash leaves all of it or none. The same code runs in the worker and, at start, in the replay.
// A power cut may take back the last transactions, from the newest on. The journal still has their records: the segment
// before is forgotten only when the position is in the next one, and the transaction that enters a segment is synced.

import type { Database, Statement } from 'bun:sqlite';
import type { IdSource } from '../core/ids.ts';
import { diskFiles, NewerJournalError, type JournalFiles, type JournalPosition } from './journal-files.ts';
import { readRaw, type RawRecord } from './journal-reader.ts';
import { integerOf, nanoOf, parseFields, textOf, type Fields } from './json-fields.ts';
import { LedgerBatch, type ChainedMovement } from './ledger-batch.ts';
import { readStoredMovement } from './ledger-movement.ts';
import { LedgerSums } from './ledger-sums.ts';
import { journalFolder, type LedgerStateRow } from './schema/ledger.ts';
import { readUsageFacts, type UsageFacts } from './usage-facts.ts';
import { UsagePacker, type UsagePack } from './usage-packs.ts';
import { factsWithin, scanUsageFacts } from './usage-scan.ts';

/** Records of one transaction: larger ones are hardly faster by the row, and hold the file longer. */
const BATCH_RECORDS = 1_000;
const BATCH_BYTES = 8 * 1024 * 1024;

/** Pages in the write-ahead log before they are copied back: pages that every batch changes are then copied once. */
const CHECKPOINT_PAGES = 4_000;
const KEYS_KEPT = 20_000;

interface State {
  readonly position: JournalPosition;
  readonly batch: number;
  readonly headPosition: number;
  readonly headHash: string;
  /** Of the last usage record. */
  readonly usagePosition: number;
}

/** One batch while it is put together. */
interface Work {
  readonly number: number;
  readonly batch: LedgerBatch;
  readonly packer: UsagePacker;
  /** If set, what is in the store under the same request or movement id is passed over. */
  readonly known: Set<string> | undefined;
  /** Holds opened in this batch. What is closed in it as well never becomes a row. */
  readonly opened: Map<string, string>;
  /** Holds of earlier batches. */
  readonly closed: string[];
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
  const last = database.query<{ position: bigint }, []>(
    'SELECT position + records - 1 AS position FROM usage_pack ORDER BY usage_pack.position DESC LIMIT 1').get();
  return {
    position: { segment: Number(row.segment), offset: Number(row.journal_offset), sequence: Number(row.sequence) },
    batch: Number(row.batch), headPosition: Number(row.head_position), headHash: row.head_hash,
    usagePosition: Number(last?.position ?? 0),
  };
}

export class LedgerLoad {
  readonly #database: Database;
  readonly #folder: string;
  readonly #newId: IdSource;
  readonly #files: JournalFiles;
  readonly #statements: ReturnType<typeof prepare>;
  readonly #sums: LedgerSums;
  /** Request ids in `open_hold`. */
  readonly #openHolds: Set<string>;
  /** Accounts in `usage_key`, by the key whose requests they pay. */
  readonly #keyAccounts = new Map<string, string>();
  #synchronous: 'NORMAL' | 'FULL' = 'FULL';
  #state: State;

  constructor(database: Database, dataFolder: string, newId: IdSource, files: JournalFiles = diskFiles) {
    this.#database = database;
    this.#folder = journalFolder(dataFolder);
    this.#newId = newId;
    this.#files = files;
    this.#state = readState(database);
    this.#statements = prepare(database);
    this.#sums = new LedgerSums(database);
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

  /** Nothing is looked up to learn whether it was loaded: the position says so. If it is wrong, a constraint breaks. */
  #loadBatch(until: JournalPosition): void {
    try {
      this.#commitBatch(until, undefined);
    } catch (error) {
      this.#sums.forget();
      this.#keyAccounts.clear();
      if (!isDuplicate(error)) throw error;
      this.#commitBatch(until, new Set());
    }
  }

  #commitBatch(until: JournalPosition, known: Set<string> | undefined): void {
    const before = this.#state;
    this.#setSynchronous(until.segment === before.position.segment ? 'NORMAL' : 'FULL');
    const number = before.batch + 1;
    const work: Work = {
      number, batch: new LedgerBatch(before.headPosition, this.#newId), known,
      packer: new UsagePacker(before.usagePosition + 1, (pack) => this.#writePack(pack, number)),
      opened: new Map(), closed: [],
    };
    const after = this.#database.transaction((): State => {
      const position = this.#takeAll(until, work);
      const movements = work.batch.chain(before.headHash, work.packer.finish());
      this.#writeMovements(movements, number);
      this.#sums.addSpend('account', work.batch.spend.account);
      this.#sums.addSpend('key', work.batch.spend.key);
      for (const [requestId, detail] of work.opened) this.#statements.openHold.run(requestId, detail);
      const head = movements.at(-1);
      const state: State = {
        position, batch: number, headPosition: head?.position ?? before.headPosition,
        headHash: head?.hash ?? before.headHash, usagePosition: work.packer.lastPosition,
      };
      this.#statements.state.run(
        position.segment, position.offset, position.sequence, number, state.headPosition, state.headHash,
      );
      return state;
    }).immediate();
    for (const requestId of work.closed) this.#openHolds.delete(requestId);
    for (const requestId of work.opened.keys()) this.#openHolds.add(requestId);
    this.#state = after;
  }

  #setSynchronous(synchronous: 'NORMAL' | 'FULL'): void {
    if (synchronous === this.#synchronous) return;
    this.#database.run(`PRAGMA synchronous = ${synchronous}`);
    this.#synchronous = synchronous;
  }

  /** Takes the records of one transaction, and returns where they end. */
  #takeAll(until: JournalPosition, work: Work): JournalPosition {
    let position = this.#state.position;
    let records = 0;
    let bytes = 0;
    for (const record of readRaw(this.#folder, position, until, this.#files)) {
      this.#take(record, work);
      records += 1;
      bytes += record.bytes.length;
      if (records < BATCH_RECORDS && bytes < BATCH_BYTES && record.sequence < until.sequence) continue;
      position = { segment: record.segment, offset: record.endOffset, sequence: record.sequence };
      break;
    }
    return position;
  }

  #take(record: RawRecord, work: Work): void {
    const { bytes, jsonAt } = record;
    if (record.kind === 'usage') {
      const facts = scanUsageFacts(bytes.toString('utf8', jsonAt, Math.min(jsonAt + factsWithin, bytes.length)));
      return this.#takeUsage(facts ?? readUsageFacts(bytes.toString('utf8', jsonAt)), record, work);
    }
    const json = bytes.toString('utf8', jsonAt);
    const fields = parseFields(json);
    switch (record.kind) {
      case 'hold': {
        work.opened.set(textOf(fields, 'requestId'), json);
        return;
      }
      case 'extend': return this.#extend(fields, work.opened);
      case 'movement': {
        if (this.#seen(work, this.#statements.movementKnown, textOf(fields, 'id'))) return;
        return work.batch.addMovement((position) => readStoredMovement(fields, position));
      }
      case 'account': {
        this.#statements.account.run(
          textOf(fields, 'accountId'), textOf(fields, 'currency'), nanoOf(fields, 'overdraftNano'),
          integerOf(fields, 'at'),
        );
        return;
      }
      default: throw new NewerJournalError(this.#folder, `record ${record.sequence} is of the kind ${record.kind}`);
    }
  }

  #takeUsage(facts: UsageFacts, { bytes, jsonAt }: RawRecord, work: Work): void {
    const { requestId, accountId, apiKeyId } = facts;
    if (!work.opened.delete(requestId) && this.#openHolds.has(requestId)) {
      this.#statements.closeHold.run(requestId);
      work.closed.push(requestId);
    }
    if (this.#seen(work, this.#statements.usageKnown, requestId)) return;
    if (this.#keyAccounts.get(apiKeyId) !== accountId) this.#rememberKey(apiKeyId, accountId);
    work.packer.add(bytes, jsonAt, facts, work.batch.addUsage(facts));
  }

  #rememberKey(apiKeyId: string, accountId: string): void {
    this.#statements.key.run(apiKeyId, accountId);
    if (this.#keyAccounts.size >= KEYS_KEPT) this.#keyAccounts.clear();
    this.#keyAccounts.set(apiKeyId, accountId);
  }

  /** Rows go in by one statement for all: one by one they cost three times as much. */
  #writePack({ position, requestIds, movements, texts, facets }: UsagePack, batch: number): void {
    const { firstId, lastId, firstAt, lastAt } = facets.span();
    this.#statements.pack.run(position, movements.length, batch, JSON.stringify(movements), texts);
    this.#statements.usage.run(JSON.stringify(requestIds), position);
    this.#statements.facets.run(JSON.stringify(facets.facets()), lastId, position, firstId, firstAt, lastAt);
  }

  #seen({ known }: Work, stored: Statement<{ found: bigint }, [string]>, id: string): boolean {
    if (known === undefined) return false;
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
      this.#sums.addPosted(address, currency, delta);
    }
  }
}

function isDuplicate(error: unknown): boolean {
  return error instanceof Error && 'code' in error
    && (error.code === 'SQLITE_CONSTRAINT_UNIQUE' || error.code === 'SQLITE_CONSTRAINT_PRIMARYKEY');
}

function prepare(database: Database) {
  type Binding = string | number | bigint | null | Uint8Array;
  const write = (sql: string): Statement<unknown, Binding[]> => database.prepare(sql);
  return {
    state: write(`UPDATE ledger_state SET segment = ?, journal_offset = ?, sequence = ?, batch = ?, head_position = ?,
      head_hash = ? WHERE id = 1`),
    account: write(`INSERT INTO ledger_account (account_id, currency, overdraft_nano, opened_at) VALUES (?, ?, ?, ?)
      ON CONFLICT (account_id) DO UPDATE SET overdraft_nano = excluded.overdraft_nano`),
    // Columns are named: a newer Tollgate may have added some, and this one goes on with the file.
    movement: write(`INSERT INTO movement (position, id, kind, at, reason, actor, reference, idempotency_key,
      input_sha256, batch, prev_hash, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`),
    entry: write(`INSERT INTO entry (movement_position, line, address, currency, amount_nano)
      VALUES (?, ?, ?, ?, ?)`),
    pack: write('INSERT INTO usage_pack (position, records, batch, movements, texts) VALUES (?, ?, ?, ?, ?)'),
    usage: write('INSERT OR FAIL INTO usage (request_id, position) SELECT value, ?2 + key FROM json_each(?1)'),
    facets: write(`INSERT OR FAIL INTO usage_facet (facet, last_id, pack, first_id, first_at, last_at)
      SELECT value, ?2, ?3, ?4, ?5, ?6 FROM json_each(?1)`),
    key: write('INSERT OR IGNORE INTO usage_key (api_key_id, account_id) VALUES (?, ?)'),
    openHold: write("INSERT OR REPLACE INTO open_hold (request_id, detail, extended_nano) VALUES (?, ?, '0')"),
    extendHold: write('UPDATE open_hold SET extended_nano = ? WHERE request_id = ?'),
    closeHold: write('DELETE FROM open_hold WHERE request_id = ?'),
    usageKnown: database.prepare<{ found: bigint }, [string]>('SELECT 1 AS found FROM usage WHERE request_id = ?'),
    movementKnown: database.prepare<{ found: bigint }, [string]>('SELECT 1 AS found FROM movement WHERE id = ?'),
    extended: database.prepare<{ extended_nano: string }, [string]>(
      'SELECT extended_nano FROM open_hold WHERE request_id = ?'),
  };
}
