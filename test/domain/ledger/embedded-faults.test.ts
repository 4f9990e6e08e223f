import { describe, expect, test } from 'bun:test';
import { cpSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../../../src/core/clock.ts';
import { openEmbeddedLedger } from '../../../src/domain/ledger/embedded-ledger.ts';
import { verifyLedger } from '../../../src/domain/ledger/verify.ts';
import { readUsageRecord } from '../../../src/domain/ledger/record-json.ts';
import { DataFolderInUseError } from '../../../src/store/data-folder-lock.ts';
import { JournalDamagedError } from '../../../src/store/journal-reader.ts';
import { startLoaderThread, type LoaderThread } from '../../../src/store/loader.ts';
import { openLedgerForReading } from '../../../src/store/schema/ledger.ts';
import { faultyFiles } from '../../store/failing-files.ts';
import { opened, topUp } from '../../store/ledger-suite.ts';
import { scratchFolders } from '../../store/scratch.ts';
import { usageTexts } from '../../store/usage-texts.ts';
import { chargeOfLines, embeddedHarness } from './embedded-harness.ts';
import { accountId, noon, sampleClosing, sampleHold } from './sample-records.ts';

const scratch = scratchFolders();

function journalKinds(folder: string): string[] {
  const names = readdirSync(join(folder, 'journal')).toSorted();
  const text = names.map((name) => readFileSync(join(folder, 'journal', name), 'utf8')).join('');
  return text.split('\n').slice(0, -1).map((line) => line.split(' ')[3] ?? '');
}

/** What a kill at this moment would leave behind. */
function crashed(folder: string): string {
  const copy = scratch();
  cpSync(folder, copy, { recursive: true, filter: (path) => !path.endsWith('/lock') });
  return copy;
}

function outcomesIn(folder: string): string[] {
  const database = openLedgerForReading(folder);
  const texts = usageTexts(database);
  database.close();
  return texts.map(readUsageRecord).map(({ requestId, outcome, chargeNano, heldNano }) =>
    `${requestId} ${outcome} ${chargeNano} of ${heldNano}`);
}

describe('the journal of a request', () => {
  test('a short request is one record; one that lasts, or is asked for, has its hold on the disk first', async () => {
    const folder = scratch();
    const { ledger, stopAndVerify } = await embeddedHarness(folder);
    await opened(ledger, 10_000n);
    const [short, lasting, asked] = [sampleHold('short', 10n), sampleHold('lasting', 20n), sampleHold('asked', 30n)];
    await ledger.placeHold(short, [], 'later');
    await ledger.close(sampleClosing(short, 5n));
    expect(journalKinds(folder)).toEqual(['account', 'movement', 'usage']);
    await ledger.placeHold(lasting, [], 'later');
    ledger.sweep();
    ledger.sweep();
    await ledger.placeHold(asked, [], 'later');
    expect(await ledger.extendHold(asked.requestId, 7n)).toBe(true);
    await ledger.holdDurable(asked.requestId);
    await ledger.holdDurable(asked.requestId);
    expect(journalKinds(folder)).toEqual(['account', 'movement', 'usage', 'hold', 'hold']);
    expect(await ledger.extendHold(asked.requestId, 3n)).toBe(true);
    await ledger.settled();
    const copy = crashed(folder);
    await ledger.close(sampleClosing(asked, 35n));
    await ledger.close(sampleClosing(lasting, 20n));
    expect(await stopAndVerify()).toEqual([]);

    const recovered = await embeddedHarness(copy);
    expect(recovered.ledger.openHolds.size).toBe(0);
    expect(await recovered.ledger.balance(accountId('a'))).toMatchObject({ postedNano: 9_995n, heldNano: 0n });
    expect(await recovered.stopAndVerify()).toEqual([]);
    expect(outcomesIn(copy)).toEqual(['req_short finished 5 of 10', 'req_asked recovered 0 of 40',
      'req_lasting recovered 0 of 20']);
  });

  test('holds are swept by themselves within a moment', async () => {
    const folder = scratch();
    const { ledger, stopAndVerify } = await embeddedHarness(folder);
    await opened(ledger, 100n);
    const hold = sampleHold(1, 10n);
    await ledger.placeHold(hold, [], 'later');
    const deadline = performance.now() + 5_000;
    while (!journalKinds(folder).includes('hold') && performance.now() < deadline) await Bun.sleep(5);
    expect(journalKinds(folder)).toContain('hold');
    await ledger.close(sampleClosing(hold, 1n));
    expect(await stopAndVerify()).toEqual([]);
  });

  test('a recovered record says who asked for what, and how', async () => {
    const folder = scratch();
    const { ledger } = await embeddedHarness(folder);
    await opened(ledger, 100n);
    const truth = {
      operation: 'completions', protocol: 'openai-completions', stream: true, userId: 'usr_1', group: 'friends',
      address: '203.0.113.7', country: 'IS', model: 'large',
    } as const;
    await ledger.placeHold(sampleHold(1, 60n, truth), [], 'now');
    await ledger.holdDurable('req_1');
    const copy = crashed(folder);
    await ledger.shutDown();
    const recovered = await embeddedHarness(copy);
    expect(await recovered.stopAndVerify()).toEqual([]);
    const database = openLedgerForReading(copy);
    const records = usageTexts(database).map(readUsageRecord);
    database.close();
    expect(records).toMatchObject([{ ...truth, outcome: 'recovered', chargeNano: 0n }]);
  });

  test('an expired hold is closed free, once, by the monotonic clock alone', async () => {
    const times = { wall: noon, monotonic: 1_000 };
    const clock: Clock = { now: () => times.wall, monotonicMs: () => times.monotonic };
    const folder = scratch();
    const { ledger, warnings, stopAndVerify } = await embeddedHarness(folder, { clock });
    await opened(ledger, 100n);
    const hold = sampleHold(1, 60n, { expiresAt: noon + 5_000 });
    await ledger.placeHold(hold, [], 'now');
    times.wall += 10 * 86_400_000;
    ledger.expireHolds();
    expect(ledger.openHolds.size).toBe(1);
    times.monotonic += 5_001;
    ledger.expireHolds();
    expect(await ledger.close(sampleClosing(hold, 60n))).toEqual({ closed: false });
    expect(await ledger.balance(accountId('a'))).toMatchObject({ postedNano: 100n, heldNano: 0n });
    expect(warnings.splice(0)).toEqual(['the hold of req_1 expired; its request was never closed']);
    expect(await stopAndVerify()).toEqual([]);
    expect(outcomesIn(folder)).toEqual(['req_1 recovered 0 of 60']);
  });
});

describe('a failing disk', () => {
  for (const fail of ['sync', 'write', 'short-write'] as const) {
    test(`${fail}: nothing is acknowledged any more, reads serve, and a restart finds all that was`, async () => {
      const folder = scratch();
      const files = faultyFiles();
      const { ledger, warnings } = await embeddedHarness(folder, { files });
      const account = await opened(ledger, 1_000n);
      const kept = sampleHold('kept', 100n);
      const lost = sampleHold('lost', 100n);
      await ledger.placeHold(kept, [], 'later');
      await ledger.placeHold(lost, [], 'later');
      await ledger.close(sampleClosing(kept, 70n));
      files.fail = fail;
      await expect(ledger.close(sampleClosing(lost, 50n))).rejects.toMatchObject({ code: 'money_unavailable' });
      expect(ledger.available).toBe(false);
      expect(await ledger.placeHold(sampleHold('next', 1n), [], 'now'))
        .toEqual({ placed: false, because: 'unavailable' });
      expect(await ledger.post(topUp(account, 1n))).toEqual({ posted: false, because: 'unavailable' });
      expect(await ledger.balance(account)).toBeDefined();
      await ledger.settled();
      expect(warnings).toHaveLength(1);
      expect(warnings[0]).toContain('paid calls are refused');
      await ledger.shutDown();
      const again = await embeddedHarness(folder);
      // Not acknowledged: it may have reached the disk, or not; never half of it.
      expect((await again.ledger.balance(account))?.postedNano).toBeOneOf([930n, 880n]);
      expect(await again.stopAndVerify()).toEqual([]);
    });
  }

  test('a damaged journal refuses the start, names the file, and leaves the folder free', async () => {
    const folder = scratch();
    const first = await embeddedHarness(folder);
    await opened(first.ledger, 1_000n);
    const copy = crashed(folder);
    await first.ledger.shutDown();
    rmSync(join(copy, 'ledger.db'), { force: true });
    rmSync(join(copy, 'ledger.db-wal'), { force: true });
    const path = join(copy, 'journal', '00000001.journal');
    const bytes = readFileSync(path);
    writeFileSync(path, Buffer.from(bytes).fill(0x20, 20, 24));
    const start = () => openEmbeddedLedger({ folder: copy, warn: () => undefined });
    await expect(start()).rejects.toThrow(JournalDamagedError);
    await expect(start()).rejects.toThrow(`${path} is damaged at byte 0`);
    writeFileSync(path, bytes);
    const repaired = await start();
    expect((await repaired.balance(accountId('a')))?.postedNano).toBe(1_000n);
    await repaired.shutDown();
  });

  test('a lost ledger.db is rebuilt from the journal', async () => {
    const folder = scratch();
    const harness = await embeddedHarness(folder);
    await opened(harness.ledger, 1_000n);
    const hold = sampleHold(1, 100n);
    await harness.ledger.placeHold(hold, [], 'now');
    await harness.ledger.close(sampleClosing(hold, 70n));
    await harness.ledger.shutDown();
    for (const name of ['ledger.db', 'ledger.db-wal', 'ledger.db-shm']) rmSync(join(folder, name), { force: true });
    const again = await embeddedHarness(folder);
    expect(await again.ledger.balance(accountId('a'))).toMatchObject({ postedNano: 930n });
    expect(await again.stopAndVerify()).toEqual([]);
  });

  test('a second opening of the folder is refused while the first lives', async () => {
    const folder = scratch();
    const harness = await embeddedHarness(folder);
    await expect(openEmbeddedLedger({ folder, warn: () => undefined })).rejects.toThrow(DataFolderInUseError);
    expect(await harness.stopAndVerify()).toEqual([]);
  });
});

describe('a failing loader', () => {
  /** Dies at its first messages, then is a real one. */
  function mortal(deaths: number): () => LoaderThread {
    let left = deaths;
    return () => {
      if (left-- <= 0) return startLoaderThread();
      const thread: LoaderThread = {
        postMessage: () => queueMicrotask(() => (left % 2 === 0 ? thread.onclose?.()
        : thread.onerror?.({ message: 'injected' }))),
        terminate: () => undefined, onmessage: null, onerror: null, onclose: null,
      };
      return thread;
    };
  }

  test('is replaced, and nobody who waits for it notices', async () => {
    const { ledger, warnings, stopAndVerify } = await embeddedHarness(scratch(), { startThread: mortal(3) });
    await opened(ledger, 1_000n);
    await ledger.settled();
    expect(warnings.splice(0)).toHaveLength(3);
    expect(await stopAndVerify()).toEqual([]);
  });

  test('that stays dead is said so, money goes on, and the next start loads the rest', async () => {
    const { ledger, warnings, stopAndVerify } = await embeddedHarness(scratch(),
      { startThread: mortal(Number.POSITIVE_INFINITY) });
    await opened(ledger, 1_000n);
    await expect(ledger.settled()).rejects.toMatchObject({ code: 'internal_error' });
    const hold = sampleHold(1, 10n);
    await ledger.placeHold(hold, [], 'now');
    expect(await ledger.close(sampleClosing(hold, 10n))).toEqual({ closed: true, lossNano: 0n });
    expect(warnings.splice(0).at(-1)).toContain('money is not affected');
    expect(await stopAndVerify()).toEqual([]);
  });

  test('the real one loads while requests run, and the books can be proven meanwhile', async () => {
    const folder = scratch();
    const { ledger, stopAndVerify } = await embeddedHarness(folder, { segmentBytes: 200_000 });
    await opened(ledger, 1_000_000n);
    for (let round = 0; round < 40; round++) {
      await Promise.all(Array.from({ length: 50 }, async (_, index) => {
        const hold = sampleHold(`${round}-${index}`, 10n);
        await ledger.placeHold(hold, [], index % 3 === 0 ? 'now' : 'later');
        await ledger.close(sampleClosing(hold, 7n));
      }));
      if (round % 10 === 5) expect(verifyLedger({ folder, chargeOf: chargeOfLines }).faults).toEqual([]);
    }
    await ledger.settled();
    const report = verifyLedger({ folder, chargeOf: chargeOfLines });
    expect(report).toMatchObject({ ok: true, usageRecords: 2_000, unloadedRecords: 0, openHolds: 0 });
    expect(readdirSync(join(folder, 'journal'))).toHaveLength(1);
    expect((await ledger.balance(accountId('a')))?.postedNano).toBe(1_000_000n - 14_000n);
    expect(await stopAndVerify()).toEqual([]);
  });
});
