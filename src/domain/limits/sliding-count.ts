// A count over the last minute in slots of one second. Invariant: what it reports is at least what was added
// in the last 60 seconds, so a limit held against it is never exceeded in any window of a minute, wherever
// the window begins.

const SLOT_MS = 1_000;
/** 60 whole slots, and the one that is only partly past. */
const SLOTS = 61;
/** A power of two above SLOTS, so that a slot's place is a mask. */
const RING = 64;
const MASK = RING - 1;

/**
 * Mutable, and owned by one subject. `newest` is the slot of the last change; older slots than its minute are
 * zero.
 */
export interface SlidingCount {
  readonly ring: Float64Array;
  newest: number;
  total: number;
}

export const slotAt = (nowMs: number): number => Math.floor(nowMs / SLOT_MS);

/** How many slots a subject must have been quiet until nothing of it counts. */
export const quietSlots = SLOTS;

export const newCount = (slot: number): SlidingCount => ({
  ring: new Float64Array(RING),
  newest: slot,
  total: 0,
});

/** What counts at that time. Reads only. */
export function countAt(count: SlidingCount, slot: number): number {
  const passed = slot - count.newest;
  if (passed <= 0) return count.total;
  if (passed >= SLOTS) return 0;
  let total = count.total;
  for (let left = count.newest - SLOTS + 1; left <= slot - SLOTS; left++)
    total -= count.ring[left & MASK] ?? 0;
  return total;
}

/** Milliseconds until at most `atMost` counts, if nothing is added meanwhile. Reads only. */
export function untilAtMost(count: SlidingCount, nowMs: number, atMost: number): number {
  const slot = slotAt(nowMs);
  let total = countAt(count, slot);
  for (let left = slot - SLOTS + 1; left <= slot && total > atMost; left++) {
    total -= left > count.newest ? 0 : (count.ring[left & MASK] ?? 0);
    if (total <= atMost) return (left + SLOTS) * SLOT_MS - nowMs;
  }
  return 0;
}

export function addAt(count: SlidingCount, slot: number, amount: number): void {
  moveTo(count, slot);
  const place = count.newest & MASK;
  count.ring[place] = (count.ring[place] ?? 0) + amount;
  count.total += amount;
}

/** Takes back part of what was added in an earlier slot; nothing if that slot counts no more. */
export function takeBack(count: SlidingCount, addedIn: number, slot: number, amount: number): void {
  moveTo(count, slot);
  if (addedIn <= count.newest - SLOTS) return;
  const place = addedIn & MASK;
  count.ring[place] = (count.ring[place] ?? 0) - amount;
  count.total -= amount;
}

function moveTo(count: SlidingCount, slot: number): void {
  const passed = slot - count.newest;
  if (passed <= 0) return;
  if (passed >= SLOTS) {
    count.ring.fill(0);
    count.total = 0;
  } else {
    for (let left = count.newest - SLOTS + 1; left <= slot - SLOTS; left++) {
      count.total -= count.ring[left & MASK] ?? 0;
      count.ring[left & MASK] = 0;
    }
  }
  count.newest = slot;
}
