// The closing of a hold whose request nobody can speak for any more. Free: what was delivered is not known, and the
// upstream's cost, if any, is the house's.

import type { EpochMs } from '../../core/clock.ts';
import type { Operation, ProtocolName } from '../../plugin/operations.ts';
import type { Closing } from './ledger.ts';
import type { Hold } from './records.ts';

/** The hold does not say which protocol the client spoke; the record names the operation's own. */
const protocolOf: Readonly<Record<Operation, ProtocolName>> = {
  chat: 'openai-chat', completions: 'openai-completions', embeddings: 'openai-embeddings',
};

/** Status 0, address and country empty: not known. */
export function recoveredClosing(hold: Hold, at: EpochMs, flag: 'found-at-start' | 'expired'): Closing {
  return {
    requestId: hold.requestId, accountId: hold.accountId, apiKeyId: hold.apiKeyId, userId: undefined, group: undefined,
    admittedAt: hold.placedAt, endedAt: at, firstByteMs: undefined, operation: hold.operation,
    protocol: protocolOf[hold.operation], model: hold.model, stream: false, status: 0, outcome: 'recovered',
    upstream: undefined, attempts: [], usage: {}, usageSource: 'none', flags: [flag, 'from-hold'], usageText: undefined,
    terms: hold.terms, lines: [], chargeNano: 0n, address: '', country: '',
  };
}
