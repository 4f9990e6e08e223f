// Accounts: opened, changed, suspended, closed. The row is the truth of an account, the ledger of its money:
// an account is opened in the ledger before anybody can find it, and start-up brings the ledger's overdraft
// in line with the row.

import type { AccountId } from '../../core/ids.ts';
import { changeText } from '../audit/audit.ts';
import { requireRuling, ruleStatus } from './account-rules.ts';
import type { Account } from './accounts.ts';
import { conflict, notFound } from './accounts-context.ts';
import type { AccountsContext } from './accounts-context.ts';
import type { AccountQuery } from './accounts-store.ts';
import { budgetsOfPatch, isEmptyPatch, limitsOfPatch } from './changes.ts';
import type { AccountPatch, NewAccount } from './changes.ts';
import {
  checkAmount,
  checkBudgets,
  checkCurrency,
  checkGroup,
  checkLimits,
  checkName,
} from './input-rules.ts';

export interface AccountsService {
  /** Rejects with `money_unavailable` while the ledger cannot write; nothing was created then. */
  create(actor: string, input: NewAccount): Promise<Account>;
  /** From memory. */
  get(id: AccountId): Account | undefined;
  /** Newest first. */
  list(query: AccountQuery): Promise<readonly Account[]>;
  /** Repeating a patch of the overdraft that failed with `money_unavailable` mends it. */
  update(actor: string, id: AccountId, patch: AccountPatch): Promise<Account>;
}

export function createAccountsService(context: AccountsContext): AccountsService {
  return {
    create: (actor, input) => context.turn(() => createAccount(context, actor, input)),
    get: (id) => context.directory.account(id),
    list: (query) => context.accounts.list(query),
    update: (actor, id, patch) => context.turn(() => updateAccount(context, actor, id, patch)),
  };
}

/** Names of persons are personal data; names of companies are not. */
const personalFields = (kind: Account['kind']): readonly string[] => (kind === 'person' ? ['name'] : []);

async function createAccount(context: AccountsContext, actor: string, input: NewAccount): Promise<Account> {
  checkName('name', input.name);
  checkCurrency('currency', input.currency);
  checkInput(context, input);
  const account: Account = {
    id: context.newId('acc'),
    kind: input.kind,
    name: input.name,
    currency: input.currency ?? context.currency,
    overdraftNano: input.overdraftNano ?? 0n,
    status: 'active',
    group: input.group ?? undefined,
    limits: limitsOfPatch(input.limits),
    budgets: budgetsOfPatch(input.budgets),
    createdAt: context.clock.now(),
  };
  // A crash after this leaves an empty balance that nobody can name: harmless. The other way round, an
  // account without one.
  await context.ledger.openAccount(account.id, account.currency, account.overdraftNano);
  await context.accounts.insert(account, {
    at: account.createdAt,
    actor,
    action: 'account.create',
    target: `account/${account.id}`,
    change: changeText(
      { ...input, currency: account.currency, overdraftNano: account.overdraftNano },
      personalFields(account.kind),
    ),
  });
  context.directory.putAccount(account);
  return account;
}

async function updateAccount(
  context: AccountsContext,
  actor: string,
  id: AccountId,
  patch: AccountPatch,
): Promise<Account> {
  const { accounts, directory, ledger, clock } = context;
  const current = directory.account(id);
  if (current === undefined) throw notFound('account');
  checkName('name', patch.name);
  checkInput(context, patch);
  if (isEmptyPatch(patch)) return current;
  const to = patch.status ?? current.status;
  requireRuling(ruleStatus(current, to, to === 'closed' ? await ledger.balance(id) : undefined), 'status');
  const account = await accounts.update(id, current.status, patch, {
    at: clock.now(),
    actor,
    action: 'account.update',
    target: `account/${id}`,
    change: changeText({ ...patch }, personalFields(current.kind)),
  });
  if (account === undefined)
    throw conflict('was changed by somebody else meanwhile; read the account and try again', 'status');
  directory.putAccount(account);
  // Also when it is the same as before: repeating a change that the ledger could not take is how it is
  // mended.
  if (patch.overdraftNano !== undefined)
    await ledger.openAccount(id, account.currency, account.overdraftNano);
  return account;
}

function checkInput(context: AccountsContext, input: AccountPatch | NewAccount): void {
  checkAmount('overdraftNano', input.overdraftNano);
  checkLimits('limits', input.limits);
  checkBudgets('budgets', input.budgets);
  checkGroup('group', input.group, context.directory);
}
