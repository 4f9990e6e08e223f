// The few rows that the embedded ledger itself needs, read synchronously when an account, key or idempotency key is
// met for the first time in this process. What admins list goes through `ledger-store.ts`.

import type { Database, Statement } from 'bun:sqlite';
import type { Nano } from '../../core/money.ts';
import type { EntryRow, LedgerAccountRow, MovementRow, OpenHoldRow } from '../../store/schema/ledger.ts';
import type { BookSource, StoredAccount } from './account-book.ts';
import type { BudgetCap, BudgetWindow } from './ledger.ts';
import { readEntry, readHold, readMovement, readSum } from './record-json.ts';
import type { Hold, Movement } from './records.ts';

export class LedgerRows implements BookSource {
  readonly #database: Database;
  readonly #account: Statement<LedgerAccountRow, [string]>;
  readonly #posted: Statement<{ posted_nano: string }, [string, string]>;
  readonly #entries: Statement<EntryRow, [bigint]>;
  readonly #spent: Statement<{ charge_nano: string }, [string, string, string, number]>;

  constructor(database: Database) {
    this.#database = database;
    this.#account = database.prepare('SELECT * FROM ledger_account WHERE account_id = ?');
    this.#posted = database.prepare('SELECT posted_nano FROM balance WHERE address = ? AND currency = ?');
    this.#entries = database.prepare('SELECT * FROM entry WHERE movement_position = ? ORDER BY line');
    this.#spent = database.prepare(`SELECT charge_nano FROM spend
      WHERE scope = ? AND scope_id = ? AND window_name = ? AND period = ?`);
  }

  account(id: string): StoredAccount | undefined {
    const row = this.#account.get(id);
    if (row === null) return undefined;
    const posted = this.#posted.get(`account/${id}`, row.currency);
    return {
      currency: row.currency, overdraftNano: row.overdraft_nano, postedNano: readSum(posted?.posted_nano ?? '0'),
    };
  }

  spent(scope: BudgetCap['scope'], scopeId: string, window: BudgetWindow, period: number): Nano {
    return readSum(this.#spent.get(scope, scopeId, window, period)?.charge_nano ?? '0');
  }

  movement(by: 'id' | 'idempotency_key', value: string): Movement | undefined {
    const row = this.#database.query<MovementRow, [string]>(`SELECT * FROM movement WHERE ${by} = ?`).get(value);
    if (row === null) return undefined;
    const entries = this.#entries.all(row.position);
    return readMovement(row, entries.map(readEntry));
  }

  openHolds(): readonly { readonly hold: Hold; readonly amountNano: Nano }[] {
    return this.#database.query<OpenHoldRow, []>('SELECT * FROM open_hold').all().map((row) => {
      const hold = readHold(row.detail);
      return { hold, amountNano: hold.amountNano + readSum(row.extended_nano) };
    });
  }
}
