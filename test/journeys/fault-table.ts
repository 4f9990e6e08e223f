// What a client must see of each upstream fault, streamed and not: the simulator's list as one table. A fault that is
// in no row fails its test.

import { faultModelNames } from '../../src/simulator/faults/index.ts';
import { addressFaultNames, prompt, quickDeadlines } from './fault-stage.ts';

export type Expected =
  /** A whole reply, charged by the upstream's usage. */
  | 'served'
  /** Whole, but its usage is not to be believed: charged by estimate, and flagged. */
  | 'estimated'
  /** No output came: another upstream is asked; with none left, 502 or 503. */
  | 'fails'
  /** No output came in time: 504, and nobody else is asked. */
  | 'late'
  /** The stream ends in an error: free, or charged by the usage that came. */
  | 'breaks'
  | 'breaks-paid'
  /** The upstream's own error event came in the stream. */
  | 'errs'
  | 'errs-paid'
  /** One of our deadlines ended the stream: what was delivered is charged. */
  | 'cut'
  /** The same, and nothing had been delivered. */
  | 'cut-free';

/** Streamed, and not. The first pattern that matches. */
const table: readonly (readonly [fault: RegExp, streamed: Expected, whole: Expected])[] = [
  [/u01|u02|u31/, 'fails', 'fails'],
  [/u03|u04$|u04-headers/, 'late', 'late'],
  [/u04-content/, 'cut', 'late'],
  [/u04-done/, 'served', 'late'],
  [/u05-usage/, 'breaks-paid', 'fails'],
  [/u05/, 'breaks', 'fails'],
  [/u06-finish/, 'breaks', 'served'],
  [/u06-usage/, 'breaks-paid', 'served'],
  [/u06-empty/, 'fails', 'fails'],
  [/u06|u07$|u07-content/, 'breaks', 'fails'],
  [/u07-both/, 'fails', 'fails'],
  [/u07/, 'served', 'fails'],
  [/u08/, 'served', 'fails'],
  [/u11-32/, 'breaks', 'estimated'],
  [/u11/, 'estimated', 'estimated'],
  [/u13/, 'cut', 'late'],
  [/u14-after/, 'cut', 'late'],
  [/u14/, 'cut-free', 'late'],
  [/u15-first/, 'fails', 'estimated'],
  [/u15-usage/, 'errs-paid', 'estimated'],
  [/u15/, 'errs', 'estimated'],
  [/u16|u17|u18|u19|u20|u22|u29/, 'fails', 'fails'],
  [/u21-none/, 'fails', 'served'],
  [/u21/, 'fails', 'fails'],
  [/u23-(cached|reasoning|total|over|doubles|growing|twice|early|forged)/, 'served', 'served'],
  [/u23/, 'estimated', 'estimated'],
  [/u24|u25/, 'served', 'fails'],
  [/u09|u10|u12|u26|u27|u28|u30|u32/, 'served', 'served'],
];

export function expectedOf(fault: string, stream: boolean): Expected {
  const row = table.find(([pattern]) => pattern.test(fault));
  if (row === undefined) throw new Error(`${fault} is in no row of the table`);
  return stream ? row[1] : row[2];
}

/** Faults that never end, or wait between bytes, are asked to wait a little, and not for ever. */
export const textFor = (fault: string) => (/u13|u26/.test(fault) ? `[[sim: gap=1]] ${prompt}` : prompt);

// A bare name is its usual variant under another name.
export const names = [...addressFaultNames, ...faultModelNames.filter((name) => name.includes('-'))];
export const cases = names.flatMap((fault) => [true, false].map((stream) => ({ fault, stream })));

/** What never ends by itself is cut by the total deadline: for these it is short. */
export const endless = /u13|u14/;
export const endlessDeadlines = { ...quickDeadlines, contentSilenceMs: 1_000, totalMs: 3_000 };
