// Forgets the segments of the journal that the store has loaded, unless somebody still reads them.

import type { JournalPosition } from './journal-files.ts';
import type { Journal } from './journal.ts';

export class JournalKeeper {
  readonly #journal: Pick<Journal, 'available' | 'forget'>;
  #oldestSegment: number;
  #loadedSegment: number;
  #readers = 0;

  constructor(journal: Pick<Journal, 'available' | 'forget'>, loaded: JournalPosition) {
    this.#journal = journal;
    this.#oldestSegment = loaded.segment;
    this.#loadedSegment = loaded.segment;
  }

  /** The store has everything up to here. */
  loaded(position: JournalPosition): void {
    this.#loadedSegment = position.segment;
    this.#forget();
  }

  /** Until what is returned is called, every segment stays. */
  keep(): () => void {
    this.#readers += 1;
    let ended = false;
    return () => {
      if (ended) return;
      ended = true;
      this.#readers -= 1;
      this.#forget();
    };
  }

  #forget(): void {
    if (this.#readers > 0 || this.#loadedSegment <= this.#oldestSegment || !this.#journal.available) return;
    this.#oldestSegment = this.#loadedSegment;
    this.#journal.forget(this.#loadedSegment);
  }
}
