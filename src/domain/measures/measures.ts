// Everything that is counted, with one way in for each kind of event. Counters are plain numbers: whoever wants them in
// some form reads them when it wants them.

import type { ErrorCode } from '../../core/errors.ts';
import type { ProtocolName } from '../../plugin/operations.ts';
import type { Closing } from '../ledger/ledger.ts';
import { Attempts } from './attempts.ts';
import { Histogram, syncBounds } from './histogram.ts';
import { Lanes, type LanesOptions } from './lanes.ts';
import { Tally } from './tally.ts';

export class Measures {
  readonly lanes: Lanes;
  readonly attempts: Attempts;
  /** Requests that were refused before anything was held for them: by protocol and error code. */
  readonly refusals = new Tally<ProtocolName, ErrorCode>();
  /** By kind of limit and whose it was: `requests`, `API key`. */
  readonly limitRefusals = new Tally();
  /** Denials by policy and clause. Several may deny one request, and each upstream of a plan is asked about, too. */
  readonly policyDenials = new Tally();
  /** Policies that threw, answered nonsense or missed their deadline. */
  readonly policyFaults = new Tally();
  /** Seconds of each write of the money journal with its sync. */
  readonly journalSyncs = new Histogram(syncBounds);
  journalBytes = 0;

  constructor(options: LanesOptions) {
    this.lanes = new Lanes(options);
    this.attempts = new Attempts(options.isUpstream);
  }

  /** A request that was let in is over. */
  settled(closing: Closing, durationMs: number): void {
    this.lanes.of(closing).count(closing, durationMs);
    const { attempts } = closing;
    for (let index = 0; index < attempts.length; index += 1) {
      const attempt = attempts[index];
      if (attempt !== undefined) this.attempts.count(attempt);
    }
  }

  refused({ protocol, code }: { readonly protocol: { readonly name: ProtocolName }; readonly code: ErrorCode }): void {
    this.refusals.count(protocol.name, code);
  }

  journalSynced(bytes: number, tookMs: number): void {
    this.journalBytes += bytes;
    this.journalSyncs.observe(tookMs / 1000);
  }
}
