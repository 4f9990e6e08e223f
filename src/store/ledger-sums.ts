// Balances and spending counters of `ledger.db`, added to. The loader is their only writer, so what it wrote is what
// stands there: a sum is read once and remembered, until a batch was rolled back.

import type { Database, Statement } from 'bun:sqlite';
import type { Nano } from '../core/money.ts';
import type { DaySums } from './ledger-batch.ts';
import { monthOfDay } from './spend-periods.ts';

/** Of whoever was charged lately. */
const SUMS_KEPT = 20_000;

type Scope = 'account' | 'key';

export class LedgerSums {
  readonly #statements: ReturnType<typeof prepare>;
  readonly #known = new Map<string, Nano>();

  constructor(database: Database) {
    this.#statements = prepare(database);
  }

  addPosted(address: string, currency: string, delta: Nano): void {
    const key = `${address}\0${currency}`;
    const before = this.#known.get(key) ?? BigInt(this.#statements.posted.get(address, currency)?.posted_nano ?? 0);
    this.#statements.balance.run(address, currency, this.#remember(key, before + delta));
  }

  addSpend(scope: Scope, sums: ReadonlyMap<string, DaySums>): void {
    for (const [scopeId, days] of sums) {
      for (const [day, { value: charge }] of days) {
        const month = monthOfDay(day);
        this.#statements.spend.run(
          scope, scopeId, day, this.#spent(scope, scopeId, 'day', day, charge), month,
          this.#spent(scope, scopeId, 'month', month, charge), this.#spent(scope, scopeId, 'total', 0, charge),
        );
      }
    }
  }

  /** A batch was rolled back: the file is behind. */
  forget(): void {
    this.#known.clear();
  }

  #spent(scope: Scope, scopeId: string, window: 'day' | 'month' | 'total', period: number, charge: Nano): string {
    const key = `${scope}\0${scopeId}\0${window}\0${period}`;
    const before = this.#known.get(key)
      ?? BigInt(this.#statements.spent.get(scope, scopeId, window, period)?.charge_nano ?? 0);
    return this.#remember(key, before + charge);
  }

  #remember(key: string, sum: Nano): string {
    if (this.#known.size >= SUMS_KEPT) this.#known.clear();
    this.#known.set(key, sum);
    return sum.toString();
  }
}

function prepare(database: Database) {
  const write = (sql: string): Statement<unknown, (string | number)[]> => database.prepare(sql);
  return {
    balance: write(`INSERT INTO balance (address, currency, posted_nano) VALUES (?, ?, ?)
      ON CONFLICT (address, currency) DO UPDATE SET posted_nano = excluded.posted_nano`),
    /** All three windows at once. */
    spend: write(`INSERT INTO spend (scope, scope_id, window_name, period, charge_nano)
      VALUES (?1, ?2, 'day', ?3, ?4), (?1, ?2, 'month', ?5, ?6), (?1, ?2, 'total', 0, ?7)
      ON CONFLICT (scope, scope_id, window_name, period) DO UPDATE SET charge_nano = excluded.charge_nano`),
    posted: database.prepare<{ posted_nano: string }, [string, string]>(
      'SELECT posted_nano FROM balance WHERE address = ? AND currency = ?'),
    spent: database.prepare<{ charge_nano: string }, [string, string, string, number]>(
      'SELECT charge_nano FROM spend WHERE scope = ? AND scope_id = ? AND window_name = ? AND period = ?'),
  };
}
