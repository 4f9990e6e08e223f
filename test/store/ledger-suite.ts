// What every implementation of the money port must do. Run by the embedded ledger, and by any other one.

import { describe, expect, test } from 'bun:test';
import type { AccountId } from '../../src/core/ids.ts';
import { NANO_MAX, type Nano } from '../../src/core/money.ts';
import type { BudgetCap, ClosingResult, HoldOutcome, Ledger, MovementRequest,
  MovementResult } from '../../src/domain/ledger/ledger.ts';
import { accountId, apiKeyId, noon, requestId, sampleClosing, sampleHold,
  sampleTerms } from '../domain/ledger/sample-records.ts';

export interface LedgerHarness {
  /** The ledger as it is now; another object after `restart`. */
  readonly ledger: Ledger;
  /** Stops it in order, and opens it again. */
  restart(): Promise<void>;
  /** Stops it and proves the books: one line for each fault. */
  stopAndVerify(): Promise<readonly string[]>;
}

export function topUp(account: AccountId, amountNano: Nano, over: Partial<MovementRequest> = {}): MovementRequest {
  const currency = over.entries?.[0]?.currency ?? 'USD';
  return {
    kind: 'top-up', reason: 'test', actor: 'system', reference: undefined, idempotencyKey: undefined,
    inputSha256: undefined,
    entries: [{ address: `account/${account}`, currency, amountNano },
    { address: 'house/cash/test', currency, amountNano: -amountNano }],
    ...over,
  };
}

export async function opened(ledger: Ledger, amountNano: Nano, overdraftNano: Nano = 0n, name =
  'a'): Promise<AccountId> {
  await ledger.openAccount(accountId(name), 'USD', overdraftNano);
  if (amountNano !== 0n) expect(await ledger.post(topUp(accountId(name), amountNano))).toMatchObject({ posted: true });
  return accountId(name);
}

const countPlaced = (outcomes: readonly HoldOutcome[]): number => outcomes.filter((outcome) => outcome.placed).length;
const countClosed = (results: readonly ClosingResult[]): number => results.filter((result) => result.closed).length;

export function describeLedger(name: string, open: () => Promise<LedgerHarness>): void {
  describe(`${name}: admission`, () => {
    test('of 500 at once on a balance for one, one is admitted', async () => {
      const harness = await open();
      const account = await opened(harness.ledger, 1_000n);
      const outcomes = await Promise.all(Array.from({ length: 500 }, (_, index) =>
        harness.ledger.placeHold(sampleHold(index, 1_000n), [], index % 2 === 0 ? 'now' : 'later')));
      expect(countPlaced(outcomes)).toBe(1);
      expect(outcomes.find((outcome) => !outcome.placed)).toEqual({ placed: false, because: 'balance',
        availableNano: 0n });
      expect(await harness.ledger.balance(account)).toMatchObject({ postedNano: 1_000n, heldNano: 1_000n,
        availableNano: 0n });
      expect(await harness.stopAndVerify()).toEqual([]);
    });

    test('of 500 at once under a cap for one, one is admitted, and the cap is named', async () => {
      const harness = await open();
      await opened(harness.ledger, 1_000_000n);
      const cap: BudgetCap = { scope: 'key', scopeId: apiKeyId('k'), window: 'day', capNano: 1_500n };
      const outcomes = await Promise.all(Array.from({ length: 500 }, (_, index) =>
        harness.ledger.placeHold(sampleHold(index, 1_000n), [cap], 'later')));
      expect(countPlaced(outcomes)).toBe(1);
      expect(outcomes.find((outcome) => !outcome.placed)).toEqual({ placed: false, because: 'budget',
        budget: cap, remainingNano: 500n });
      expect(await harness.stopAndVerify()).toEqual([]);
    });

    test('keys that are counted together share a cap: what each holds and spent, a restart later too', async () => {
      const harness = await open();
      await opened(harness.ledger, 1_000_000n);
      const together = [apiKeyId('old'), apiKeyId('new')];
      const capOf = (scopeId: (typeof together)[number]): BudgetCap =>
        ({ scope: 'key', scopeId, window: 'total', capNano: 1_000n, together });
      const [oldCap, newCap] = [capOf(apiKeyId('old')), capOf(apiKeyId('new'))];
      const first = sampleHold(1, 400n, { apiKeyId: apiKeyId('old') });
      expect(await harness.ledger.placeHold(first, [oldCap], 'now')).toEqual({ placed: true });
      const second = sampleHold(2, 601n, { apiKeyId: apiKeyId('new') });
      expect(await harness.ledger.placeHold(second, [newCap], 'now'))
        .toEqual({ placed: false, because: 'budget', budget: newCap, remainingNano: 600n });
      await harness.ledger.close(sampleClosing(first, 300n));
      await harness.restart();
      expect(await harness.ledger.placeHold(second, [newCap], 'now')).toEqual({ placed: true });
      expect(await harness.ledger.extendHold(second.requestId, 99n)).toBe(true);
      expect(await harness.ledger.extendHold(second.requestId, 1n)).toBe(false);
      expect(await harness.ledger.placeHold(sampleHold(3, 1n, { apiKeyId: apiKeyId('old') }), [oldCap], 'now'))
        .toMatchObject({ because: 'budget', remainingNano: 0n });
      // Each key's own spending stays its own.
      expect(await harness.ledger.spent('key', apiKeyId('new'), 'total', second.placedAt)).toBe(0n);
      await harness.ledger.close(sampleClosing(second, 700n));
      expect(await harness.stopAndVerify()).toEqual([]);
    });

    test('the overdraft counts, an unknown account and another currency are refused', async () => {
      const harness = await open();
      const account = await opened(harness.ledger, 100n, 50n);
      expect(await harness.ledger.placeHold(sampleHold(1, 151n), [], 'now'))
        .toMatchObject({ placed: false, because: 'balance', availableNano: 150n });
      expect(await harness.ledger.placeHold(sampleHold(2, 150n), [], 'now')).toEqual({ placed: true });
      const elsewhere = sampleHold(3, 1n, { terms: { ...sampleTerms, currency: 'EUR' } });
      expect(await harness.ledger.placeHold(elsewhere, [], 'now'))
        .toEqual({ placed: false, because: 'currency', currency: 'EUR' });
      expect(await harness.ledger.placeHold(sampleHold(4, 1n, { accountId: accountId('nobody') }), [], 'now'))
        .toMatchObject({ because: 'currency' });
      expect(await harness.ledger.balance(accountId('nobody'))).toBeUndefined();
      expect((await harness.ledger.balance(account))?.availableNano).toBe(0n);
      expect(await harness.stopAndVerify()).toEqual([]);
    });

    test('an extension is admitted like a hold', async () => {
      const harness = await open();
      const account = await opened(harness.ledger, 1_000n);
      const cap: BudgetCap = { scope: 'account', scopeId: account, window: 'total', capNano: 900n };
      const hold = sampleHold(1, 400n);
      await harness.ledger.placeHold(hold, [cap], 'now');
      expect(await harness.ledger.extendHold(hold.requestId, 500n)).toBe(true);
      expect(await harness.ledger.extendHold(hold.requestId, 1n)).toBe(false);
      expect(await harness.ledger.extendHold(requestId('other'), 1n)).toBe(false);
      expect((await harness.ledger.balance(account))?.heldNano).toBe(900n);
      expect(await harness.ledger.close(sampleClosing(hold, 900n))).toEqual({ closed: true, lossNano: 0n });
      expect(await harness.stopAndVerify()).toEqual([]);
    });

    test('negative amounts and a second hold of one request are defects, not decisions', async () => {
      const harness = await open();
      await opened(harness.ledger, 1_000n);
      const hold = sampleHold(1, 10n);
      const place = async (amount: Nano, request = 2) => harness.ledger.placeHold(sampleHold(request,
        amount), [], 'now');
      await harness.ledger.placeHold(hold, [], 'now');
      await expect(place(-1n)).rejects.toThrow();
      await expect(place(NANO_MAX + 1n)).rejects.toThrow();
      await expect(place(10n, 1)).rejects.toThrow();
      const extend = async (by: Nano) => harness.ledger.extendHold(hold.requestId, by);
      await expect(extend(-5n)).rejects.toThrow();
      await expect(harness.ledger.close(sampleClosing(hold, 0n, { chargeNano: -1n }))).rejects.toThrow();
      expect((await harness.ledger.balance(accountId('a')))?.heldNano).toBe(10n);
      expect(await harness.stopAndVerify()).toEqual([]);
    });
  });

  describe(`${name}: closing`, () => {
    test('of many closings of one hold, one wins and one charge is booked', async () => {
      const harness = await open();
      const account = await opened(harness.ledger, 1_000n);
      const hold = sampleHold(1, 500n);
      await harness.ledger.placeHold(hold, [], 'now');
      const results = await Promise.all(Array.from({ length: 50 }, () =>
        harness.ledger.close(sampleClosing(hold, 300n))));
      expect(countClosed(results)).toBe(1);
      expect(await harness.ledger.close(sampleClosing(hold, 300n))).toEqual({ closed: false });
      expect(await harness.ledger.extendHold(hold.requestId, 1n)).toBe(false);
      expect(await harness.ledger.balance(account)).toMatchObject({ postedNano: 700n, heldNano: 0n });
      await harness.restart();
      expect(await harness.ledger.close(sampleClosing(hold, 300n))).toEqual({ closed: false });
      expect(await harness.ledger.balance(account)).toMatchObject({ postedNano: 700n, heldNano: 0n });
      expect(await harness.stopAndVerify()).toEqual([]);
    });

    test('a charge of zero releases the hold', async () => {
      const harness = await open();
      const account = await opened(harness.ledger, 1_000n);
      const hold = sampleHold(1, 500n);
      await harness.ledger.placeHold(hold, [], 'later');
      expect(await harness.ledger.close(sampleClosing(hold, 0n, { outcome: 'upstream-failed' })))
        .toEqual({ closed: true, lossNano: 0n });
      expect(await harness.ledger.balance(account)).toMatchObject({ postedNano: 1_000n, heldNano: 0n });
      expect(await harness.stopAndVerify()).toEqual([]);
    });

    test('what the account cannot carry is the house\'s recorded loss, down to the overdraft and no further',
      async () => {
      const harness = await open();
      const account = await opened(harness.ledger, 100n, 30n);
      const hold = sampleHold(1, 100n);
      await harness.ledger.placeHold(hold, [], 'now');
      expect(await harness.ledger.close(sampleClosing(hold, 1_000n))).toEqual({ closed: true, lossNano: 870n });
      expect(await harness.ledger.balance(account)).toMatchObject({ postedNano: -30n, heldNano: 0n,
        availableNano: 0n });
      expect(await harness.ledger.spent('account', account, 'total', noon)).toBe(1_000n);
      expect(await harness.ledger.placeHold(sampleHold(2, 1n), [], 'now')).toMatchObject({ placed: false });
      expect(await harness.ledger.placeHold(sampleHold(3, 0n), [], 'now')).toEqual({ placed: true });
      await harness.ledger.close(sampleClosing(sampleHold(3, 0n), 0n));
      // A top-up fills the overdraft first.
      await harness.ledger.post(topUp(account, 50n));
      expect(await harness.ledger.balance(account)).toMatchObject({ postedNano: 20n, availableNano: 50n });
      expect(await harness.stopAndVerify()).toEqual([]);
    });

    test('amounts beyond 2^53 stay exact, near 2^63 are refused, and nothing wraps', async () => {
      const harness = await open();
      const account = await opened(harness.ledger, NANO_MAX - 10n);
      expect(await harness.ledger.post(topUp(account, 11n))).toEqual({ posted: false, because: 'out-of-range' });
      expect(await harness.ledger.post(topUp(account, NANO_MAX + 1n)))
        .toEqual({ posted: false, because: 'out-of-range' });
      await expect(harness.ledger.openAccount(account, 'USD', 11n)).rejects.toThrow('64 bits');
      const second = await opened(harness.ledger, NANO_MAX, 0n, 'b');
      for (const [index, owner] of [account, second].entries()) {
        const charge = 2n ** 62n + BigInt(index);
        const hold = sampleHold(index, charge, { accountId: owner });
        expect(await harness.ledger.placeHold(hold, [], 'now')).toEqual({ placed: true });
        expect(await harness.ledger.close(sampleClosing(hold, charge))).toEqual({ closed: true, lossNano: 0n });
      }
      expect((await harness.ledger.balance(account))?.postedNano).toBe(NANO_MAX - 10n - 2n ** 62n);
      // The same account again, so that one batch holds more charges than an entry can.
      await harness.ledger.post(topUp(second, 2n ** 62n));
      const again = sampleHold(9, 2n ** 62n + 5n, { accountId: second });
      await harness.ledger.placeHold(again, [], 'now');
      await harness.ledger.close(sampleClosing(again, again.amountNano));
      const exact = (await harness.ledger.balance(second))?.postedNano;
      await harness.restart();
      expect((await harness.ledger.balance(second))?.postedNano).toBe(exact);
      expect(await harness.stopAndVerify()).toEqual([]);
    });
  });

  describe(`${name}: budgets`, () => {
    test('each window counts what was charged in it, and survives a restart', async () => {
      const harness = await open();
      const account = await opened(harness.ledger, 1_000_000n);
      const times = [noon, noon - 86_400_000, noon - 40 * 86_400_000, noon - 400 * 86_400_000];
      for (const [index, placedAt] of times.entries()) {
        const hold = sampleHold(index, 100n, { placedAt });
        await harness.ledger.placeHold(hold, [], 'later');
        await harness.ledger.close(sampleClosing(hold, 100n));
      }
      const spent = async () => ({
        day: await harness.ledger.spent('key', apiKeyId('k'), 'day', noon),
        month: await harness.ledger.spent('account', account, 'month', noon),
        total: await harness.ledger.spent('key', apiKeyId('k'), 'total', noon),
        past: await harness.ledger.spent('account', account, 'day', noon - 40 * 86_400_000),
        never: await harness.ledger.spent('key', 'key_never', 'total', noon),
      });
      const expected = { day: 100n, month: 200n, total: 400n, past: 100n, never: 0n };
      expect(await spent()).toEqual(expected);
      await harness.restart();
      expect(await spent()).toEqual(expected);
      const cap: BudgetCap = { scope: 'key', scopeId: apiKeyId('k'), window: 'month', capNano: 250n };
      expect(await harness.ledger.placeHold(sampleHold('x', 51n), [cap], 'now'))
        .toMatchObject({ because: 'budget', remainingNano: 50n });
      expect(await harness.ledger.placeHold(sampleHold('y', 50n), [cap], 'now')).toEqual({ placed: true });
      expect(await harness.stopAndVerify()).toEqual([]);
    });
  });

  describe(`${name}: movements`, () => {
    test('a repeated key with the same input is the same movement, at once, later and after a restart', async () => {
      const harness = await open();
      const account = await opened(harness.ledger, 0n);
      const request = topUp(account, 100n, { idempotencyKey: 'order-1', inputSha256: 'a'.repeat(64),
        reference: 'pay_1' });
      const results = await Promise.all(Array.from({ length: 20 }, () => harness.ledger.post(request)));
      const ids = new Set(results.map((result) => (result.posted ? result.movement.id : 'refused')));
      expect(ids.size).toBe(1);
      expect(results.filter((result) => result.posted && !result.replayed)).toHaveLength(1);
      const mismatch: MovementResult = { posted: false, because: 'idempotency-mismatch' };
      expect(await harness.ledger.post({ ...request, inputSha256: 'b'.repeat(64) })).toEqual(mismatch);
      await harness.ledger.settled();
      expect(await harness.ledger.post(request)).toMatchObject({ posted: true, replayed: true });
      await harness.restart();
      expect(await harness.ledger.post(request)).toMatchObject({ posted: true, replayed: true });
      expect(await harness.ledger.post({ ...request, inputSha256: undefined })).toEqual(mismatch);
      const [id] = results.map((result) => (result.posted ? result.movement.id : undefined));
      if (id === undefined) throw new Error('not posted');
      expect(await harness.ledger.movement(id)).toMatchObject({ id, kind: 'top-up', reference: 'pay_1',
        entries: request.entries });
      expect(await harness.ledger.movement('mov_0')).toBeUndefined();
      expect((await harness.ledger.balance(account))?.postedNano).toBe(100n);
      expect(await harness.stopAndVerify()).toEqual([]);
    });

    test('unbalanced, insufficient and malformed movements change nothing', async () => {
      const harness = await open();
      const account = await opened(harness.ledger, 100n);
      await harness.ledger.placeHold(sampleHold(1, 60n), [], 'now');
      const leg = (address: `account/${string}` | `house/${string}`, amountNano: Nano, currency = 'USD') =>
        ({ address, currency, amountNano });
      const post = (entries: MovementRequest['entries']) =>
        harness.ledger.post(topUp(account, 1n, { kind: 'adjustment', entries }));
      expect(await post([leg(`account/${account}`, 1n)])).toEqual({ posted: false, because: 'unbalanced' });
      expect(await post([leg('house/cash/x', 1n), leg('house/suspense', -1n, 'EUR')]))
        .toEqual({ posted: false, because: 'unbalanced' });
      // What is held is not there to be taken.
      expect(await post([leg(`account/${account}`, -41n), leg('house/cash/x', 41n)]))
        .toEqual({ posted: false, because: 'insufficient' });
      await expect(post([])).rejects.toMatchObject({ code: 'invalid_request' });
      await expect(post([leg('account/acc_nobody', 1n), leg('house/cash/x', -1n)]))
        .rejects.toMatchObject({ code: 'not_found' });
      await expect(post([leg(`account/${account}`, 1n, 'EUR'), leg('house/cash/x', -1n, 'EUR')]))
        .rejects.toMatchObject({ code: 'invalid_request' });
      await expect(post([leg('house/ x', 1n), leg('house/cash/x', -1n)]))
        .rejects.toMatchObject({ code: 'invalid_request' });
      expect(await post([leg(`account/${account}`, -40n), leg('house/cash/x', 40n)])).toMatchObject({ posted: true });
      expect(await harness.ledger.balance(account)).toMatchObject({ postedNano: 60n, heldNano: 60n,
        availableNano: 0n });
      expect(await harness.stopAndVerify()).toEqual([]);
    });

    test('a balance is opened once; again only the overdraft changes', async () => {
      const harness = await open();
      const account = await opened(harness.ledger, 10n);
      await harness.ledger.openAccount(account, 'USD', 500n);
      await expect(harness.ledger.openAccount(account, 'EUR', 0n)).rejects.toMatchObject({ code: 'conflict' });
      await expect(harness.ledger.openAccount(account, 'USD', -1n)).rejects.toThrow();
      await harness.restart();
      expect(await harness.ledger.balance(account)).toEqual({
        accountId: account, currency: 'USD', postedNano: 10n, heldNano: 0n, overdraftNano: 500n, availableNano: 510n,
      });
      expect(await harness.stopAndVerify()).toEqual([]);
    });
  });

  describe(`${name}: stopping`, () => {
    test('after it was shut down nothing is admitted, closed or posted', async () => {
      const harness = await open();
      const account = await opened(harness.ledger, 100n);
      const hold = sampleHold(1, 10n);
      await harness.ledger.placeHold(hold, [], 'now');
      const { ledger } = harness;
      await ledger.shutDown();
      await ledger.shutDown();
      expect(ledger.available).toBe(false);
      expect(await ledger.placeHold(sampleHold(2, 1n), [], 'now')).toEqual({ placed: false, because: 'unavailable' });
      await expect(ledger.close(sampleClosing(hold, 1n))).rejects.toMatchObject({ code: 'money_unavailable' });
      expect(await ledger.post(topUp(account, 1n))).toEqual({ posted: false, because: 'unavailable' });
      expect(await harness.stopAndVerify()).toEqual([]);
    });

    test('a hold that was open when it stopped is closed free of charge at the next start', async () => {
      const harness = await open();
      const account = await opened(harness.ledger, 100n);
      const hold = sampleHold(1, 60n);
      await harness.ledger.placeHold(hold, [], 'now');
      await harness.ledger.holdDurable(hold.requestId);
      await harness.restart();
      expect(await harness.ledger.balance(account)).toMatchObject({ postedNano: 100n, heldNano: 0n });
      expect(await harness.ledger.close(sampleClosing(hold, 50n))).toEqual({ closed: false });
      await expect(harness.ledger.holdDurable(hold.requestId)).rejects.toMatchObject({ code: 'internal_error' });
      expect(await harness.stopAndVerify()).toEqual([]);
    });
  });
}
