// The first start of an empty data folder: an account with a little promotional money and a first API key, so that a
// pasted line works. Nothing of it happens again while any account exists, unless a start ended before its greeting was
// printed: a key that nobody has seen is no use. A file says so from before the first step until after the greeting,
// and the next start does what is missing: the money once, the key anew.

import { closeSync, existsSync, fsyncSync, openSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { NANO_PER_UNIT } from '../core/money.ts';
import type { Account } from '../domain/accounts/accounts.ts';
import type { AccountsService } from '../domain/accounts/accounts-service.ts';
import type { ApiKeysService } from '../domain/accounts/api-keys-service.ts';
import type { Ledger } from '../domain/ledger/ledger.ts';
import { diskFiles } from '../store/journal-files.ts';

const ACTOR = 'system:first-start';
const STARTING_UNITS = 10n;
const UNFINISHED = 'first-start-unfinished';
/** Of an account that has one key for each start that was cut off, newest first. */
const KEYS_MAX = 200;

export interface FirstStart {
  readonly apiKey: string;
  readonly amountNano: bigint;
  readonly currency: string;
  /** To be called when the key was printed; until then the next start makes and prints another. */
  printed(): void;
}

/** Of a gateway, what the first start needs. */
export interface FirstStartServices {
  readonly accounts: {
    readonly accounts: Pick<AccountsService, 'list' | 'create'>;
    readonly apiKeys: Pick<ApiKeysService, 'list' | 'create' | 'revoke'>;
  };
  readonly ledger: Pick<Ledger, 'post'>;
}

/** Whether anything of a first start is to be done; quicker to ask than `firstStart` itself. */
export const needsFirstStart = (accountsFound: number, dataFolder: string): boolean =>
  accountsFound === 0 || markIn(dataFolder).stands;

/** Before requests are served: with a single account and the file, the account is ours. */
export async function firstStart(services: FirstStartServices, dataFolder: string): Promise<FirstStart | undefined> {
  const { accounts, apiKeys } = services.accounts;
  const mark = markIn(dataFolder);
  const [known, another] = await accounts.list({ limit: 2 });
  if (known !== undefined && (another !== undefined || !mark.stands)) {
    // An operator who made the second account has no need of our key.
    mark.remove();
    return undefined;
  }
  mark.put();
  const account = known ?? (await accounts.create(ACTOR, { kind: 'person', name: 'First account' }));
  const amountNano = STARTING_UNITS * NANO_PER_UNIT;
  await giveMoney(services.ledger, account, amountNano);
  const { key, apiKey } = await apiKeys.create(ACTOR, { accountId: account.id, name: 'First key' });
  for (const unseen of await apiKeys.list({ accountId: account.id, limit: KEYS_MAX })) {
    if (unseen.id !== apiKey.id && unseen.revokedAt === undefined) await apiKeys.revoke(ACTOR, unseen.id);
  }
  return { apiKey: key, amountNano, currency: account.currency, printed: mark.remove };
}

async function giveMoney(
  ledger: FirstStartServices['ledger'],
  { id, currency }: Account,
  amountNano: bigint,
): Promise<void> {
  const result = await ledger.post({
    kind: 'top-up',
    entries: [
      { address: `account/${id}`, currency, amountNano },
      { address: 'house/promotion', currency, amountNano: -amountNano },
    ],
    reason: 'Promotional balance of the first start',
    actor: ACTOR,
    reference: undefined,
    idempotencyKey: `first-start-${id}`,
    inputSha256: undefined,
  });
  if (!result.posted)
    throw new Error(`The first account could not be given its balance (${result.because}); start again.`);
}

/** On the disk when `put` returns, and gone from it when `remove` does. */
function markIn(dataFolder: string) {
  const file = join(dataFolder, UNFINISHED);
  return {
    get stands() {
      return existsSync(file);
    },
    put() {
      const handle = openSync(file, 'a', 0o600);
      fsyncSync(handle);
      closeSync(handle);
      diskFiles.syncFolderNow(dataFolder);
    },
    remove() {
      if (!existsSync(file)) return;
      rmSync(file, { force: true });
      diskFiles.syncFolderNow(dataFolder);
    },
  };
}
