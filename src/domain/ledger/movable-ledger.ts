// A ledger that can move to another process while requests run: the books have one owner at a time, and whoever has
// money held stays able to settle it. Between two owners nothing is decided and nothing is lost: closings wait.

import type { EpochMs } from '../../core/clock.ts';
import type { AccountId, MovementId, RequestId } from '../../core/ids.ts';
import type { Currency } from '../../core/money.ts';
import type { JournalPosition } from '../../store/journal-files.ts';
import { unavailableError } from '../../store/journal.ts';
import type { OpenHold } from './account-book.ts';
import type { EmbeddedLedger } from './embedded-ledger.ts';
import type {
  Balance, BudgetCap, BudgetWindow, Closing, ClosingResult, HoldOutcome, Ledger, MovementRequest, MovementResult,
} from './ledger.ts';
import type { LedgerFigures } from './ledger-figures.ts';
import type { Hold } from './records.ts';
import { recoveredClosing } from './recovered.ts';

/** What a request that runs here may still ask of the owner elsewhere. */
export type DistantLedger = Pick<Ledger, 'extendHold' | 'close'>;

const unavailable: HoldOutcome = { placed: false, because: 'unavailable' };
const noHolds: ReadonlyMap<string, OpenHold> = new Map();

export class MovableLedger implements Ledger {
  /** Undefined while the books are elsewhere, or on their way. */
  #here: EmbeddedLedger | undefined;
  #latest: EmbeddedLedger;
  /** Who closes what was begun here. Waited for while the books are on their way. */
  #there: Promise<DistantLedger> | undefined;
  #arrived: ((owner: DistantLedger) => void) | undefined;
  readonly #reopen: (adopted: ReadonlySet<string>) => Promise<EmbeddedLedger>;
  #left: ReadonlySet<RequestId> = new Set();

  /** `reopen` opens the same folder again. */
  constructor(ledger: EmbeddedLedger, reopen: (adopted: ReadonlySet<string>) => Promise<EmbeddedLedger>) {
    this.#here = ledger;
    this.#latest = ledger;
    this.#reopen = reopen;
  }

  /**
   * Lets go of the data folder. Resolves with the requests whose holds are open: the next owner adopts them. Until
   * `follow` or `takeBack`, closings wait. No hold may be placed meanwhile: callers see to that, and get 'unavailable'.
   */
  async letGo(): Promise<readonly RequestId[]> {
    const ledger = this.#here;
    if (ledger === undefined) throw new Error('the ledger is not here');
    await allDurable(ledger);
    const { promise, resolve } = Promise.withResolvers<DistantLedger>();
    this.#there = promise;
    this.#arrived = resolve;
    this.#here = undefined;
    try {
      // From here on no hold changes, and what changed during the first wait is written by this one.
      await allDurable(ledger);
    } catch (error) {
      this.#settleHere(ledger);
      throw error;
    }
    const open = [...ledger.openHolds.values()].map(({ hold }) => hold.requestId);
    this.#left = new Set(open);
    await ledger.shutDown();
    return open;
  }

  /** Another process is the owner now. */
  follow(owner: DistantLedger): void {
    this.#arrived?.(owner);
  }

  /** Nobody else became the owner. Throws what opening a ledger throws; then closings go on waiting. */
  async takeBack(): Promise<void> {
    this.#settleHere(await this.#reopen(this.#left));
  }

  #settleHere(ledger: EmbeddedLedger): void {
    this.#here = ledger;
    this.#latest = ledger;
    this.#arrived?.(ledger);
    this.#there = undefined;
    this.#arrived = undefined;
  }

  /** Whether this process decides about money. */
  get isHere(): boolean {
    return this.#here !== undefined;
  }

  get available(): boolean {
    return this.#here?.available ?? false;
  }

  /** Once the books have gone, what was last true here. */
  get figures(): LedgerFigures {
    return this.#latest.figures;
  }

  /** By request id. For metrics and tests. */
  get openHolds(): ReadonlyMap<string, OpenHold> {
    return this.#here?.openHolds ?? noHolds;
  }

  openAccount(accountId: AccountId, currency: Currency, overdraftNano: bigint): Promise<void> {
    return this.#here?.openAccount(accountId, currency, overdraftNano) ?? elsewhere();
  }

  balance(accountId: AccountId): Promise<Balance | undefined> {
    return this.#here?.balance(accountId) ?? elsewhere();
  }

  spent(scope: BudgetCap['scope'], scopeId: string, window: BudgetWindow, at: number): Promise<bigint> {
    return this.#here?.spent(scope, scopeId, window, at) ?? elsewhere();
  }

  placeHold(hold: Hold, budgets: readonly BudgetCap[], durable: 'now' | 'later'): HoldOutcome {
    return this.#here?.placeHold(hold, budgets, durable) ?? unavailable;
  }

  holdDurable(requestId: RequestId): Promise<void> {
    // Every hold was written before the books went.
    return this.#here?.holdDurable(requestId) ?? Promise.resolve();
  }

  async extendHold(requestId: RequestId, byNano: bigint): Promise<boolean> {
    return (this.#here ?? (await this.#there))?.extendHold(requestId, byNano) ?? false;
  }

  close(closing: Closing): Promise<ClosingResult> {
    if (this.#here !== undefined) return this.#here.close(closing);
    return this.#there?.then((owner) => owner.close(closing)) ?? elsewhere();
  }

  post(request: MovementRequest): Promise<MovementResult> {
    return this.#here?.post(request) ?? Promise.resolve({ posted: false, because: 'unavailable' });
  }

  movement(id: MovementId) {
    return this.#here?.movement(id) ?? elsewhere();
  }

  settled(): Promise<void> {
    return this.#here?.settled() ?? elsewhere();
  }

  /** Everything that was acknowledged is on the disk up to `end`. Its records stay where they are until `release`. */
  keepJournal(): { readonly end: JournalPosition; release(): void } {
    if (this.#here === undefined) throw unavailableError('the ledger is with another process');
    return this.#here.keepJournal();
  }

  /** Closes, free of charge, those of the holds that are still open: the process that ran their requests is gone. */
  async closeLost(requestIds: Iterable<RequestId>, at: EpochMs): Promise<void> {
    for (const requestId of requestIds) {
      const hold = this.openHolds.get(requestId)?.hold;
      if (hold !== undefined) await this.close(recoveredClosing(hold, at, 'found-at-start'));
    }
  }

  /** Does nothing once the books are elsewhere. */
  async shutDown(): Promise<void> {
    await this.#here?.shutDown();
  }
}

/** Every open hold is on the disk. */
const allDurable = (ledger: EmbeddedLedger): Promise<unknown> =>
  Promise.all(Array.from(ledger.openHolds.values(), ({ hold }) => ledger.holdDurable(hold.requestId)));

const elsewhere = (): Promise<never> => Promise.reject(unavailableError('the ledger is with another process'));
