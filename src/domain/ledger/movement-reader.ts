// What the admin API and the console read of the ledger. Movements are immutable and are listed from the newest
// to the oldest; the trial balance adds up every entry that was ever written, so that its sum by currency must
// be zero.

import type { EpochMs } from '../../core/clock.ts';
import type { MovementId } from '../../core/ids.ts';
import type { Currency, Nano } from '../../core/money.ts';
import type { LedgerAddress, Movement, MovementKind } from './records.ts';

/** All conditions hold together; an absent one does not filter. */
export interface MovementFilter {
  /** Movements with at least one leg at this address. */
  readonly address?: LedgerAddress | undefined;
  readonly kind?: MovementKind | undefined;
  /** Made at this time or later. */
  readonly since?: EpochMs | undefined;
  /** Made before this time. */
  readonly until?: EpochMs | undefined;
}

/** The sum of all entries at one house address, or, as `account/*`, of all accounts together. */
export interface TrialBalanceRow {
  readonly address: LedgerAddress | 'account/*';
  readonly currency: Currency;
  /** Sum of the entries; by currency, all rows add up to zero. May exceed 64 bits, so nothing checks its range. */
  readonly amountNano: Nano;
  readonly entries: number;
}

/** Answers include everything that was acknowledged before the call. */
export interface MovementReader {
  /** At most `limit` movements, by movement id, newest first; only those older than `before` when it is given. */
  list(filter: MovementFilter, limit: number, before: MovementId | undefined): Promise<readonly Movement[]>;
  /** One row for each house address and currency, and one for all accounts by currency; sorted by address. */
  trialBalance(): Promise<readonly TrialBalanceRow[]>;
}
