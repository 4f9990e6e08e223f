// Segments of the journal stay while somebody reads them, and go when the last one has.

import { expect, test } from 'bun:test';
import { JournalKeeper } from '../../src/store/journal-keeper.ts';

const at = (segment: number) => ({ segment, offset: 10, sequence: segment * 100 });

function keeper(available = true) {
  const forgotten: number[] = [];
  const journal = { available, forget: (segment: number) => void forgotten.push(segment) };
  return { forgotten, journal, keeper: new JournalKeeper(journal, at(1)) };
}

test('what is loaded is forgotten once, unless it is kept', () => {
  const { forgotten, keeper: kept } = keeper();
  kept.loaded(at(1));
  kept.loaded(at(2));
  kept.loaded(at(2));
  expect(forgotten).toEqual([2]);
  const [first, second] = [kept.keep(), kept.keep()];
  kept.loaded(at(4));
  first();
  first();
  expect(forgotten).toEqual([2]);
  second();
  expect(forgotten).toEqual([2, 4]);
  kept.loaded(at(5));
  expect(forgotten).toEqual([2, 4, 5]);
});

test('nothing is forgotten while the journal cannot be written', () => {
  const { forgotten, keeper: kept } = keeper(false);
  kept.keep()();
  kept.loaded(at(3));
  expect(forgotten).toEqual([]);
});
