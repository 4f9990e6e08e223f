// The money port: the pipeline and the admin API speak to this and to nothing behind it. Two implementations: the
// embedded one (journal, balances in memory, SQLite loaded behind) and, later, Postgres.
//
// Invariants: each hold leaves `open` exactly once; posted - held >= -overdraft but for recorded overrun;
// what a resolved promise says is durable; an entry never changes.

import type { EpochMs } from '../../core/clock.ts';
import type { AccountId, ApiKeyId, MovementId, RequestId } from '../../core/ids.ts';
import type { Currency, Nano } from '../../core/money.ts';
import type { Hold, LedgerEntry, Movement, MovementKind, UsageRecord } from './records.ts';

export interface Balance {
  readonly accountId: AccountId;
  readonly currency: Currency;
  readonly postedNano: Nano;
  readonly heldNano: Nano;
  readonly overdraftNano: Nano;
  /** posted - held + overdraft. */
  readonly availableNano: Nano;
}

export type BudgetWindow = 'day' | 'month' | 'total';

/** A money cap of one key or account per UTC day, UTC month, or in total. */
export interface BudgetCap {
  readonly scope: 'key' | 'account';
  readonly scopeId: ApiKeyId | AccountId;
  readonly window: BudgetWindow;
  readonly capNano: Nano;
  /** The keys whose spending counts together, this one among them; undefined: this one's alone. */
  readonly together?: readonly ApiKeyId[] | undefined;
}

export type HoldOutcome =
  | { readonly placed: true }
  | { readonly placed: false; readonly because: 'balance'; readonly availableNano: Nano }
  | { readonly placed: false; readonly because: 'budget'; readonly budget: BudgetCap; readonly remainingNano: Nano }
  /** The account has no balance in this currency. */
  | { readonly placed: false; readonly because: 'currency'; readonly currency: Currency }
  /** Nothing can be made durable now. */
  | { readonly placed: false; readonly because: 'unavailable' };

export type ClosingResult =
  /** This call closed it; `lossNano` says what the account could not carry. */
  | { readonly closed: true; readonly lossNano: Nano }
  /** Somebody else did (expiry, shutdown): nothing was written. */
  | { readonly closed: false };

export interface MovementRequest {
  readonly kind: Extract<MovementKind, 'top-up' | 'refund' | 'adjustment'>;
  readonly entries: readonly LedgerEntry[];
  readonly reason: string;
  readonly actor: string;
  readonly reference: string | undefined;
  readonly idempotencyKey: string | undefined;
  /** SHA-256 of the caller's input; compared when the idempotency key repeats. */
  readonly inputSha256: string | undefined;
}

export type MovementResult =
  /** `replayed`: the key had been used with the same input, and this is the movement of then. */
  | { readonly posted: true; readonly movement: Movement; readonly replayed: boolean }
  | {
      readonly posted: false;
      readonly because: 'idempotency-mismatch' | 'unbalanced' | 'out-of-range' | 'insufficient' | 'unavailable';
    };

/** Closing data: the usage record as the pipeline made it, before the ledger has split charge and loss. */
export type Closing = Omit<UsageRecord, 'lossNano' | 'heldNano'>;

export interface Ledger {
  /** Opens a balance for an account; again with another overdraft changes only that. */
  openAccount(accountId: AccountId, currency: Currency, overdraftNano: Nano): Promise<void>;
  balance(accountId: AccountId): Promise<Balance | undefined>;
  /** What a key or account has been charged in the window that holds `at`, open holds not included. */
  spent(scope: BudgetCap['scope'], scopeId: string, window: BudgetWindow, at: EpochMs): Promise<Nano>;

  /**
   * Admits or refuses: all caps and the balance, in one step that no other request can come between. The record is
   * queued for the journal when `durable` is 'now'; with 'later' it is written by the first of: the closing, a call of
   * `holdDurable`, or a sweep within 100 ms. A ledger that decides in memory answers at once.
   */
  placeHold(
    hold: Hold, budgets: readonly BudgetCap[], durable: 'now' | 'later',
  ): HoldOutcome | Promise<HoldOutcome>;
  /** Resolves when the hold is on the disk. Awaited before the client's first byte. Rejects if it cannot be. */
  holdDurable(requestId: RequestId): Promise<void>;
  /** Adds to an open hold. False: the balance or a budget does not carry it; nothing changed. */
  extendHold(requestId: RequestId, byNano: Nano): Promise<boolean>;
  /**
   * Closes an open hold exactly once and books the charge: the single winner of all callers. Resolves when durable;
   * a charge of zero releases the hold. Rejects with `money_unavailable` if it cannot be made durable.
   */
  close(closing: Closing): Promise<ClosingResult>;

  /** Top-ups, refunds, adjustments. Resolves when durable. A movement may not take an account below its overdraft. */
  post(request: MovementRequest): Promise<MovementResult>;
  movement(id: MovementId): Promise<Movement | undefined>;

  /** False while the journal cannot write: paid calls are refused then. */
  readonly available: boolean;
  /** Waits until everything that is durable can also be read from the store (usage records, movements). */
  settled(): Promise<void>;
  /**
   * Writes what is queued, stops the loader, releases the lock. Open holds stay open and are recovered at the
   * next start.
   */
  shutDown(): Promise<void>;
}
