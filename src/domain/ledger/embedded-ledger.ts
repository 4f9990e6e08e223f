// The ledger of one machine: decisions in memory, records in the journal, SQLite loaded behind. This process is the
// only writer of its data folder. A decision and its effect stand in one turn of the event loop; what a promise
// resolves to is on the disk.

import type { Database } from 'bun:sqlite';
import { systemClock, type Clock, type EpochMs } from '../../core/clock.ts';
import { newId as randomId, type AccountId, type IdSource, type MovementId, type RequestId } from '../../core/ids.ts';
import { MoneyRangeError, NANO_MAX, type Currency, type Nano } from '../../core/money.ts';
import { lockDataFolder, lockDataFolderWithin, type DataFolderLock } from '../../store/data-folder-lock.ts';
import type { JournalPosition } from '../../store/journal-files.ts';
import { JournalKeeper } from '../../store/journal-keeper.ts';
import { Journal, unavailableError, type JournalOptions } from '../../store/journal.ts';
import { LedgerLoad, loadedPosition, moveLoadedPosition } from '../../store/ledger-load.ts';
import { Loader, type LoaderThread } from '../../store/loader.ts';
import { journalFolder, openLedgerForLoading, openLedgerForReading } from '../../store/schema/ledger.ts';
import { AccountBook, type OpenHold } from './account-book.ts';
import { decideMovement } from './check-movement.ts';
import type {
  Balance, BudgetCap, BudgetWindow, Closing, ClosingResult, HoldOutcome, Ledger, MovementRequest, MovementResult,
} from './ledger.ts';
import { endedError, messageOf, refused } from './ledger-errors.ts';
import { ledgerFigures, type LedgerFigures } from './ledger-figures.ts';
import { LedgerRows } from './ledger-rows.ts';
import { holdJson, recordJson, usageRecordJson } from './record-json.ts';
import { RecentMovements, type RecentMovement } from './recent-movements.ts';
import { recoveredClosing } from './recovered.ts';
import type { Hold, Movement } from './records.ts';

export interface EmbeddedLedgerOptions extends Pick<JournalOptions, 'files' | 'segmentBytes' | 'onSynced'> {
  /** The data folder. Created if missing. */
  readonly folder: string;
  /** A line for the operator's log. */
  readonly warn: (message: string) => void;
  readonly clock?: Clock;
  readonly newId?: IdSource;
  /** Called with the folder's lock held, before anything of it is opened. What it throws ends the opening. */
  readonly beforeOpening?: () => Promise<void>;
  readonly startThread?: () => LoaderThread;
  /** Requests that still run in another process, or in this one, and close their holds themselves. */
  readonly adopted?: ReadonlySet<string>;
}

/** A hold that is not on disk after one to two of these is written: most requests never need it. */
const SWEEP_MS = 50;
const SWEEPS_PER_EXPIRY = 20;
/** Between two owners anybody may have taken the folder, to look at it or to copy it: without it money is lost. */
const ADOPTING_LOCK_MAX_MS = 20_000;

const unavailable: HoldOutcome = { placed: false, because: 'unavailable' };
const notClosed: Promise<ClosingResult> = Promise.resolve({ closed: false });
const closedWithoutLoss = (): ClosingResult => ({ closed: true, lossNano: 0n });

interface Parts {
  readonly options: EmbeddedLedgerOptions;
  readonly lock: DataFolderLock;
  readonly reading: Database;
  readonly loaded: JournalPosition;
}

/**
 * Takes the folder, replays what the store does not have, and closes holds that a crash left open, free of charge.
 * Throws DataFolderInUseError, JournalDamagedError or NewerSchemaError, each with a line for the operator.
 */
export async function openEmbeddedLedger(options: EmbeddedLedgerOptions): Promise<EmbeddedLedger> {
  const lock = options.adopted === undefined
    ? lockDataFolder(options.folder) : await lockDataFolderWithin(options.folder, ADOPTING_LOCK_MAX_MS);
  try {
    await options.beforeOpening?.();
    const database = openLedgerForLoading(options.folder);
    let loaded: JournalPosition;
    let orphans: ReturnType<LedgerRows['openHolds']>;
    try {
      const from = loadedPosition(database);
      const journal = Journal.open({ ...options, folder: journalFolder(options.folder), from });
      const end = journal.position;
      await journal.close();
      if (end.sequence > from.sequence) {
        new LedgerLoad(database, options.folder, options.newId ?? randomId, options.files).load(end);
      } else if (end.segment !== from.segment) {
        moveLoadedPosition(database, end);
      }
      loaded = loadedPosition(database);
      orphans = new LedgerRows(database).openHolds();
    } finally {
      database.close();
    }
    const ledger = new EmbeddedLedger({ options, lock, loaded, reading: openLedgerForReading(options.folder) });
    await ledger.recover(orphans);
    return ledger;
  } catch (error) {
    lock.release();
    throw error;
  }
}

export class EmbeddedLedger implements Ledger {
  readonly #options: EmbeddedLedgerOptions;
  readonly #clock: Clock;
  readonly #newId: IdSource;
  readonly #lock: DataFolderLock;
  readonly #reading: Database;
  readonly #rows: LedgerRows;
  readonly #book: AccountBook;
  readonly #journal: Journal;
  readonly #loader: Loader;
  readonly #recent = new RecentMovements();
  #young: OpenHold[] = [];
  #elder: OpenHold[] = [];
  #sweeper: ReturnType<typeof setInterval> | undefined;
  #sweeps = 0;
  readonly #keeper: JournalKeeper;
  #shutDown: Promise<void> | undefined;

  /** Use `openEmbeddedLedger`. */
  constructor({ options, lock, reading, loaded }: Parts) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#newId = options.newId ?? randomId;
    this.#lock = lock;
    this.#reading = reading;
    this.#rows = new LedgerRows(reading);
    this.#book = new AccountBook(this.#rows);
    this.#loader = new Loader({
      folder: options.folder, loaded, warn: options.warn, onLoaded: (position) => this.#loaded(position),
      ...(options.startThread === undefined ? {} : { startThread: options.startThread }),
    });
    this.#journal = Journal.open({
      ...options, folder: journalFolder(options.folder), from: loaded,
      onDurable: (position) => this.#loader.advance(position),
      onFailure: (cause) =>
        options.warn(`the money journal cannot be written (${cause.message}); paid calls are refused until a restart`),
    });
    this.#keeper = new JournalKeeper(this.#journal, loaded);
  }

  get available(): boolean {
    return this.#journal.available && this.#shutDown === undefined;
  }

  /** By request id. For metrics and tests. */
  get openHolds(): ReadonlyMap<string, OpenHold> {
    return this.#book.holds;
  }

  get figures(): LedgerFigures {
    return ledgerFigures(this.#options, this.#journal, this.#loader.loaded, this.#book.holds.size);
  }

  async openAccount(accountId: AccountId, currency: Currency, overdraftNano: Nano): Promise<void> {
    const isCode = /^[A-Z][A-Z0-9]{2,11}$/.test(currency);
    if (!isCode) throw refused('invalid_request', 'currency: an ISO 4217 code in capitals is needed.');
    if (overdraftNano < 0n || overdraftNano > NANO_MAX) throw new MoneyRangeError('overdraft');
    const known = this.#book.account(accountId);
    if (known !== undefined && known.currency !== currency) {
      throw refused('conflict', `The account is kept in ${known.currency}; its currency cannot change.`);
    }
    if (known?.overdraftNano === overdraftNano) return this.#journal.durable(known.openedSequence);
    if ((known?.postedNano ?? 0n) + overdraftNano > NANO_MAX) throw new MoneyRangeError('balance and overdraft together');
    const record = recordJson({ accountId, currency, overdraftNano, at: this.#clock.now() });
    const sequence = this.#append('account', record);
    const account = known ?? this.#book.create(accountId, currency, overdraftNano);
    account.overdraftNano = overdraftNano;
    account.openedSequence = sequence;
    return this.#journal.durable(sequence);
  }

  async balance(accountId: AccountId): Promise<Balance | undefined> {
    const account = this.#book.account(accountId);
    return account === undefined ? undefined : this.#book.balance(account);
  }

  async spent(scope: BudgetCap['scope'], scopeId: string, window: BudgetWindow, at: EpochMs): Promise<Nano> {
    return this.#book.counter(scope, scopeId).in(window, at);
  }

  placeHold(hold: Hold, budgets: readonly BudgetCap[], durable: 'now' | 'later'): HoldOutcome {
    if (!this.available || this.#journal.congested) return unavailable;
    const { outcome, open } = this.#book.place(hold, budgets, this.#clock.monotonicMs());
    if (open === undefined) return outcome;
    if (durable === 'now') this.#writeHold(open);
    else this.#young.push(open);
    this.#sweeper ??= setInterval(this.sweep, SWEEP_MS);
    return outcome;
  }

  holdDurable(requestId: RequestId): Promise<void> {
    const open = this.#book.hold(requestId);
    if (open === undefined) return Promise.reject(endedError(requestId));
    if (open.writtenSequence === 0) {
      if (!this.available) return Promise.reject(unavailableError('a hold could not be written'));
      this.#writeHold(open);
    }
    return this.#journal.durable(open.writtenSequence);
  }

  extendHold(requestId: RequestId, byNano: Nano): Promise<boolean> {
    const open = this.#book.hold(requestId);
    if (open === undefined || !this.available || !this.#book.extend(open, byNano)) return Promise.resolve(false);
    // Nobody waits for it: after a crash the request is free whatever was held.
    if (open.writtenSequence !== 0) this.#append('extend', recordJson({ requestId, byNano }));
    return Promise.resolve(true);
  }

  close(closing: Closing): Promise<ClosingResult> {
    const open = this.#book.hold(closing.requestId);
    if (open === undefined) return notClosed;
    const { hold } = open;
    const charge = closing.chargeNano;
    if (charge < 0n || charge > NANO_MAX) return Promise.reject(new MoneyRangeError(`the charge of ${hold.requestId}`));
    const sameParties = closing.accountId === hold.accountId && closing.apiKeyId === hold.apiKeyId;
    if (!sameParties || closing.terms.currency !== hold.terms.currency) {
      return Promise.reject(new Error(`the closing of ${hold.requestId} names another account, key or currency than its hold`));
    }
    if (!this.available) return Promise.reject(unavailableError('a closing could not be written'));
    const lossNano = this.#book.lossOf(open, charge);
    const sequence = this.#append('usage', usageRecordJson(closing, open.amountNano, lossNano));
    this.#book.close(open, charge, lossNano, closing.admittedAt);
    const durable = this.#journal.durable(sequence);
    return durable.then(lossNano === 0n ? closedWithoutLoss : () => ({ closed: true, lossNano }));
  }

  async post(request: MovementRequest): Promise<MovementResult> {
    if (request.idempotencyKey !== undefined) {
      const before = this.#recent.byKey(request.idempotencyKey) ?? this.#storedByKey(request.idempotencyKey);
      if (before !== undefined) return this.#replayed(before, request);
    }
    if (!this.available) return { posted: false, because: 'unavailable' };
    const decision = decideMovement(request, (id) => this.#book.account(id));
    if (!decision.allowed) return { posted: false, because: decision.because };
    const movement: Movement = {
      id: this.#newId('mov'), kind: request.kind, at: this.#clock.now(), entries: [...request.entries],
      reason: request.reason, actor: request.actor, reference: request.reference,
      idempotencyKey: request.idempotencyKey, inputSha256: request.inputSha256,
    };
    const sequence = this.#append('movement', recordJson(movement));
    for (const { account, byNano } of decision.changes) account.postedNano += byNano;
    this.#recent.remember({ movement, sequence });
    await this.#journal.durable(sequence);
    return { posted: true, movement, replayed: false };
  }

  async movement(id: MovementId): Promise<Movement | undefined> {
    return this.#recent.byId(id) ?? this.#rows.movement('id', id);
  }

  async settled(): Promise<void> {
    // After a failed write only what is durable can still be waited for.
    const sequence = this.#journal.available ? this.#journal.lastSequence : this.#journal.position.sequence;
    await this.#journal.durable(sequence);
    await this.#loader.whenLoaded(sequence);
  }

  /** Everything that was acknowledged is on the disk up to `end`. Its records stay where they are until `release`. */
  keepJournal(): { readonly end: JournalPosition; release(): void } {
    return { release: this.#keeper.keep(), end: this.#journal.position };
  }

  shutDown(): Promise<void> {
    return (this.#shutDown ??= this.#close());
  }

  /** Closes holds that the process before this one left open. Free: what was delivered is not known. */
  async recover(orphans: readonly { readonly hold: Hold; readonly amountNano: Nano }[]): Promise<void> {
    for (const { hold, amountNano } of orphans) {
      const lost = () => recoveredClosing(hold, this.#clock.now(), 'found-at-start');
      if (this.#options.adopted?.has(hold.requestId) === true) this.#book.adopt(hold, amountNano, this.#clock);
      else this.#append('usage', usageRecordJson(lost(), amountNano, 0n));
    }
    if (this.#book.holds.size > 0) this.#sweeper = setInterval(this.sweep, SWEEP_MS);
    await this.#journal.durable(this.#journal.lastSequence);
  }

  /** Writes the holds that have lasted, and expires the overdue. Called by a timer while holds are open. */
  readonly sweep = (): void => {
    const elder = this.#elder;
    this.#elder = this.#young;
    this.#young = [];
    if (!this.available) return this.#stopSweeping();
    for (const open of elder) if (!open.closed && open.writtenSequence === 0) this.#writeHold(open);
    this.#sweeps += 1;
    if (this.#sweeps % SWEEPS_PER_EXPIRY === 0) this.expireHolds();
    if (this.#book.holds.size === 0 && this.#elder.length === 0) this.#stopSweeping();
  };

  /** Closes, free of charge, what outlived its own deadline: its request was lost by a defect. */
  expireHolds(): void {
    const nowMs = this.#clock.monotonicMs();
    for (const open of this.#book.holds.values()) {
      if (nowMs <= open.expiresMonotonicMs) continue;
      const closing = recoveredClosing(open.hold, this.#clock.now(), 'expired');
      this.#options.warn(`the hold of ${open.hold.requestId} expired; its request was never closed`);
      this.close(closing).catch((error: unknown) => this.#options.warn(`expiry: ${messageOf(error)}`));
    }
  }

  #stopSweeping(): void {
    clearInterval(this.#sweeper);
    this.#sweeper = undefined;
  }

  #append(kind: 'account' | 'hold' | 'extend' | 'usage' | 'movement', json: string): number {
    if (this.#shutDown !== undefined) throw unavailableError('the ledger is shut down');
    return this.#journal.append(kind, json);
  }

  #writeHold(open: OpenHold): void {
    open.writtenSequence = this.#append('hold', holdJson(open.hold, open.amountNano));
  }

  /** The store has everything up to here. */
  #loaded(position: JournalPosition): void {
    this.#keeper.loaded(position);
    this.#recent.forget(position.sequence);
  }

  async #replayed(before: RecentMovement, request: MovementRequest): Promise<MovementResult> {
    if (before.movement.inputSha256 !== request.inputSha256) return { posted: false, because: 'idempotency-mismatch' };
    await this.#journal.durable(before.sequence);
    return { posted: true, movement: before.movement, replayed: true };
  }

  #storedByKey(key: string): RecentMovement | undefined {
    const movement = this.#rows.movement('idempotency_key', key);
    return movement === undefined ? undefined : { movement, sequence: 0 };
  }

  async #close(): Promise<void> {
    this.#stopSweeping();
    await this.#journal.close().catch((error: unknown) => this.#options.warn(`shutting down: ${messageOf(error)}`));
    await this.#loader.close();
    this.#reading.close();
    try {
      if (this.#loader.loaded.sequence < this.#journal.position.sequence) this.#loadRest();
    } finally {
      this.#lock.release();
    }
  }

  #loadRest(): void {
    const database = openLedgerForLoading(this.#options.folder);
    try {
      new LedgerLoad(database, this.#options.folder, this.#newId, this.#options.files).load(this.#journal.position);
    } catch (error) {
      this.#options.warn(`the last records were not loaded (${messageOf(error)}); the next start does it`);
    } finally {
      database.close();
    }
  }
}
