// What the services of this folder share. Invariant: one change at a time. A change decides on what is there,
// is committed together with its audit event, and is published to the directory before the next change
// begins.

import type { Clock } from '../../core/clock.ts';
import type { DeclaredAt } from '../../core/declared-at.ts';
import { TollgateError } from '../../core/errors.ts';
import type { IdSource } from '../../core/ids.ts';
import type { Currency } from '../../core/money.ts';
import type { RandomBytes } from '../../core/secrets.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { WritableDirectory } from './account-directory.ts';
import type { AccountsStore } from './accounts-store.ts';
import type { ApiKeysStore } from './api-keys-store.ts';
import type { GroupsStore } from './groups-store.ts';
import type { UsersStore } from './users-store.ts';

export interface AccountsContext {
  readonly accounts: AccountsStore;
  readonly users: UsersStore;
  readonly groups: GroupsStore;
  readonly apiKeys: ApiKeysStore;
  readonly directory: WritableDirectory;
  readonly ledger: Pick<Ledger, 'openAccount' | 'balance'>;
  readonly clock: Clock;
  readonly newId: IdSource;
  readonly randomBytes: RandomBytes;
  /** Currency of accounts that name none. */
  readonly currency: Currency;
  /** Where the config declares something, for refusals. */
  readonly declaredAt: DeclaredAt;
  readonly turn: Turns;
}

/** Runs the works that are handed in one after the other; one that fails does not stop the next. */
export type Turns = <T>(work: () => Promise<T>) => Promise<T>;

export function createTurns(): Turns {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const result = last.then(work);
    last = result.catch(() => undefined);
    return result;
  };
}

/** The same for what never was and for what is not the caller's. */
export function notFound(noun: string, field?: string): TollgateError {
  return new TollgateError('not_found', {
    message: `There is no such ${noun}.`,
    ...(field !== undefined && { field }),
  });
}

export function conflict(because: string, field?: string): TollgateError {
  return new TollgateError('conflict', {
    message: `${field ?? 'Conflict'}: ${because}.`,
    ...(field !== undefined && { field }),
  });
}
