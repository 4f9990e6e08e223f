// Random command sequences against a ledger in thirty lines. After each step every balance, every counter and every
// open hold must be the model's; at the end the books are proven from the rows alone.

import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { NANO_MAX, type Nano } from '../../../src/core/money.ts';
import type { AccountId, ApiKeyId } from '../../../src/core/ids.ts';
import type { BudgetCap, BudgetWindow, HoldOutcome, MovementResult } from '../../../src/domain/ledger/ledger.ts';
import { scratchFolders } from '../../store/scratch.ts';
import { topUp } from '../../store/ledger-suite.ts';
import { embeddedHarness, type EmbeddedHarness } from './embedded-harness.ts';
import { accountId, apiKeyId, noon, requestId, sampleClosing, sampleHold } from './sample-records.ts';

const DAY_MS = 86_400_000;
const names = ['a', 'b'] as const;

type Command =
  | { readonly kind: 'open'; readonly account: number; readonly overdraft: Nano }
  | {
      readonly kind: 'post'; readonly account: number; readonly amount: Nano; readonly key: number | undefined;
      readonly input: number;
    }
  | {
      readonly kind: 'place'; readonly account: number; readonly amount: Nano; readonly day: number;
      readonly durable: 'now' | 'later'; readonly cap: Nano | undefined; readonly window: BudgetWindow;
    }
  | { readonly kind: 'durable' | 'twice'; readonly pick: number }
  | { readonly kind: 'extend'; readonly pick: number; readonly amount: Nano }
  | { readonly kind: 'close'; readonly pick: number; readonly charge: Nano }
  | { readonly kind: 'sweep' | 'expire' | 'restart' | 'settled' };

const amount = fc.oneof(
  { weight: 6, arbitrary: fc.bigInt({ min: 0n, max: 1_000n }) },
  { weight: 1, arbitrary: fc.constantFrom(2n ** 53n - 1n, 2n ** 53n + 1n, 2n ** 62n, NANO_MAX - 1n, NANO_MAX) },
);
const account = fc.nat(names.length - 1);
const pick = fc.nat(50);
const command: fc.Arbitrary<Command> = fc.oneof(
  fc.record({ kind: fc.constant('open' as const), account, overdraft: fc.oneof(fc.constantFrom(0n, 500n,
    NANO_MAX), amount) }),
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('post' as const), account,
    amount: fc.oneof(amount, amount.map((value) => -value)), key: fc.option(fc.nat(3), { nil: undefined }),
    input: fc.nat(1) }) },
  { weight: 6, arbitrary: fc.record({
    kind: fc.constant('place' as const), account, amount, day: fc.integer({ min: -40, max: 1 }),
    durable: fc.constantFrom('now' as const, 'later' as const),
    cap: fc.option(amount, { nil: undefined, freq: 3 }), window: fc.constantFrom('day' as const,
    'month' as const, 'total' as const),
  }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('durable' as const, 'twice' as const), pick }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('extend' as const), pick, amount }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('close' as const), pick, charge: amount }) },
  fc.record({ kind: fc.constantFrom('sweep' as const, 'expire' as const, 'restart' as const, 'settled' as const) }),
);

interface ModelAccount { posted: Nano; overdraft: Nano }
interface ModelCap { readonly nano: Nano; readonly window: BudgetWindow }
interface ModelHold {
  readonly account: AccountId;
  readonly at: number;
  readonly cap: ModelCap | undefined;
  amount: Nano;
}

class Model {
  readonly accounts = new Map<AccountId, ModelAccount>();
  readonly holds = new Map<string, ModelHold>();
  readonly closed: string[] = [];
  readonly keys = new Map<string, { readonly input: string; readonly id: string }>();
  readonly charges: { readonly account: AccountId; readonly at: number; readonly charge: Nano }[] = [];
  requests = 0;

  held(id: AccountId): Nano {
    return [...this.holds.values()].filter((hold) => hold.account === id).reduce((sum, hold) => sum + hold.amount, 0n);
  }

  spent(id: AccountId, window: BudgetWindow, at: number): Nano {
    const month = (ms: number): string => new Date(ms).toISOString().slice(0, 7);
    const inWindow = (ms: number): boolean =>
      window === 'total' || (window === 'month' ? month(ms) === month(at)
        : Math.floor(ms / DAY_MS) === Math.floor(at / DAY_MS));
    return this.charges.filter((item) => item.account === id && inWindow(item.at))
      .reduce((sum, item) => sum + item.charge, 0n);
  }

  carries(id: AccountId, extra: Nano, at: number, cap: ModelHold['cap']): 'yes' | 'budget' | 'balance' | 'currency' {
    const account = this.accounts.get(id);
    if (account === undefined) return 'currency';
    if (cap !== undefined && this.spent(id, cap.window, at) + this.held(id) + extra > cap.nano) return 'budget';
    return account.posted - this.held(id) + account.overdraft >= extra ? 'yes' : 'balance';
  }
}

const keyOf = (name: AccountId): ApiKeyId => apiKeyId(name.slice('acc_'.length));

class Run {
  readonly model = new Model();
  constructor(readonly harness: EmbeddedHarness) {}

  async step(command: Command): Promise<void> {
    const { model, harness } = this;
    switch (command.kind) {
      case 'open': return this.open(accountId(names[command.account] ?? 'a'), command.overdraft);
      case 'post': return this.post(command);
      case 'place': return this.place(command);
      case 'durable': {
        const id = this.picked(command.pick);
        if (id !== undefined) await harness.ledger.holdDurable(requestId(id));
        return;
      }
      case 'twice': {
        const id = model.closed[command.pick % Math.max(1, model.closed.length)];
        if (id !== undefined) {
          expect(await harness.ledger.close(sampleClosing(sampleHold(id, 0n), 5n))).toEqual({ closed: false });
        }
        return;
      }
      case 'extend': {
        const id = this.picked(command.pick);
        const hold = id === undefined ? undefined : model.holds.get(id);
        if (id === undefined || hold === undefined) return;
        const fits = hold.amount + command.amount <= NANO_MAX && model.carries(hold.account, command.amount,
          hold.at, hold.cap) === 'yes';
        expect(await harness.ledger.extendHold(requestId(id), command.amount)).toBe(fits);
        if (fits) hold.amount += command.amount;
        return;
      }
      case 'close': return this.close(command.pick, command.charge);
      case 'sweep': return harness.ledger.sweep();
      case 'expire': return harness.ledger.expireHolds();
      case 'settled': return harness.ledger.settled();
      case 'restart': {
        await harness.restart();
        model.closed.push(...model.holds.keys());
        model.holds.clear();
        return;
      }
    }
  }

  picked(pick: number): string | undefined {
    const open = [...this.model.holds.keys()];
    return open[pick % Math.max(1, open.length)];
  }

  async open(id: AccountId, overdraft: Nano): Promise<void> {
    const known = this.model.accounts.get(id);
    const opening = this.harness.ledger.openAccount(id, 'USD', overdraft);
    if (known !== undefined && known.posted + overdraft > NANO_MAX) return expect(opening).rejects.toThrow('64 bits');
    await opening;
    if (known === undefined) this.model.accounts.set(id, { posted: 0n, overdraft });
    else known.overdraft = overdraft;
  }

  async post({ account, amount, key, input }: Extract<Command, { kind: 'post' }>): Promise<void> {
    const { model } = this;
    const id = accountId(names[account] ?? 'a');
    const inputSha256 = `${input}:${account}:${amount}`;
    const idempotencyKey = key === undefined ? undefined : `key-${key}`;
    const posting = this.harness.ledger.post(topUp(id, amount, { kind: amount < 0n ? 'refund' : 'top-up',
      idempotencyKey, inputSha256 }));
    const before = idempotencyKey === undefined ? undefined : model.keys.get(idempotencyKey);
    if (before !== undefined) {
      const result: MovementResult = await posting;
      if (before.input !== inputSha256) expect(result).toEqual({ posted: false, because: 'idempotency-mismatch' });
      else expect(result).toMatchObject({ posted: true, replayed: true, movement: { id: before.id } });
      return;
    }
    const known = model.accounts.get(id);
    if (known === undefined) return expect(posting).rejects.toMatchObject({ code: 'not_found' });
    const result = await posting;
    if (known.posted + amount + known.overdraft > NANO_MAX) {
      return expect(result).toEqual({ posted: false, because: 'out-of-range' });
    }
    if (amount < 0n && known.posted - model.held(id) + known.overdraft + amount < 0n) {
      return expect(result).toEqual({ posted: false, because: 'insufficient' });
    }
    if (!result.posted) throw new Error(`not posted: ${result.because}`);
    known.posted += amount;
    if (idempotencyKey !== undefined) model.keys.set(idempotencyKey, { input: inputSha256, id: result.movement.id });
  }

  async place({ account, amount, day, durable, cap, window }: Extract<Command, { kind: 'place' }>): Promise<void> {
    const { model } = this;
    const id = accountId(names[account] ?? 'a');
    const name = String(model.requests++);
    const at = noon + day * DAY_MS;
    const limit = cap === undefined ? undefined : { nano: cap, window };
    const caps: BudgetCap[] = cap === undefined ? [] : [{ scope: 'key', scopeId: keyOf(id), window, capNano: cap }];
    const hold = sampleHold(name, amount, { accountId: id, apiKeyId: keyOf(id), placedAt: at,
      expiresAt: at + 3_600_000 });
    const outcome: HoldOutcome = await this.harness.ledger.placeHold(hold, caps, durable);
    const expected = model.carries(id, amount, at, limit);
    if (expected !== 'yes') return expect(outcome).toMatchObject({ placed: false, because: expected });
    expect(outcome).toEqual({ placed: true });
    model.holds.set(name, { account: id, at, cap: limit, amount });
  }

  async close(pick: number, charge: Nano): Promise<void> {
    const { model } = this;
    const name = this.picked(pick);
    const hold = name === undefined ? undefined : model.holds.get(name);
    const account = hold === undefined ? undefined : model.accounts.get(hold.account);
    if (name === undefined || hold === undefined || account === undefined) return;
    const closing = sampleClosing(sampleHold(name, 0n, { accountId: hold.account,
      apiKeyId: keyOf(hold.account), placedAt: hold.at }), charge);
    const [first, second] = await Promise.all([this.harness.ledger.close(closing), this.harness.ledger.close(closing)]);
    const carried = account.posted + account.overdraft;
    const paid = carried <= 0n ? 0n : charge < carried ? charge : carried;
    expect([first, second]).toEqual([{ closed: true, lossNano: charge - paid }, { closed: false }]);
    account.posted -= paid;
    model.charges.push({ account: hold.account, at: hold.at, charge });
    model.holds.delete(name);
    model.closed.push(name);
  }

  async check(): Promise<void> {
    const { model, harness: { ledger } } = this;
    for (const [id, { posted, overdraft }] of model.accounts) {
      const heldNano = model.held(id);
      expect(await ledger.balance(id)).toEqual({
        accountId: id, currency: 'USD', postedNano: posted, heldNano, overdraftNano: overdraft,
        availableNano: posted - heldNano + overdraft,
      });
      for (const window of ['day', 'month', 'total'] as const) {
        for (const at of [noon, noon - DAY_MS, noon - 30 * DAY_MS]) {
          expect(await ledger.spent('account', id, window, at)).toBe(model.spent(id, window, at));
          expect(await ledger.spent('key', keyOf(id), window, at)).toBe(model.spent(id, window, at));
        }
      }
    }
    expect([...ledger.openHolds.keys()].toSorted()).toEqual([...model.holds.keys()].map((name) =>
      requestId(name)).toSorted());
  }
}

describe('embedded ledger against its model', () => {
  const scratch = scratchFolders();
  const numRuns = Number(process.env['TOLLGATE_MODEL_RUNS'] ?? 25);

  test('any sequence of commands', async () => {
    await fc.assert(fc.asyncProperty(fc.array(command, { minLength: 5, maxLength: 60, size: 'max' }),
      async (commands) => {
      const run = new Run(await embeddedHarness(scratch(), { segmentBytes: 4_000 }));
      try {
        await run.step({ kind: 'open', account: 0, overdraft: 0n });
        await run.step({ kind: 'post', account: 0, amount: 5_000n, key: undefined, input: 0 });
        for (const command of commands) {
          await run.step(command);
          await run.check();
        }
        await run.harness.ledger.settled();
      } finally {
        expect(await run.harness.stopAndVerify()).toEqual([]);
      }
    }), { numRuns });
  }, 300_000);
});
