// The first start of an empty data folder: an account with a little promotional money and a first API key, so that a
// pasted line works. Nothing of it happens again while any account exists.

import type { Gateway } from '../gateway.ts';
import { NANO_PER_UNIT } from '../core/money.ts';

const ACTOR = 'system:first-start';
const STARTING_UNITS = 10n;

export interface FirstStart {
  readonly apiKey: string;
  readonly amountNano: bigint;
  readonly currency: string;
}

export async function firstStart(gateway: Gateway): Promise<FirstStart | undefined> {
  const known = await gateway.accounts.accounts.list({ limit: 1 });
  if (known.length > 0) return undefined;
  const account = await gateway.accounts.accounts.create(ACTOR, { kind: 'person', name: 'First account' });
  const amountNano = STARTING_UNITS * NANO_PER_UNIT;
  await gateway.ledger.post({
    kind: 'top-up',
    entries: [
      { address: `account/${account.id}`, currency: account.currency, amountNano },
      { address: 'house/promotion', currency: account.currency, amountNano: -amountNano },
    ],
    reason: 'Promotional balance of the first start', actor: ACTOR, reference: undefined,
    idempotencyKey: `first-start-${account.id}`, inputSha256: undefined,
  });
  const { key } = await gateway.accounts.apiKeys.create(ACTOR, { accountId: account.id, name: 'First key' });
  return { apiKey: key, amountNano, currency: account.currency };
}
