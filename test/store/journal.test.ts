import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Journal } from '../../src/store/journal.ts';
import { diskFiles, journalStart, segmentPath, type JournalFiles,
  type JournalPosition } from '../../src/store/journal-files.ts';
import { JournalDamagedError, readJournal } from '../../src/store/journal-reader.ts';
import { faultyFiles, type Failing } from './failing-files.ts';
import { scratchFolders } from './scratch.ts';

const scratch = scratchFolders();
const open = (folder: string, files: JournalFiles = diskFiles,
  over: { segmentBytes?: number; from?: JournalPosition } = {}): Journal =>
  Journal.open({ folder, from: journalStart, files, ...over });
/** The journal writes at the end of a turn of the event loop. */
const turnEnded = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const contents = (folder: string, until: JournalPosition): string[] =>
  [...readJournal(folder, journalStart, until)].map((record) => `${record.sequence} ${record.kind} ${record.json}`);

/** One sync for each inner list. */
async function written(folder: string, batches: readonly (readonly string[])[]): Promise<JournalPosition> {
  const journal = open(folder);
  for (const batch of batches) {
    for (const text of batch) journal.append('note', text);
    await journal.durable(journal.lastSequence);
  }
  await journal.close();
  return journal.position;
}

function damagedAt(folder: string): { file: string; offset: number } {
  try {
    open(folder);
  } catch (error) {
    if (error instanceof JournalDamagedError) return { file: error.file, offset: error.offset };
    throw error;
  }
  throw new Error('the journal was opened');
}

describe('journal', () => {
  test('what was appended is read back in order, over restarts', async () => {
    const folder = scratch();
    await written(folder, [['{"a":1}', '{"b":"é😀"}'], ['{"c":3}']]);
    const journal = open(folder);
    expect(journal.append('other', '{"d":"\\n"}')).toBe(4);
    await journal.close();
    expect(contents(folder, journal.position)).toEqual(['1 note {"a":1}', '2 note {"b":"é😀"}',
      '3 note {"c":3}', '4 other {"d":"\\n"}']);
  });

  test('a record cannot contain a line feed', () => {
    expect(() => open(scratch()).append('note', '"\n"')).toThrow('line feed');
  });

  test('one sync is in flight; the next takes all that waited, and waiters go on in order', async () => {
    const files = faultyFiles();
    const journal = open(scratch(), files);
    files.held = true;
    const order: number[] = [];
    const waits = [1, 2, 3, 4].map((sequence) => {
      journal.append('note', String(sequence));
      return journal.durable(sequence).then(() => order.push(sequence));
    });
    await turnEnded();
    for (const sequence of [5, 6, 7]) {
      journal.append('note', String(sequence));
      waits.push(journal.durable(sequence).then(() => order.push(sequence)));
    }
    await turnEnded();
    expect({ syncs: files.syncs, order }).toEqual({ syncs: 1, order: [] });
    expect(journal.position.sequence).toBe(0);
    files.release();
    await Promise.all(waits);
    expect({ syncs: files.syncs, order }).toEqual({ syncs: 2, order: [1, 2, 3, 4, 5, 6, 7] });
  });

  test('when many come at once, the next write waits some turns for more; when few do, it does not', async () => {
    const files = faultyFiles();
    files.filling = 'refused';
    const journal = open(scratch(), files);
    const turnsUntilWritten = async (): Promise<number> => {
      const { syncs } = files;
      let turns = 0;
      for (; files.syncs === syncs && turns < 10; turns++) {
        journal.append('note', '1');
        await turnEnded();
      }
      await journal.durable(journal.lastSequence);
      return turns;
    };
    expect(await turnsUntilWritten()).toBe(1);
    for (let index = 0; index < 4; index++) journal.append('note', '1');
    await journal.durable(journal.lastSequence);
    expect(await turnsUntilWritten()).toBe(4);
    for (let index = 0; index < 3; index++) journal.append('note', '1');
    await journal.durable(journal.lastSequence);
    expect(await turnsUntilWritten()).toBe(1);
  });

  test('the last record cut at every byte, or changed at every byte, is truncated and everything before it stays', async () => {
    const folder = scratch();
    await written(folder, [['{"first":1}'], ['{"second":2}'], ['{"third":"three"}']]);
    const whole = readFileSync(segmentPath(folder, 1));
    const lastAt = whole.lastIndexOf('\n', whole.length - 2) + 1;
    for (let at = lastAt; at < whole.length; at++) {
      const flipped = Buffer.from(whole);
      flipped[at] = (flipped[at] ?? 0) ^ 0x15;
      for (const bytes of [whole.subarray(0, at), flipped]) {
        writeFileSync(segmentPath(folder, 1), bytes);
        const journal = open(folder);
        expect(journal.position).toEqual({ segment: 1, offset: lastAt, sequence: 2 });
        expect(readFileSync(segmentPath(folder, 1))).toEqual(whole.subarray(0, lastAt));
        const kept = bytes.length > lastAt;
        if (kept) expect(readFileSync(join(folder, 'torn-after-2.bin'))).toEqual(Buffer.from(bytes.subarray(lastAt)));
        await journal.close();
      }
    }
  });

  test('after a torn end the next record takes its place', async () => {
    const folder = scratch();
    await written(folder, [['{"a":1}'], ['{"b":2}']]);
    const whole = readFileSync(segmentPath(folder, 1));
    writeFileSync(segmentPath(folder, 1), whole.subarray(0, whole.length - 4));
    const journal = open(folder);
    expect(journal.append('note', '{"c":3}')).toBe(2);
    await journal.close();
    expect(contents(folder, journal.position)).toEqual(['1 note {"a":1}', '2 note {"c":3}']);
  });

  test('any byte changed before a later synced record refuses the start, naming file and offset, and changes nothing', async () => {
    const folder = scratch();
    await written(folder, [['{"first":1}'], ['{"second":2}'], ['{"third":3}']]);
    const whole = readFileSync(segmentPath(folder, 1));
    const lastAt = whole.lastIndexOf('\n', whole.length - 2) + 1;
    for (let at = 0; at < lastAt; at++) {
      const flipped = Buffer.from(whole);
      flipped[at] = (flipped[at] ?? 0) ^ 0x15;
      writeFileSync(segmentPath(folder, 1), flipped);
      const lineAt = at === 0 ? 0 : whole.lastIndexOf('\n', at - 1) + 1;
      expect(damagedAt(folder)).toEqual({ file: segmentPath(folder, 1), offset: lineAt });
      expect(readFileSync(segmentPath(folder, 1))).toEqual(flipped);
    }
  });

  test('a write that was never acknowledged may be torn in its middle: power cuts do not keep the order of pages', async () => {
    const folder = scratch();
    await written(folder, [['{"a":1}'], ['{"b":2}', '{"c":3}', '{"d":4}']]);
    const whole = readFileSync(segmentPath(folder, 1));
    const at = whole.indexOf('"c"');
    whole.fill(0, at, at + 4);
    writeFileSync(segmentPath(folder, 1), whole);
    expect(open(folder).position.sequence).toBe(2);
  });

  test('a missing record, a repeated record and a missing segment refuse the start', async () => {
    const folder = scratch();
    await written(folder, [['{"a":1}'], ['{"b":2}'], ['{"c":3}']]);
    const lines = readFileSync(segmentPath(folder, 1), 'utf8').split('\n').slice(0, -1);
    const [first = '', second = '', third = ''] = lines;
    writeFileSync(segmentPath(folder, 1), `${first}\n${third}\n`);
    expect(() => open(folder)).toThrow('record 3 stands where 2 must be');
    writeFileSync(segmentPath(folder, 1), `${first}\n${second}\n${second}\n${third}\n`);
    expect(() => open(folder)).toThrow('record 2 stands where 3 must be');
    writeFileSync(segmentPath(folder, 1), `${first}\n`);
    writeFileSync(segmentPath(folder, 3), `${second}\n`);
    expect(damagedAt(folder)).toEqual({ file: segmentPath(folder, 2), offset: 0 });
  });

  test('a store that knows more than the journal holds refuses the start', async () => {
    const folder = scratch();
    const end = await written(folder, [['{"a":1}'], ['{"b":2}']]);
    expect(() => open(folder, diskFiles, { from: { ...end, offset: end.offset + 10, sequence: 3 } }))
      .toThrow('10 acknowledged bytes are missing');
    expect(() => open(folder, diskFiles, { from: { segment: 7, offset: 0, sequence: 90 } }))
      .toThrow('loaded up to segment 7');
  });

  test('a store restored without its journal goes on in a new segment', async () => {
    const folder = scratch();
    const journal = open(folder, diskFiles, { from: { segment: 4, offset: 900, sequence: 17 } });
    expect(journal.append('note', '{}')).toBe(18);
    await journal.close();
    expect(readdirSync(folder)).toEqual(['00000005.journal']);
  });

  test('segments rotate, are read across, and only loaded ones are removed', async () => {
    const folder = scratch();
    const journal = open(folder, diskFiles, { segmentBytes: 100 });
    for (let index = 1; index <= 12; index++) {
      journal.append('note', `{"index":${index}}`);
      await journal.durable(index);
    }
    expect(journal.position.segment).toBeGreaterThan(2);
    expect(contents(folder, journal.position)).toHaveLength(12);
    journal.forget(journal.position.segment + 5);
    expect(readdirSync(folder)).toEqual([segmentPath('', journal.position.segment).replace('/', '')]);
    await journal.close();
  });

  for (const fail of ['write', 'thrown-write', 'short-write', 'sync', 'folder-sync', 'create'] satisfies Failing[]) {
    test(`${fail} fails: every waiter is refused, and so is everything after it, for good`, async () => {
      const folder = scratch();
      const files = faultyFiles();
      const failures: Error[] = [];
      // Each batch begins a segment, so that the steps of a rotation fail too.
      const journal = Journal.open({ folder, from: journalStart, files, segmentBytes: 1,
        onFailure: (cause) => failures.push(cause) });
      journal.append('note', '{"kept":1}');
      await journal.durable(1);
      files.fail = fail;
      journal.append('note', '{"lost":2}');
      journal.append('note', '{"lost":3}');
      const refused = [journal.durable(2), journal.durable(3)].map((wait) =>
        wait.then(() => 'durable', (error: unknown) => error));
      for (const answer of await Promise.all(refused)) expect(answer).toMatchObject({ code: 'money_unavailable' });
      files.fail = undefined;
      expect(journal.available).toBe(false);
      expect(failures).toHaveLength(1);
      expect(() => journal.append('note', '{}')).toThrow(expect.objectContaining({ code: 'money_unavailable' }));
      await expect(journal.durable(2)).rejects.toMatchObject({ code: 'money_unavailable' });
      await journal.durable(1);
      await journal.close().catch(() => undefined);
      const reopened = open(folder);
      expect(reopened.position.sequence).toBeOneOf([1, 2, 3]);
      expect(contents(folder, reopened.position)[0]).toBe('1 note {"kept":1}');
      await reopened.close();
    });
  }

  test('any tear of what was not synced keeps all that was, and loses nothing else but a tail', async () => {
    const text = fc.string({ maxLength: 40, unit: 'binary' }).map((value) => JSON.stringify(value));
    const batches = fc.array(fc.array(text, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 5 });
    await fc.assert(fc.asyncProperty(batches, batches, fc.nat(), fc.nat(), async (synced, tail, cut, zeroed) => {
      const folder = scratch();
      const end = await written(folder, synced);
      const files = { ...diskFiles };
      const crashing = open(folder, files);
      for (const text of tail.flat()) crashing.append('note', text);
      await crashing.close();
      const whole = readFileSync(segmentPath(folder, 1));
      const unsynced = whole.length - end.offset;
      const kept = Buffer.from(whole.subarray(0, end.offset + (cut % (unsynced + 1))));
      const hole = end.offset + (zeroed % (unsynced + 1));
      kept.fill(0, Math.min(hole, kept.length), Math.min(hole + 3, kept.length));
      writeFileSync(segmentPath(folder, 1), kept);
      const reopened = open(folder);
      const all = [...synced.flat(), ...tail.flat()].map((value, index) => `${index + 1} note ${value}`);
      const found = contents(folder, reopened.position);
      await reopened.close();
      expect(found.length).toBeGreaterThanOrEqual(synced.flat().length);
      expect(found).toEqual(all.slice(0, found.length));
    }), { numRuns: 60 });
  });

  test('a copy taken while it is written opens cleanly', async () => {
    const folder = scratch();
    const copy = scratch();
    const journal = open(folder);
    for (let index = 1; index <= 50; index++) journal.append('note', `{"index":${index}}`);
    await journal.durable(50);
    mkdirSync(copy, { recursive: true });
    copyFileSync(segmentPath(folder, 1), segmentPath(copy, 1));
    expect(open(copy).position.sequence).toBe(50);
    expect(existsSync(join(copy, 'torn-after-50.bin'))).toBe(false);
    await journal.close();
  });
});
