// Who pays in each outcome: one table. The pipeline asks it which usage is charged, `verify` holds every record
// against it, the documentation prints it.

import type { Outcome } from './records.ts';
import type { UsageSource } from '../../plugin/usage.ts';

/**
 * `none`: free. `reported`: what the upstream's own usage says. `delivered`: the input, and the output that reached
 * us, by the upstream's usage if it gave one, else estimated and marked. `counted`: a complete reply without usage,
 * counted by us, capped by what the model can do, and marked.
 */
export type Charged = 'none' | 'reported' | 'delivered' | 'counted';

export interface ChargeRow {
  /** When the upstream reported usage, and when it did not. */
  readonly withUsage: Charged;
  readonly withoutUsage: Charged;
  /** For the documentation: when this is, and who pays. */
  readonly when: string;
  readonly pays: string;
}

export const chargeTable: Readonly<Record<Outcome, ChargeRow>> = {
  'finished': {
    withUsage: 'reported', withoutUsage: 'counted',
    when: 'The reply was complete.',
    pays: 'You pay what the upstream reports. Where it reports nothing, we count, never above what the model can produce, and mark the record.',
  },
  'client-left': {
    withUsage: 'delivered', withoutUsage: 'delivered',
    when: 'Your client closed the connection before the reply was complete.',
    pays: 'You pay the input and what had been produced by then; without the upstream\'s figures it is estimated and marked.',
  },
  'upstream-failed': {
    withUsage: 'none', withoutUsage: 'none',
    when: 'No upstream gave any output.',
    pays: 'Free.',
  },
  'upstream-refused': {
    withUsage: 'none', withoutUsage: 'none',
    when: 'The upstream answered that the request itself is wrong.',
    pays: 'Free.',
  },
  'broken-off': {
    withUsage: 'reported', withoutUsage: 'none',
    when: 'The reply broke off or ended in an error after output had begun.',
    pays: 'Free, unless the upstream reported usage; then you pay that.',
  },
  'empty': {
    withUsage: 'reported', withoutUsage: 'none',
    when: 'The reply was complete and had no content.',
    pays: 'Free, unless the upstream reported usage; then you pay that.',
  },
  'timed-out': {
    withUsage: 'delivered', withoutUsage: 'delivered',
    when: 'One of our own deadlines ended the request.',
    pays: 'Nothing beyond what was delivered to you; free if nothing was.',
  },
  'money-out': {
    withUsage: 'delivered', withoutUsage: 'delivered',
    when: 'The balance or a budget was used up while the reply was streamed, and the stream was ended cleanly.',
    pays: 'You pay the input and what was delivered.',
  },
  'shut-down': {
    withUsage: 'delivered', withoutUsage: 'delivered',
    when: 'The gateway was stopped while the reply was on its way.',
    pays: 'Nothing beyond what was delivered to you; free if nothing was.',
  },
  'recovered': {
    withUsage: 'none', withoutUsage: 'none',
    when: 'The gateway crashed during the request; it was found open and closed afterwards.',
    pays: 'Free.',
  },
};

export const outcomes: readonly Outcome[] = [
  'finished', 'client-left', 'upstream-failed', 'upstream-refused', 'broken-off', 'empty', 'timed-out', 'money-out',
  'shut-down', 'recovered',
];

/** Which usage is charged. `delivered`: whether the client got any output of the upstream. */
export function chargedFor(outcome: Outcome, usageReported: boolean, delivered: boolean): Charged {
  const row = chargeTable[outcome];
  const charged = usageReported ? row.withUsage : row.withoutUsage;
  // Our own doing: what did not reach the client is the house's loss.
  const endedByUs = outcome === 'timed-out' || outcome === 'shut-down' || outcome === 'money-out';
  return endedByUs && !delivered ? 'none' : charged;
}

/** Whether a record of that outcome may carry a charge at all. */
export function mayCharge(outcome: Outcome, source: UsageSource): boolean {
  const row = chargeTable[outcome];
  return (source === 'upstream' ? row.withUsage : row.withoutUsage) !== 'none';
}
