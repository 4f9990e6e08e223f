// Balances, open holds and spending of all accounts, in memory: the process is the only writer, so a decision here is
// the decision. Accounts and counters are read from the store when first touched; from then on memory is ahead of it.

import type { Clock } from '../../core/clock.ts';
import type { AccountId } from '../../core/ids.ts';
import { MoneyRangeError, NANO_MAX, type Currency, type Nano } from '../../core/money.ts';
import { dayOf, monthOfDay } from '../../store/spend-periods.ts';
import type { Balance, BudgetCap, BudgetWindow, HoldOutcome } from './ledger.ts';
import type { Hold } from './records.ts';

export interface StoredAccount {
  readonly currency: Currency;
  readonly overdraftNano: Nano;
  readonly postedNano: Nano;
}

/** What the store knows; all of it is older than this process. */
export interface BookSource {
  account(id: string): StoredAccount | undefined;
  spent(scope: BudgetCap['scope'], scopeId: string, window: BudgetWindow, period: number): Nano;
}

export interface AccountState {
  readonly id: AccountId;
  readonly currency: Currency;
  /** Also counts what is held. */
  readonly spend: SpendCounter;
  postedNano: Nano;
  overdraftNano: Nano;
  /** Journal sequence of its last `account` record in this process. */
  openedSequence: number;
}

export interface OpenHold {
  readonly hold: Hold;
  readonly account: AccountState;
  readonly key: SpendCounter;
  readonly budgets: readonly BudgetCap[];
  /** On the monotonic clock: wall time may jump. */
  readonly expiresMonotonicMs: number;
  amountNano: Nano;
  /** Sequence of its journal record; 0 while there is none. */
  writtenSequence: number;
  closed: boolean;
}

let cachedDay = -1;
let cachedMonth = -1;

function monthOf(day: number): number {
  if (day !== cachedDay) {
    cachedDay = day;
    cachedMonth = monthOfDay(day);
  }
  return cachedMonth;
}

/** Periods of one counter kept in memory: the past ones were loaded into the store long ago. */
const PERIODS_MAX = 64;

/** What one key or account was charged, and what is held for it. */
export class SpendCounter {
  heldNano: Nano = 0n;
  readonly #scope: BudgetCap['scope'];
  readonly #id: string;
  readonly #source: BookSource;
  readonly #days = new Map<number, Nano>();
  readonly #months = new Map<number, Nano>();
  #totalNano: Nano | undefined;
  /** Charges of one day that are in none of the sums yet: one addition for each request in place of three. */
  #freshNano: Nano = 0n;
  #freshDay = -1;

  constructor(scope: BudgetCap['scope'], id: string, source: BookSource) {
    this.#scope = scope;
    this.#id = id;
    this.#source = source;
  }

  /** A period that is not in memory had no charge in this process: what the store says of it is exact. */
  in(window: BudgetWindow, atMs: number): Nano {
    this.#addFresh();
    switch (window) {
      case 'day': return this.#period(this.#days, window, dayOf(atMs));
      case 'month': return this.#period(this.#months, window, monthOf(dayOf(atMs)));
      case 'total': return this.#total();
    }
  }

  add(chargeNano: Nano, atMs: number): void {
    const day = dayOf(atMs);
    if (day !== this.#freshDay) this.#startDay(day);
    this.#freshNano += chargeNano;
  }

  /** Reads what the store has of the new day now: later it would have some of what is added here. */
  #startDay(day: number): void {
    this.#addFresh();
    this.#period(this.#days, 'day', day);
    this.#period(this.#months, 'month', monthOf(day));
    this.#total();
    this.#freshDay = day;
  }

  #addFresh(): void {
    const fresh = this.#freshNano;
    if (fresh === 0n) return;
    const day = this.#freshDay;
    const month = monthOf(day);
    this.#freshNano = 0n;
    this.#days.set(day, this.#period(this.#days, 'day', day) + fresh);
    this.#months.set(month, this.#period(this.#months, 'month', month) + fresh);
    this.#totalNano = this.#total() + fresh;
  }

  #total(): Nano {
    return (this.#totalNano ??= this.#source.spent(this.#scope, this.#id, 'total', 0));
  }

  #period(periods: Map<number, Nano>, window: BudgetWindow, period: number): Nano {
    const known = periods.get(period);
    if (known !== undefined) return known;
    if (periods.size >= PERIODS_MAX) periods.delete(Math.min(...periods.keys()));
    const loaded = this.#source.spent(this.#scope, this.#id, window, period);
    periods.set(period, loaded);
    return loaded;
  }
}

export const availableOf = (account: AccountState): Nano =>
  account.postedNano - account.spend.heldNano + account.overdraftNano;

export interface Placement {
  readonly outcome: HoldOutcome;
  /** Present if it was placed. */
  readonly open?: OpenHold;
}

const placed: HoldOutcome = { placed: true };

export class AccountBook {
  readonly #source: BookSource;
  readonly #accounts = new Map<string, AccountState>();
  readonly #keys = new Map<string, SpendCounter>();
  readonly #holds = new Map<string, OpenHold>();

  constructor(source: BookSource) {
    this.#source = source;
  }

  account(id: AccountId): AccountState | undefined {
    const known = this.#accounts.get(id);
    if (known !== undefined) return known;
    const stored = this.#source.account(id);
    return stored === undefined ? undefined : this.#remember(id, stored);
  }

  /** Only for an account that `account` does not know. */
  create(id: AccountId, currency: Currency, overdraftNano: Nano): AccountState {
    return this.#remember(id, { currency, overdraftNano, postedNano: 0n });
  }

  balance(account: AccountState): Balance {
    const { id, currency, postedNano, overdraftNano } = account;
    return {
      accountId: id, currency, postedNano, heldNano: account.spend.heldNano, overdraftNano,
      availableNano: availableOf(account),
    };
  }

  counter(scope: BudgetCap['scope'], id: string): SpendCounter {
    // The key is only looked up: an account that does not exist has spent nothing and is not remembered.
    if (scope === 'account') return this.#accounts.get(id)?.spend ?? new SpendCounter(scope, id, this.#source);
    let counter = this.#keys.get(id);
    if (counter === undefined) this.#keys.set(id, (counter = new SpendCounter(scope, id, this.#source)));
    return counter;
  }

  hold(requestId: string): OpenHold | undefined {
    return this.#holds.get(requestId);
  }

  get holds(): ReadonlyMap<string, OpenHold> {
    return this.#holds;
  }

  /** The one decision: all caps and the balance, and the effect, without anything in between. */
  place(hold: Hold, budgets: readonly BudgetCap[], monotonicMs: number): Placement {
    const amount = hold.amountNano;
    if (amount < 0n || amount > NANO_MAX) throw new MoneyRangeError(`the hold of ${hold.requestId}`);
    if (this.#holds.has(hold.requestId)) throw new Error(`${hold.requestId} already has an open hold`);
    const account = this.account(hold.accountId);
    if (account === undefined || account.currency !== hold.terms.currency) {
      return { outcome: { placed: false, because: 'currency', currency: hold.terms.currency } };
    }
    const key = this.counter('key', hold.apiKeyId);
    for (const budget of budgets) {
      const left = this.#remaining(budget, hold.placedAt);
      if (amount <= left) continue;
      return { outcome: { placed: false, because: 'budget', budget, remainingNano: left > 0n ? left : 0n } };
    }
    const availableNano = availableOf(account);
    if (amount > availableNano) return { outcome: { placed: false, because: 'balance', availableNano } };
    const open: OpenHold = {
      hold, account, key, budgets, expiresMonotonicMs: monotonicMs + hold.expiresAt - hold.placedAt,
      amountNano: amount, writtenSequence: 0, closed: false,
    };
    this.#reserve(open, amount);
    this.#holds.set(hold.requestId, open);
    return { outcome: placed, open };
  }

  /** An open hold that another ledger placed and wrote: it counts, whatever the balance is. No budget ends it. */
  adopt(hold: Hold, amountNano: Nano, clock: Clock): void {
    const account = this.account(hold.accountId);
    if (account === undefined) throw new Error(`the account of the open hold of ${hold.requestId} is not known`);
    const open: OpenHold = {
      hold, account, key: this.counter('key', hold.apiKeyId), budgets: [], amountNano, writtenSequence: 1,
      expiresMonotonicMs: clock.monotonicMs() + hold.expiresAt - clock.now(), closed: false,
    };
    this.#reserve(open, amountNano);
    this.#holds.set(hold.requestId, open);
  }

  extend(open: OpenHold, byNano: Nano): boolean {
    if (byNano < 0n || byNano > NANO_MAX) throw new MoneyRangeError(`the extension of ${open.hold.requestId}`);
    if (byNano > availableOf(open.account) || open.amountNano + byNano > NANO_MAX) return false;
    for (const budget of open.budgets) if (byNano > this.#remaining(budget, open.hold.placedAt)) return false;
    open.amountNano += byNano;
    this.#reserve(open, byNano);
    return true;
  }

  /** What of a charge the account cannot carry: it pays down to its overdraft, never further. */
  lossOf(open: OpenHold, chargeNano: Nano): Nano {
    const carries = open.account.postedNano + open.account.overdraftNano;
    if (chargeNano <= carries) return 0n;
    return carries > 0n ? chargeNano - carries : chargeNano;
  }

  close(open: OpenHold, chargeNano: Nano, lossNano: Nano, admittedAt: number): void {
    open.closed = true;
    this.#holds.delete(open.hold.requestId);
    open.account.spend.heldNano -= open.amountNano;
    open.key.heldNano -= open.amountNano;
    if (chargeNano === 0n) return;
    open.account.postedNano -= lossNano === 0n ? chargeNano : chargeNano - lossNano;
    open.account.spend.add(chargeNano, admittedAt);
    open.key.add(chargeNano, admittedAt);
  }

  #reserve(open: OpenHold, amount: Nano): void {
    open.account.spend.heldNano += amount;
    open.key.heldNano += amount;
  }

  #remaining(budget: BudgetCap, atMs: number): Nano {
    if (budget.together === undefined) return budget.capNano - this.#usedOf(budget, budget.scopeId, atMs);
    let left = budget.capNano;
    for (const id of budget.together) left -= this.#usedOf(budget, id, atMs);
    return left;
  }

  #usedOf({ scope, window }: BudgetCap, id: string, atMs: number): Nano {
    const counter = this.counter(scope, id);
    return counter.in(window, atMs) + counter.heldNano;
  }

  #remember(id: AccountId, { currency, overdraftNano, postedNano }: StoredAccount): AccountState {
    const account: AccountState = {
      id, currency, spend: new SpendCounter('account', id, this.#source), postedNano, overdraftNano, openedSequence: 0,
    };
    this.#accounts.set(id, account);
    return account;
  }
}
