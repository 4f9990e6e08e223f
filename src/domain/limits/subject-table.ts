// What is remembered of each subject of one scope, bounded. Invariant: a subject whose counts still matter is
// never dropped, and a table that is full does not stop counting: newcomers then share one count.

import { countAt, quietSlots } from './sliding-count.ts';
import type { SlidingCount } from './sliding-count.ts';

/**
 * Mutable, one for each subject with limits. Counts exist only for the limits that were set when it was used.
 */
export interface SubjectState {
  requests: SlidingCount | undefined;
  tokens: SlidingCount | undefined;
  inFlight: number;
  lastUsed: number;
}

/**
 * Subjects remembered in one scope: about 1 KiB each with both counts. More than this many keys or addresses
 * within one minute is either a fleet of gateways or an attack that sends from everywhere.
 */
export const SUBJECTS_MAX = 100_000;

/** Oldest subjects looked at when a new one comes: more than one, so that dropping is faster than coming. */
const LOOKED_AT = 4;

export interface SubjectTable {
  /** Its state; the shared one if there is no room for another; undefined if it is new and there is room. */
  find(id: string, slot: number): SubjectState | undefined;
  /** Its state, made if need be. */
  open(id: string, slot: number): SubjectState;
  readonly size: number;
}

export function createSubjectTable(subjectsMax: number = SUBJECTS_MAX): SubjectTable {
  const states = new Map<string, SubjectState>();
  const shared = newState(0);

  const dropIdle = (slot: number) => {
    let looked = 0;
    for (const [id, state] of states) {
      if (looked++ === LOOKED_AT) return;
      states.delete(id);
      if (!isIdle(state, slot)) states.set(id, state);
    }
  };

  const find = (id: string, slot: number): SubjectState | undefined => {
    const state = states.get(id);
    if (state !== undefined || states.size < subjectsMax) return state;
    dropIdle(slot);
    return states.size < subjectsMax ? undefined : shared;
  };

  return {
    find,
    open(id, slot) {
      const known = find(id, slot);
      if (known !== undefined) return known;
      dropIdle(slot);
      const state = newState(slot);
      states.set(id, state);
      return state;
    },
    get size() {
      return states.size;
    },
  };
}

const newState = (slot: number): SubjectState => ({
  requests: undefined,
  tokens: undefined,
  inFlight: 0,
  lastUsed: slot,
});

function isIdle(state: SubjectState, slot: number): boolean {
  if (state.inFlight > 0 || slot - state.lastUsed < quietSlots) return false;
  return state.tokens === undefined || countAt(state.tokens, slot) === 0;
}
