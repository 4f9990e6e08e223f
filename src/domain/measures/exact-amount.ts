// A sum of nano-units that stays exact without an object for each addition: whole units and the nano-units beside them,
// both below 2^53.

import { NANO_PER_UNIT } from '../../core/money.ts';

const NANO = Number(NANO_PER_UNIT);
/** Above it, a number could not take the amount and the rest of a unit together. */
const NUMBER_MAX = 2n ** 52n;

export class ExactAmount {
  #units = 0;
  #nano = 0;

  add(amountNano: bigint): void {
    if (amountNano > NUMBER_MAX) {
      this.#units += Number(amountNano / NANO_PER_UNIT);
      this.#nano += Number(amountNano % NANO_PER_UNIT);
    } else this.#nano += Number(amountNano);
    if (this.#nano < NANO) return;
    const whole = Math.floor(this.#nano / NANO);
    this.#units += whole;
    this.#nano -= whole * NANO;
  }

  /** Decimal text in units, with all nine places. */
  toString(): string {
    return `${this.#units}.${String(this.#nano).padStart(9, '0')}`;
  }
}
