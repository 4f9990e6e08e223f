// One timer for all replies that wait: a wheel of one-millisecond slots, turned only while something is due.
// Thousands of streams cost one interval and one small object each. Time comes from the clock that is handed
// in.

import type { Clock } from '../core/clock.ts';

const slotsOnWheel = 4_096;

/** A task that waits. */
export interface WheelEntry {
  readonly dueTick: number;
  /** Undefined once it ran or was cancelled. */
  task: (() => void) | undefined;
}

export interface TimerWheel {
  /** Runs `task` once, `ms` from now, never before and never synchronously. */
  after(ms: number, task: () => void): WheelEntry;
  cancel(entry: WheelEntry): void;
  /** Forgets all that waits. */
  stop(): void;
}

export function createTimerWheel(clock: Clock): TimerWheel {
  let slots: WheelEntry[][] = Array.from({ length: slotsOnWheel }, () => []);
  let interval: Timer | undefined;
  let startedMs = 0;
  let tick = 0;
  let waiting = 0;

  const nowTick = () => Math.floor(clock.monotonicMs() - startedMs);

  function rest(): void {
    clearInterval(interval);
    interval = undefined;
  }

  function runSlot(index: number, now: number): void {
    const entries = slots[index];
    if (!entries || entries.length === 0) return;
    slots[index] = [];
    for (const entry of entries) {
      const { task } = entry;
      if (!task) continue;
      if (entry.dueTick > now) {
        slots[index].push(entry); // a later round of the wheel
        continue;
      }
      entry.task = undefined;
      waiting--;
      task();
    }
  }

  function turn(): void {
    const now = nowTick();
    // After a long stop of the process each slot is looked at once, not once for every lost millisecond.
    const first = Math.max(tick + 1, now - slotsOnWheel + 1);
    for (let at = first; at <= now; at++) runSlot(at % slotsOnWheel, now);
    if (now > tick) tick = now;
    if (waiting === 0) rest();
  }

  return {
    after(ms, task) {
      if (interval === undefined) {
        startedMs = clock.monotonicMs();
        tick = 0;
        interval = setInterval(turn, 1);
      }
      // One tick more than asked for: the tick that is running has already passed in part.
      const entry: WheelEntry = { dueTick: Math.max(nowTick(), tick) + Math.max(1, Math.ceil(ms)) + 1, task };
      slots[entry.dueTick % slotsOnWheel]?.push(entry);
      waiting++;
      return entry;
    },
    cancel(entry) {
      if (!entry.task) return;
      entry.task = undefined;
      waiting--;
    },
    stop() {
      rest();
      waiting = 0;
      slots = Array.from({ length: slotsOnWheel }, () => []);
    },
  };
}
