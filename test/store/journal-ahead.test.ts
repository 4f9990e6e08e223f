// The journal is written ahead in zeros. Whatever a crash leaves of them, and of what was to overwrite them, a start
// finds every acknowledged record, and tells a torn end from damage.

import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { existsSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { journalStart, segmentPath, type JournalPosition } from '../../src/store/journal-files.ts';
import { JournalDamagedError, readJournal } from '../../src/store/journal-reader.ts';
import { Journal } from '../../src/store/journal.ts';
import { faultyFiles, type FaultyFiles, type Filling } from './failing-files.ts';
import { scratchFolders } from './scratch.ts';

const scratch = scratchFolders();
const path = (folder: string): string => segmentPath(folder, 1);
const texts = (folder: string, until: JournalPosition): string[] =>
  [...readJournal(folder, journalStart, until)].map(({ json }) => json);

/** A journal that begins to write ahead with its first batch; one sync for each inner list. */
async function started(batches: readonly (readonly string[])[], files: FaultyFiles = faultyFiles()) {
  const folder = scratch();
  const journal = Journal.open({ folder, from: journalStart, files });
  for (const batch of batches) {
    for (const text of batch) journal.append('note', text);
    await journal.durable(journal.lastSequence);
  }
  return { folder, journal, files };
}

/** The file as a kill would leave it at this moment, and where its records end. */
async function killed(batches: readonly (readonly string[])[]): Promise<{ bytes: Buffer; end: number }> {
  const { folder, journal } = await started(batches);
  const bytes = readFileSync(path(folder));
  const end = journal.position.offset;
  expect(bytes.length).toBeGreaterThan(end + 1_000);
  await journal.close();
  return { bytes, end };
}

/** What a start on that file makes of it. */
async function startOn(bytes: Uint8Array, from: JournalPosition = journalStart) {
  const folder = scratch();
  writeFileSync(path(folder), bytes);
  const journal = Journal.open({ folder, from });
  const { position } = journal;
  const torn = readdirSync(folder).filter((name) => name.startsWith('torn'));
  const found = texts(folder, position);
  expect(journal.append('note', '"next"')).toBe(position.sequence + 1);
  await journal.close();
  expect(texts(folder, journal.position)).toEqual([...found, '"next"']);
  return { folder, position, torn, found };
}

const damaged = (bytes: Uint8Array): void => {
  const folder = scratch();
  writeFileSync(path(folder), bytes);
  expect(() => Journal.open({ folder, from: journalStart })).toThrow(JournalDamagedError);
  expect(readFileSync(path(folder))).toEqual(Buffer.from(bytes));
};

const zeroed = (bytes: Uint8Array, start: number, end: number) => Buffer.from(bytes).fill(0, start, end);

describe('zeros written ahead', () => {
  test('are overwritten in place, and gone once the journal is closed', async () => {
    const { folder, journal } = await started([['1'], ['2']]);
    const { size } = statSync(path(folder));
    expect(size).toBeGreaterThan(10_000);
    journal.append('note', '3');
    await journal.durable(3);
    expect(statSync(path(folder)).size).toBe(size);
    await journal.close();
    expect(statSync(path(folder)).size).toBe(journal.position.offset);
    expect(texts(folder, journal.position)).toEqual(['1', '2', '3']);
  });

  test('are no torn end after a kill, however many of them there are', async () => {
    const { bytes, end } = await killed([['1'], ['2', '3']]);
    for (const length of [0, 1, 2, 511, 4_096, bytes.length - end]) {
      const { position, torn, found } = await startOn(bytes.subarray(0, end + length));
      expect({ position, torn, found })
        .toEqual({ position: { segment: 1, offset: end, sequence: 3 }, torn: [], found: ['1', '2', '3'] });
    }
  });

  test('may be left in a segment that another one follows', async () => {
    const { bytes } = await killed([['1'], ['2']]);
    const folder = scratch();
    writeFileSync(path(folder), bytes);
    const journal = Journal.open({ folder, from: journalStart, segmentBytes: 10 });
    journal.append('note', '3');
    await journal.durable(3);
    writeFileSync(path(folder), bytes);
    expect(texts(folder, journal.position)).toEqual(['1', '2', '3']);
    await journal.close();
    expect(Journal.open({ folder, from: journalStart }).position.sequence).toBe(3);
    // Had a record been there, the next segment would not go on with the one after.
    const first = bytes.indexOf(10) + 1;
    writeFileSync(path(folder), zeroed(bytes, first, bytes.length));
    expect(() => Journal.open({ folder, from: journalStart })).toThrow('record 3 stands where 2 must be');
    expect(() => texts(folder, journal.position)).toThrow('record 3 stands where 2 must be');
  });
});

describe('a crash while they are overwritten', () => {
  test('the last record cut at every byte, or changed at every byte, is cut off and everything before it stays', async () => {
    const { bytes, end } = await killed([['1'], ['2'], ['"the last one"']]);
    const lastAt = bytes.lastIndexOf(10, end - 2) + 1;
    for (let at = lastAt; at < end; at++) {
      const flipped = Buffer.from(bytes);
      flipped[at] = (flipped[at] ?? 0) ^ 0x15;
      const tears = [zeroed(bytes, at, end), zeroed(bytes, lastAt, at), zeroed(bytes, at, at + 1), flipped];
      for (const left of tears) {
        if (left.equals(bytes)) continue;
        const { folder, position, torn } = await startOn(left);
        expect(position).toEqual({ segment: 1, offset: lastAt, sequence: 2 });
        const evidence = left.subarray(lastAt, left.findLastIndex((byte) => byte !== 0) + 1);
        expect(torn).toEqual(evidence.length > 0 ? ['torn-after-2.bin'] : []);
        if (evidence.length > 0) expect(readFileSync(join(folder, 'torn-after-2.bin'))).toEqual(evidence);
      }
    }
  });

  test('a hole anywhere before a later synced record refuses the start, and changes nothing', async () => {
    const { bytes, end } = await killed([['1'], ['2'], ['3']]);
    const lastAt = bytes.lastIndexOf(10, end - 2) + 1;
    for (let at = 0; at < lastAt; at++) {
      for (const length of [1, 7, lastAt - at]) {
        const hole = zeroed(bytes, at, Math.min(at + length, lastAt));
        damaged(hole);
      }
    }
  });

  test('a hole in a write that was never acknowledged is a torn end: pages reach the disk in any order', async () => {
    const { bytes, end } = await killed([['1'], ['2', '3', '4']]);
    const second = bytes.indexOf(10) + 1;
    for (let at = second; at < end - 1; at++) {
      const { position, torn } = await startOn(zeroed(bytes, second, at + 1));
      expect({ sequence: position.sequence, torn }).toEqual({ sequence: 1, torn: ['torn-after-1.bin'] });
    }
  });

  test('garbage among the zeros is kept aside and cut off', async () => {
    const { bytes, end } = await killed([['1'], ['2']]);
    for (const at of [end, end + 1, end + 5_000]) {
      const garbage = Buffer.from(bytes);
      garbage.write('garbage\nof another file', at);
      const { position, torn, found } = await startOn(garbage);
      expect({ offset: position.offset, torn, found })
        .toEqual({ offset: end, torn: ['torn-after-2.bin'], found: ['1', '2'] });
    }
  });

  test('a record of a later write among the zeros proves what is missing before it', async () => {
    const { bytes, end } = await killed([['1'], ['2'], ['3']]);
    const last = Buffer.from(bytes.subarray(bytes.lastIndexOf(10, end - 2) + 1, end));
    const second = bytes.indexOf(10) + 1;
    for (const at of [second, second + 3, second + 4_000]) {
      const moved = zeroed(bytes, second, end);
      last.copy(moved, at);
      damaged(moved);
    }
  });

  test('any tear keeps what was synced, and loses nothing else but a tail', async () => {
    const text = fc.string({ maxLength: 40, unit: 'binary' }).map((value) => JSON.stringify(value));
    const batches = fc.array(fc.array(text, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 4 });
    const tail = fc.array(text, { minLength: 1, maxLength: 6 });
    await fc.assert(fc.asyncProperty(batches, tail, fc.infiniteStream(fc.boolean()), async (synced, last, chance) => {
      const { bytes, end } = await killed([...synced, last]);
      const all = [...synced.flat(), ...last];
      const before = (await killed(synced)).end;
      const torn = Buffer.from(bytes);
      // Of the pages of the last write, each was or was not written.
      for (let at = before; at < end; at += 16) {
        if (chance.next().value) torn.fill(0, at, Math.min(at + 16, end));
      }
      const { found } = await startOn(torn);
      expect(found.length).toBeGreaterThanOrEqual(synced.flat().length);
      expect(found).toEqual(all.slice(0, found.length));
    }), { numRuns: 60 });
  });

  test('a store that knows more than the journal holds refuses the start', async () => {
    const { bytes, end } = await killed([['1'], ['2']]);
    const folder = scratch();
    writeFileSync(path(folder), bytes);
    expect(() => Journal.open({ folder, from: { segment: 1, offset: end + 20, sequence: 3 } }))
      .toThrow(`is damaged at byte ${end + 20}: record 3 does not end there`);
  });
});

describe('a disk that does not take them', () => {
  for (const filling of ['refused', 'short', 'thrown'] satisfies Filling[]) {
    test(`${filling}: every record that fits is taken all the same, over a restart`, async () => {
      const files = faultyFiles();
      files.filling = filling;
      const { folder, journal } = await started([['1'], ['2'], ['3', '4']], files);
      expect(files.fills).toBe(1);
      const left = readFileSync(path(folder));
      expect((await startOn(left)).found).toEqual(['1', '2', '3', '4']);
      // Larger than what there is of zeros.
      const large = JSON.stringify('x'.repeat(50_000));
      journal.append('note', large);
      await journal.durable(5);
      expect(journal.available).toBe(true);
      expect((await startOn(readFileSync(path(folder)))).found).toEqual(['1', '2', '3', '4', large]);
      await journal.close();
      expect(statSync(path(folder)).size).toBe(journal.position.offset);
    });
  }

  test('zeros are tried again after a while', async () => {
    const files = faultyFiles();
    files.filling = 'refused';
    const { journal } = await started([['1']], files);
    files.filling = 'real';
    const large = JSON.stringify('x'.repeat(300_000));
    for (let index = 0; index < 6; index++) {
      journal.append('note', large);
      await journal.durable(journal.lastSequence);
    }
    expect(files.fills).toBeGreaterThan(1);
    await journal.close();
  });
});

describe('while they are on their way', () => {
  test('no record is written in their place; it is when they are there', async () => {
    const files = faultyFiles();
    files.filling = 'held';
    const { folder, journal } = await started([['1']], files);
    journal.append('note', '2');
    const durable = journal.durable(2);
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect({ syncs: files.syncs, fills: files.fills, sequence: journal.position.sequence })
      .toEqual({ syncs: 1, fills: 1, sequence: 1 });
    expect((await startOn(readFileSync(path(folder)))).found).toEqual(['1']);
    files.fillNow();
    await durable;
    expect(texts(folder, journal.position)).toEqual(['1', '2']);
    await journal.close();
  });

  test('the journal is not closed before they are there: another process may write next', async () => {
    const files = faultyFiles();
    files.filling = 'held';
    const { folder, journal } = await started([['1']], files);
    let closed = false;
    const closing = journal.close().then(() => (closed = true));
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect(closed).toBe(false);
    files.fillNow();
    await closing;
    expect(statSync(path(folder)).size).toBe(journal.position.offset);
    expect(existsSync(join(folder, 'torn-after-1.bin'))).toBe(false);
  });
});

test('a journal of an older build, without zeros, goes on', async () => {
  const { bytes, end } = await killed([['1'], ['2']]);
  const { found, torn } = await startOn(bytes.subarray(0, end));
  expect({ found, torn }).toEqual({ found: ['1', '2'], torn: [] });
});
