// Whether a movement that somebody asks for may be posted: a pure decision on the request and the balances.

import type { AccountId } from '../../core/ids.ts';
import { isId } from '../../core/ids.ts';
import { TollgateError } from '../../core/errors.ts';
import { NANO_MAX, NANO_MIN, type Nano } from '../../core/money.ts';
import { bounds } from '../../core/bounds.ts';
import { availableOf, type AccountState } from './account-book.ts';
import type { MovementRequest, MovementResult } from './ledger.ts';
import { isLedgerAddress } from './record-json.ts';
import type { LedgerEntry } from './records.ts';

export type MovementDecision =
  | { readonly allowed: true; readonly changes: readonly { readonly account: AccountState; readonly byNano: Nano }[] }
  | { readonly allowed: false; readonly because: Extract<MovementResult, { posted: false }>['because'] };

/** Legs of one movement; a chargeback with fees and taxes needs half a dozen. */
const ENTRIES_MAX = 100;

/** Throws `invalid_request` or `not_found` where the request is malformed or names an account that has no balance. */
export function decideMovement(
  request: MovementRequest, accountOf: (id: AccountId) => AccountState | undefined,
): MovementDecision {
  const { entries } = request;
  if (entries.length === 0 || entries.length > ENTRIES_MAX) {
    throw invalid('entries', `A movement has 1 to ${ENTRIES_MAX} entries.`);
  }
  checkText('reason', request.reason);
  checkText('actor', request.actor);
  checkText('reference', request.reference);
  checkText('idempotencyKey', request.idempotencyKey);
  const sums = new Map<string, Nano>();
  const changes = new Map<AccountState, Nano>();
  for (const [index, entry] of entries.entries()) {
    if (entry.amountNano > NANO_MAX || entry.amountNano < NANO_MIN) return { allowed: false, because: 'out-of-range' };
    sums.set(entry.currency, (sums.get(entry.currency) ?? 0n) + entry.amountNano);
    const account = accountOfEntry(entry, index, accountOf);
    if (account !== undefined) changes.set(account, (changes.get(account) ?? 0n) + entry.amountNano);
  }
  for (const sum of sums.values()) if (sum !== 0n) return { allowed: false, because: 'unbalanced' };
  for (const [account, byNano] of changes) {
    // Posted and overdraft together stay in range, so that every balance that can be shown does.
    if (account.postedNano + byNano + account.overdraftNano > NANO_MAX) {
      return { allowed: false, because: 'out-of-range' };
    }
    if (byNano < 0n && availableOf(account) + byNano < 0n) return { allowed: false, because: 'insufficient' };
  }
  return { allowed: true, changes: [...changes].map(([account, byNano]) => ({ account, byNano })) };
}

function accountOfEntry(
  entry: LedgerEntry, index: number, accountOf: (id: AccountId) => AccountState | undefined,
): AccountState | undefined {
  if (!isLedgerAddress(entry.address)) {
    throw invalid(`entries[${index}].address`, 'A ledger address is account/<id> or house/<name>.');
  }
  if (!/^[A-Z][A-Z0-9]{2,11}$/.test(entry.currency)) {
    throw invalid(`entries[${index}].currency`, 'A currency is an ISO 4217 code in capitals.');
  }
  if (!entry.address.startsWith('account/')) return undefined;
  const id = entry.address.slice('account/'.length);
  const account = isId('acc', id) ? accountOf(id) : undefined;
  if (account === undefined) {
    const field = `entries[${index}].address`;
    throw new TollgateError('not_found', { message: `Account ${id} has no balance.`, field });
  }
  if (account.currency !== entry.currency) {
    throw invalid(`entries[${index}].currency`,
      `Account ${id} is kept in ${account.currency}, not in ${entry.currency}.`);
  }
  return account;
}

function checkText(field: string, text: string | undefined): void {
  if (text !== undefined && text.length > bounds.textLength) {
    throw invalid(field, `At most ${bounds.textLength} characters.`);
  }
}

function invalid(field: string, message: string): TollgateError {
  return new TollgateError('invalid_request', { message: `${field}: ${message}`, field });
}
