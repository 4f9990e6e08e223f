// Chance that one seed repeats.

import type { Chance } from '../../src/core/clock.ts';

/** Weyl sequence with a xorshift-multiply mix; the low bits of the seed are spread first. */
export function chanceFrom(seed: number): Chance {
  let state = Math.imul((seed >>> 0) + 1, 0x85ebca6b) >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32;
  };
}
