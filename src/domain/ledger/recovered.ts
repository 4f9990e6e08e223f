// The closing of a hold whose request nobody can speak for any more. Free: what was delivered is not known, and the
// upstream's cost, if any, is the house's.

import type { EpochMs } from '../../core/clock.ts';
import type { Closing } from './ledger.ts';
import type { Hold } from './records.ts';

/** Status 0: not known. Address and country are empty where the hold was written before holds had them. */
export function recoveredClosing(hold: Hold, at: EpochMs, flag: 'found-at-start' | 'expired'): Closing {
  return {
    requestId: hold.requestId, accountId: hold.accountId, apiKeyId: hold.apiKeyId, userId: hold.userId,
    group: hold.group, admittedAt: hold.placedAt, endedAt: at, firstByteMs: undefined, operation: hold.operation,
    protocol: hold.protocol, model: hold.model, stream: hold.stream, status: 0, outcome: 'recovered',
    upstream: undefined, attempts: [], usage: {}, usageSource: 'none', flags: [flag, 'from-hold'], usageText: undefined,
    terms: hold.terms, lines: [], chargeNano: 0n, address: hold.address, country: hold.country,
  };
}
