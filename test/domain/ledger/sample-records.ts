// Holds and closings for tests: valid as the pipeline would make them, each value overridable.

import type { AccountId, ApiKeyId, PriceVersionId, RequestId } from '../../../src/core/ids.ts';
import type { Nano } from '../../../src/core/money.ts';
import type { Closing } from '../../../src/domain/ledger/ledger.ts';
import type { Hold, PinnedTerms } from '../../../src/domain/ledger/records.ts';

export const accountId = (name: string | number): AccountId => `acc_${name}`;
export const apiKeyId = (name: string | number): ApiKeyId => `key_${name}`;
export const requestId = (name: string | number): RequestId => `req_${name}`;
const priceVersionId: PriceVersionId = 'prc_1';

/** 2026-11-22T12:00:00Z. */
export const noon = 1_795_348_800_000;

/** One nano for each piece of input: a charge of n nano is n tokens. */
export const sampleTerms: PinnedTerms = {
  priceVersionId, rule: 'standard', currency: 'USD', rates: { input: 1_000n, output: 1_000n },
  perCallNano: 0n, multipliers: [],
};

export function sampleHold(request: string | number, amountNano: Nano, over: Partial<Hold> = {}): Hold {
  return {
    requestId: requestId(request), accountId: accountId('a'), apiKeyId: apiKeyId('k'), amountNano, terms: sampleTerms,
    placedAt: noon, expiresAt: noon + 3_600_000, operation: 'chat', model: 'small',
    protocol: 'openai-chat', stream: false, userId: undefined, group: undefined, address: '127.0.0.1', country: 'local',
    ...over,
  };
}

/** A finished request that is charged so much, with the usage and the lines that give it (up to 2^53). */
export function sampleClosing(hold: Hold, chargeNano: Nano, over: Partial<Closing> = {}): Closing {
  const exact = chargeNano <= BigInt(Number.MAX_SAFE_INTEGER);
  const usage = exact ? { input: Number(chargeNano) } : {};
  return {
    requestId: hold.requestId, accountId: hold.accountId, apiKeyId: hold.apiKeyId, userId: undefined, group: undefined,
    admittedAt: hold.placedAt, endedAt: hold.placedAt + 500, firstByteMs: 120, operation: hold.operation,
    protocol: 'openai-chat',
    model: hold.model, stream: false, status: 200, outcome: 'finished', upstream: 'up',
    attempts: [{
      upstream: 'up', provider: 'simulator', model: 'small-1', startedAt: hold.placedAt, durationMs: 480, status: 200,
      fault: undefined, costNano: 3n, costCurrency: 'USD',
    }],
    usage, usageSource: 'upstream', flags: [], usageText: undefined, terms: hold.terms,
    lines: exact
      ? [{ kind: 'quantity', part: 'input', quantity: Number(chargeNano), rate: 1_000n }]
      : [{ kind: 'per-call', amountNano: chargeNano }],
    chargeNano, address: '127.0.0.1', country: 'local', ...over,
  };
}
