// The books change their owner while requests run: what was held stays held, each request is closed once, by whoever
// owns the books then, and nothing is decided in between.

import { expect, test } from 'bun:test';
import { NANO_PER_UNIT } from '../../../src/core/money.ts';
import { openEmbeddedLedger } from '../../../src/domain/ledger/embedded-ledger.ts';
import { MovableLedger } from '../../../src/domain/ledger/movable-ledger.ts';
import { verifyLedger } from '../../../src/domain/ledger/verify.ts';
import { faultyFiles } from '../../store/failing-files.ts';
import { scratchFolders } from '../../store/scratch.ts';
import { chargeOfLines } from './embedded-harness.ts';
import { accountId, noon, requestId, sampleClosing, sampleHold } from './sample-records.ts';

const scratch = scratchFolders();
const clock = { now: () => noon + 1_000, monotonicMs: () => performance.now() };
const warn = () => {};

async function movable(folder = scratch(), adopted?: ReadonlySet<string>) {
  const open = (kept: ReadonlySet<string> | undefined) =>
    openEmbeddedLedger({ folder, clock, warn, ...(kept === undefined ? {} : { adopted: kept }) });
  return { folder, ledger: new MovableLedger(await open(adopted), open) };
}

async function funded() {
  const made = await movable();
  await made.ledger.openAccount(accountId('a'), 'USD', 0n);
  await made.ledger.post({
    kind: 'top-up', reason: 'test', actor: 'test', reference: undefined, idempotencyKey: undefined,
    inputSha256: undefined,
    entries: [
      { address: `account/${accountId('a')}`, currency: 'USD', amountNano: 10n * NANO_PER_UNIT },
      { address: 'house/promotion', currency: 'USD', amountNano: -10n * NANO_PER_UNIT },
    ],
  });
  return made;
}

const faultsOf = (folder: string) => verifyLedger({ folder, chargeOf: chargeOfLines }).faults;
const [first, second, third] = [sampleHold(1, 1_000n), sampleHold(2, 2_000n), sampleHold(3, 3_000n)];

test('holds stay held, and are closed once, by way of the owner', async () => {
  const { folder, ledger } = await funded();
  for (const hold of [first, second, third]) expect(ledger.placeHold(hold, [], 'later')).toEqual({ placed: true });
  await ledger.extendHold(third.requestId, 500n);
  const before = await ledger.balance(accountId('a'));
  const moved = await ledger.letGo();
  expect(new Set(moved)).toEqual(new Set([1, 2, 3].map(requestId)));
  expect(ledger.placeHold(sampleHold(4, 1n), [], 'later')).toEqual({ placed: false, because: 'unavailable' });
  // A closing of the time in between waits for whoever comes.
  const early = ledger.close(sampleClosing(first, 700n));
  const next = await movable(folder, new Set(moved));
  expect(await next.ledger.balance(accountId('a'))).toEqual(before);
  expect(next.ledger.openHolds.get(third.requestId)?.amountNano).toBe(3_500n);
  ledger.follow(next.ledger);
  expect(await early).toEqual({ closed: true, lossNano: 0n });
  expect(await ledger.close(sampleClosing(first, 700n))).toEqual({ closed: false });
  expect(await ledger.extendHold(second.requestId, 100n)).toBeTrue();
  await ledger.holdDurable(second.requestId);
  expect(await ledger.close(sampleClosing(second, 2_100n))).toEqual({ closed: true, lossNano: 0n });
  // The process that ran the third is gone.
  await next.ledger.closeLost(moved, noon);
  expect(next.ledger.openHolds.size).toBe(0);
  expect((await next.ledger.balance(accountId('a')))?.postedNano).toBe(10n * NANO_PER_UNIT - 2_800n);
  await ledger.shutDown();
  await next.ledger.shutDown();
  expect(faultsOf(folder)).toEqual([]);
});

test('nobody took the books: everything goes on here, what waited too', async () => {
  const { folder, ledger } = await funded();
  ledger.placeHold(first, [], 'now');
  ledger.placeHold(second, [], 'later');
  await ledger.letGo();
  const waiting = ledger.close(sampleClosing(first, 1_000n));
  await ledger.takeBack();
  expect(await waiting).toEqual({ closed: true, lossNano: 0n });
  expect(await ledger.close(sampleClosing(second, 5n))).toEqual({ closed: true, lossNano: 0n });
  expect(ledger.placeHold(third, [], 'later')).toEqual({ placed: true });
  expect(await ledger.close(sampleClosing(third, 1n))).toEqual({ closed: true, lossNano: 0n });
  await ledger.shutDown();
  expect(faultsOf(folder)).toEqual([]);
});

test('a hold that nobody adopted is closed free of charge, as after a crash', async () => {
  const { folder, ledger } = await funded();
  ledger.placeHold(first, [], 'now');
  await ledger.letGo();
  const next = await movable(folder);
  expect([next.ledger.openHolds.size, (await next.ledger.balance(accountId('a')))?.heldNano]).toEqual([0, 0n]);
  await next.ledger.shutDown();
  expect(faultsOf(folder)).toEqual([]);
});

test('an adopted hold expires by its own deadline', async () => {
  const { folder, ledger } = await funded();
  ledger.placeHold(sampleHold(8, 1n, { expiresAt: noon + 60_000 }), [], 'now');
  ledger.placeHold(sampleHold(9, 1n, { expiresAt: noon + 999 }), [], 'now');
  const adopted = new Set(await ledger.letGo());
  const next = await openEmbeddedLedger({ folder, clock, warn, adopted });
  next.expireHolds();
  expect([...next.openHolds.keys()]).toEqual([requestId(8)]);
  await next.close(sampleClosing(sampleHold(8, 1n), 1n));
  await next.shutDown();
  expect(faultsOf(folder)).toEqual([]);
});

test('books that cannot be written stay where they are', async () => {
  const files = faultyFiles();
  const open = () => openEmbeddedLedger({ folder: scratch(), clock, warn, files });
  const ledger = new MovableLedger(await open(), open);
  await ledger.openAccount(accountId('a'), 'USD', NANO_PER_UNIT);
  ledger.placeHold(first, [], 'later');
  files.fail = 'write';
  await expect(ledger.letGo()).rejects.toThrow('cannot be written');
  expect(ledger.isHere).toBeTrue();
  await ledger.shutDown();
});
