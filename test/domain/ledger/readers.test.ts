import { describe, expect, test } from 'bun:test';
import type { RequestId } from '../../../src/core/ids.ts';
import { createMovementReader } from '../../../src/domain/ledger/ledger-store.ts';
import { createUsageReader } from '../../../src/domain/usage/usage-store.ts';
import type { UsageFilter } from '../../../src/domain/usage/usage-reader.ts';
import { openLedgerForReading, type LedgerTables } from '../../../src/store/schema/ledger.ts';
import { kyselyOn } from '../../../src/store/kysely.ts';
import { opened, topUp } from '../../store/ledger-suite.ts';
import { scratchFolders } from '../../store/scratch.ts';
import { embeddedHarness } from './embedded-harness.ts';
import { accountId, apiKeyId, noon, requestId, sampleClosing, sampleHold } from './sample-records.ts';

const scratch = scratchFolders();

async function readers() {
  const folder = scratch();
  const harness = await embeddedHarness(folder);
  const database = kyselyOn<LedgerTables>(openLedgerForReading(folder));
  const settled = () => harness.ledger.settled();
  return { harness, usage: createUsageReader(database, settled), movements: createMovementReader(database, settled) };
}

describe('usage reader', () => {
  test('filters, pages and single records; what was acknowledged can be read at once', async () => {
    const { harness, usage } = await readers();
    const [a, b] = [await opened(harness.ledger, 10_000n), await opened(harness.ledger, 10_000n, 0n, 'b')];
    const name = (index: number): RequestId => requestId(String(index).padStart(3, '0'));
    for (let index = 0; index < 30; index++) {
      const hold = sampleHold(String(index).padStart(3, '0'), 10n, {
        accountId: index % 3 === 0 ? b : a, apiKeyId: apiKeyId(index % 2), model: index % 5 === 0 ? 'large'
        : 'small', placedAt: noon + index,
      });
      await harness.ledger.placeHold(hold, [], 'later');
      const free = index % 10 === 9;
      await harness.ledger.close(sampleClosing(hold, free ? 0n : 7n, free
        ? { outcome: 'upstream-failed', upstream: undefined } : {}));
    }
    const ids = async (filter: UsageFilter, limit = 100, before?: RequestId) =>
      (await usage.list(filter, limit, before)).map(({ record }) => record.requestId);
    const expected = (keep: (index: number) => boolean) => Array.from({ length: 30 }, (_, index) => index)
      .filter(keep).toReversed().map(name);
    expect(await ids({})).toEqual(expected(() => true));
    expect(await ids({ accountId: b })).toEqual(expected((index) => index % 3 === 0));
    expect(await ids({ apiKeyId: apiKeyId(1), model: 'large' }))
      .toEqual(expected((index) => index % 2 === 1 && index % 5 === 0));
    expect(await ids({ outcome: 'upstream-failed' })).toEqual(expected((index) => index % 10 === 9));
    expect(await ids({ upstream: 'up' })).toEqual(expected((index) => index % 10 !== 9));
    expect(await ids({ since: noon + 5, until: noon + 8 })).toEqual([name(7), name(6), name(5)]);
    expect(await ids({ accountId: accountId('nobody') })).toEqual([]);
    const first = await ids({ accountId: a }, 4);
    const hold = sampleHold('999', 10n, { accountId: a });
    await harness.ledger.placeHold(hold, [], 'later');
    await harness.ledger.close(sampleClosing(hold, 1n));
    const second = await ids({ accountId: a }, 4, first.at(-1));
    expect([...first, ...second]).toEqual(expected((index) => index % 3 !== 0).slice(0, 8));
    const one = await usage.get(name(1));
    expect(one?.record).toMatchObject({ requestId: name(1), chargeNano: 7n, heldNano: 10n, lossNano: 0n,
      outcome: 'finished' });
    expect(one?.movementId).toStartWith('mov_');
    expect(await usage.get(name(9))).toMatchObject({ movementId: undefined });
    expect(await usage.get(requestId('unknown'))).toBeUndefined();
    expect(await harness.stopAndVerify()).toEqual([]);
  });
});

describe('usage in many packs', () => {
  /** Ends in an order of its own: a request that lasted long is in a younger pack than its id says. */
  async function manyPacks() {
    const { harness, usage } = await readers();
    const [a, b] = [await opened(harness.ledger, 1_000_000n), await opened(harness.ledger, 1_000_000n, 0n, 'b')];
    const name = (index: number): RequestId => requestId(String(index).padStart(4, '0'));
    const holds = Array.from({ length: 900 }, (_, index) => sampleHold(String(index).padStart(4, '0'), 10n, {
      accountId: index % 7 === 0 ? b : a, apiKeyId: apiKeyId(index % 7 === 0 ? 'b' : index % 2),
      model: index === 333 ? 'rare' : 'small', placedAt: noon + index,
    }));
    const late = holds.filter((_, index) => index % 97 === 5);
    const inOrder = holds.filter((hold) => !late.includes(hold));
    for (const hold of holds) await harness.ledger.placeHold(hold, [], 'later');
    const ended = [...inOrder.slice(0, 700), ...late.toReversed(), ...inOrder.slice(700)];
    for (let at = 0; at < ended.length; at += 150) {
      await Promise.all(ended.slice(at, at + 150).map((hold) => harness.ledger.close(sampleClosing(hold, 7n))));
      await harness.ledger.settled();
    }
    return { harness, usage, a, b, name };
  }

  test('pages run over all of them in the order of the ids, whatever ended when', async () => {
    const { harness, usage, a, b, name } = await manyPacks();
    const filters: readonly (readonly [UsageFilter, (index: number) => boolean])[] = [
      [{}, () => true],
      [{ accountId: b }, (index) => index % 7 === 0],
      [{ apiKeyId: apiKeyId(1) }, (index) => index % 7 !== 0 && index % 2 === 1],
      [{ accountId: a, model: 'rare' }, (index) => index === 333],
      [{ model: 'small', since: noon + 100, until: noon + 640 },
        (index) => index >= 100 && index < 640 && index !== 333],
      [{ outcome: 'finished', upstream: 'up', accountId: b }, (index) => index % 7 === 0],
      [{ outcome: 'timed-out' }, () => false],
    ];
    for (const [filter, keep] of filters) {
      for (const size of [17, 1_000]) {
        const paged: RequestId[] = [];
        let page: readonly RequestId[];
        do {
          page = (await usage.list(filter, size, paged.at(-1))).map(({ record }) => record.requestId);
          paged.push(...page);
        } while (page.length === size);
        const expected = Array.from({ length: 900 }, (_, index) => index).filter(keep).toReversed().map(name);
        expect({ filter, size, paged }).toEqual({ filter, size, paged: expected });
      }
    }
    for (const index of [0, 5, 102, 333, 893, 899]) {
      expect((await usage.get(name(index)))?.record.requestId).toBe(name(index));
    }
    expect(await harness.stopAndVerify()).toEqual([]);
  });
});

describe('movement reader', () => {
  test('lists movements with their legs, and the trial balance is zero by currency, beyond 64 bits too', async () => {
    const { harness, movements } = await readers();
    const a = await opened(harness.ledger, 2n ** 62n);
    const b = await opened(harness.ledger, 2n ** 62n, 0n, 'b');
    const c = await opened(harness.ledger, 2n ** 62n, 0n, 'c');
    await harness.ledger.post(topUp(a, 5n, { kind: 'adjustment', entries: [
      { address: `account/${a}`, currency: 'USD', amountNano: 5n },
        { address: 'house/promotion', currency: 'USD', amountNano: -5n },
    ] }));
    for (const account of [a, b, c]) {
      const hold = sampleHold(account, 2n ** 61n, { accountId: account });
      await harness.ledger.placeHold({ ...hold, requestId: requestId(account.slice(4)) }, [], 'now');
      await harness.ledger.close(sampleClosing({ ...hold, requestId: requestId(account.slice(4)) }, 2n ** 61n));
    }
    const rows = await movements.trialBalance();
    expect(rows.map((row) => row.address)).toEqual([
      'account/*', 'house/cash/test', 'house/promotion', 'house/revenue', 'house/upstream-cost/up',
        'house/upstream-payable/up',
    ]);
    expect(rows.reduce((sum, row) => sum + row.amountNano, 0n)).toBe(0n);
    expect(rows.find((row) => row.address === 'house/cash/test')?.amountNano).toBe(-3n * 2n ** 62n);
    expect(rows.find((row) => row.address === 'account/*')?.amountNano).toBe(3n * 2n ** 61n + 5n);

    const all = await movements.list({}, 100, undefined);
    expect(all.map((movement) => movement.id)).toEqual(all.map((movement) => movement.id).toSorted().toReversed());
    for (const movement of all) expect(movement.entries.reduce((sum, entry) => sum + entry.amountNano, 0n)).toBe(0n);
    const ofB = await movements.list({ address: `account/${b}` }, 100, undefined);
    expect(ofB.map((movement) => movement.kind).toSorted()).toEqual(['charges', 'top-up']);
    expect(await movements.list({ kind: 'adjustment' }, 100, undefined))
      .toMatchObject([{ kind: 'adjustment', entries: [{ amountNano: 5n }, { address: 'house/promotion' }] }]);
    const [newest, ...older] = all;
    expect(await movements.list({}, 2, newest?.id)).toEqual(older.slice(0, 2));
    expect(await movements.list({ since: Date.now() + 30 * 86_400_000 }, 10, undefined)).toEqual([]);
    expect(await harness.stopAndVerify()).toEqual([]);
  });
});
