// The end of one request, as the pipeline tells it, for tests of whoever watches.

import type { Closing } from '../../../src/domain/ledger/ledger.ts';
import { sampleClosing as closingOf, sampleHold } from '../ledger/sample-records.ts';

/** Finished, whole, free of charge; its one attempt is at the upstream that served. */
export function sampleClosing(over: Partial<Closing> = {}): Closing {
  const closing = closingOf(sampleHold('1', 0n), 0n, over);
  const { upstream } = closing;
  if (upstream === undefined || over.attempts !== undefined) return closing;
  return { ...closing, attempts: closing.attempts.map((attempt) => ({ ...attempt, upstream })) };
}
