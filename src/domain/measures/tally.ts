// Counts by two words, for what is counted seldom: refusals, limits, policies. Bounded, with `other` for the rest.

import { OTHER } from './lanes.ts';

const PAIRS_MAX = 200;

export class Tally<First extends string = string, Second extends string = string> {
  readonly #counts = new Map<First | typeof OTHER, Map<Second | typeof OTHER, number>>();
  #pairs = 0;

  count(first: First, second: Second): void {
    const inner = this.#counts.get(first);
    const before = inner?.get(second);
    if (inner !== undefined && before !== undefined) inner.set(second, before + 1);
    else if (this.#pairs < PAIRS_MAX) {
      this.#pairs += 1;
      this.#add(first, second);
    } else this.#add(OTHER, OTHER);
  }

  #add(first: First | typeof OTHER, second: Second | typeof OTHER): void {
    let inner = this.#counts.get(first);
    if (inner === undefined) this.#counts.set(first, (inner = new Map()));
    inner.set(second, (inner.get(second) ?? 0) + 1);
  }

  *[Symbol.iterator](): Generator<readonly [first: string, second: string, count: number]> {
    for (const [first, inner] of this.#counts) for (const [second, count] of inner) yield [first, second, count];
  }
}
