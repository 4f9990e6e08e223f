// Chance that a seed decides: a failure found by a long run is found again by its number.

/** An integer in [0, below). */
export type Chance = (below: number) => number;

export function seededChance(seed: number): Chance {
  let state = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) | 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}
