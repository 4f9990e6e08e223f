// A ledger in memory that keeps the port's promises but durability: holds leave `open` once, no balance falls
// below its overdraft but for recorded loss, movements sum to zero, idempotency keys are compared. For tests
// of its callers.

import type {
  BudgetWindow,
  Balance,
  Ledger,
  MovementRequest,
  MovementResult,
} from '../../src/domain/ledger/ledger.ts';
import type { Hold, LedgerEntry, Movement, UsageRecord } from '../../src/domain/ledger/records.ts';
import { newId } from '../../src/core/ids.ts';

interface FakeAccount {
  readonly currency: string;
  overdraftNano: bigint;
  postedNano: bigint;
}

export interface FakeLedger extends Ledger {
  /** Whether anything can be made durable; set by tests. */
  available: boolean;
  readonly holds: ReadonlyMap<string, Hold>;
  readonly records: readonly UsageRecord[];
  /** Gives money without a movement. */
  fund(accountId: string, amountNano: bigint): void;
}

/** Throws what the port rejects with while nothing can be made durable. */
export function createFakeLedger(
  unavailable: () => Error = () => new Error('money_unavailable'),
): FakeLedger {
  const accounts = new Map<string, FakeAccount>();
  const holds = new Map<string, Hold>();
  const records: UsageRecord[] = [];
  const movements = new Map<string, Movement>();

  const heldOf = (accountId: string): bigint =>
    [...holds.values()].reduce(
      (sum, hold) => (hold.accountId === accountId ? sum + hold.amountNano : sum),
      0n,
    );
  const availableOf = (accountId: string, account: FakeAccount): bigint =>
    account.postedNano - heldOf(accountId) + account.overdraftNano;
  const spent = (scope: 'key' | 'account', scopeId: string, window: BudgetWindow, at: number): bigint =>
    records
      .filter((record) => (scope === 'key' ? record.apiKeyId : record.accountId) === scopeId)
      .filter((record) => windowOf(window, record.admittedAt) === windowOf(window, at))
      .reduce((sum, record) => sum + record.chargeNano, 0n);

  const post = (request: MovementRequest): MovementResult => {
    if (!ledger.available) return { posted: false, because: 'unavailable' };
    const before = [...movements.values()].find(
      (movement) =>
        request.idempotencyKey !== undefined && movement.idempotencyKey === request.idempotencyKey,
    );
    if (before !== undefined) {
      return before.inputSha256 === request.inputSha256
        ? { posted: true, movement: before, replayed: true }
        : { posted: false, because: 'idempotency-mismatch' };
    }
    if (!isBalanced(request.entries)) return { posted: false, because: 'unbalanced' };
    for (const entry of request.entries) {
      const account = accountAt(accounts, entry);
      if (
        account !== undefined &&
        entry.amountNano < 0n &&
        availableOf(entry.address.slice(8), account) + entry.amountNano < 0n
      ) {
        return { posted: false, because: 'insufficient' };
      }
    }
    for (const entry of request.entries) {
      const account = accountAt(accounts, entry);
      if (account !== undefined) account.postedNano += entry.amountNano;
    }
    const movement: Movement = { ...request, id: newId('mov'), at: 0 };
    movements.set(movement.id, movement);
    return { posted: true, movement, replayed: false };
  };

  const ledger: FakeLedger = {
    available: true,
    holds,
    records,
    fund(accountId, amountNano) {
      const account = accounts.get(accountId);
      if (account === undefined) throw new Error(`no account ${accountId}`);
      account.postedNano += amountNano;
    },
    async openAccount(accountId, currency, overdraftNano) {
      if (!ledger.available) throw unavailable();
      const known = accounts.get(accountId);
      if (known === undefined) accounts.set(accountId, { currency, overdraftNano, postedNano: 0n });
      else known.overdraftNano = overdraftNano;
    },
    async balance(accountId): Promise<Balance | undefined> {
      const account = accounts.get(accountId);
      if (account === undefined) return undefined;
      return {
        ...account,
        accountId,
        heldNano: heldOf(accountId),
        availableNano: availableOf(accountId, account),
      };
    },
    spent: async (scope, scopeId, window, at) => spent(scope, scopeId, window, at),
    async placeHold(hold, budgets) {
      if (!ledger.available) return { placed: false, because: 'unavailable' };
      const account = accounts.get(hold.accountId);
      if (account?.currency !== hold.terms.currency)
        return { placed: false, because: 'currency', currency: hold.terms.currency };
      for (const budget of budgets) {
        const ids: readonly string[] = budget.together ?? [budget.scopeId];
        const open = [...holds.values()].filter(
          (other) => ids.includes(budget.scope === 'key' ? other.apiKeyId : other.accountId),
        );
        const used =
          ids.reduce((sum, id) => sum + spent(budget.scope, id, budget.window, hold.placedAt), 0n) +
          open.reduce((sum, other) => sum + other.amountNano, 0n);
        const remainingNano = budget.capNano - used;
        if (hold.amountNano > remainingNano)
          return { placed: false, because: 'budget', budget, remainingNano };
      }
      const availableNano = availableOf(hold.accountId, account);
      if (hold.amountNano > availableNano) return { placed: false, because: 'balance', availableNano };
      holds.set(hold.requestId, hold);
      return { placed: true };
    },
    holdDurable: async () => {
      if (!ledger.available) throw unavailable();
    },
    async extendHold(requestId, byNano) {
      const hold = holds.get(requestId);
      const account = hold && accounts.get(hold.accountId);
      if (hold === undefined || account === undefined || byNano > availableOf(hold.accountId, account))
        return false;
      holds.set(requestId, { ...hold, amountNano: hold.amountNano + byNano });
      return true;
    },
    async close(closing) {
      if (!ledger.available) throw unavailable();
      const hold = holds.get(closing.requestId);
      const account = hold && accounts.get(hold.accountId);
      if (hold === undefined || account === undefined) return { closed: false };
      holds.delete(closing.requestId);
      const availableNano = availableOf(hold.accountId, account);
      const carried =
        closing.chargeNano <= availableNano ? closing.chargeNano : availableNano > 0n ? availableNano : 0n;
      const lossNano = closing.chargeNano - carried;
      account.postedNano -= carried;
      records.push({ ...closing, heldNano: hold.amountNano, lossNano });
      return { closed: true, lossNano };
    },
    post: async (request) => post(request),
    movement: async (id) => movements.get(id),
    settled: async () => {},
    shutDown: async () => {},
  };
  return ledger;
}

function accountAt(accounts: ReadonlyMap<string, FakeAccount>, entry: LedgerEntry): FakeAccount | undefined {
  return entry.address.startsWith('account/')
    ? accounts.get(entry.address.slice('account/'.length))
    : undefined;
}

function isBalanced(entries: readonly LedgerEntry[]): boolean {
  const sums = new Map<string, bigint>();
  for (const entry of entries) sums.set(entry.currency, (sums.get(entry.currency) ?? 0n) + entry.amountNano);
  return [...sums.values()].every((sum) => sum === 0n);
}

function windowOf(window: BudgetWindow, at: number): string {
  const day = new Date(at).toISOString().slice(0, 10);
  switch (window) {
    case 'day':
      return day;
    case 'month':
      return day.slice(0, 7);
    case 'total':
      return 'total';
  }
}
