// Sums of very many amounts, without a big integer for each of them: small ones are added as numbers, which are exact
// up to 2^53, and carried over before they could leave that range.

import { type Nano } from '../core/money.ts';

/** An amount as whoever read it has it: a safe integer, or a bigint of any size. */
export type Exact = number | bigint;

/** Two of these are still exact together. */
const SMALL_MAX = 2 ** 52;

export class ExactSum {
  #small = 0;
  #large: Nano = 0n;

  add(amount: Exact): void {
    if (typeof amount === 'bigint') {
      this.#large += amount;
      return;
    }
    if (amount > SMALL_MAX || amount < -SMALL_MAX) this.#large += BigInt(amount);
    else this.#small += amount;
    if (this.#small > SMALL_MAX || this.#small < -SMALL_MAX) {
      this.#large += BigInt(this.#small);
      this.#small = 0;
    }
  }

  get value(): Nano {
    return this.#large + BigInt(this.#small);
  }

  /** Whether it stays at or below `max` with that amount. Quick while everything is small. */
  hasRoomFor(amount: Exact, max: Nano): boolean {
    if (this.#large === 0n && typeof amount === 'number' && max >= 2n ** 54n) return true;
    return this.value + BigInt(amount) <= max;
  }
}
