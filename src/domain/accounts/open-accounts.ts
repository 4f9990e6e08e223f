// Opens the accounts domain at start: reads what authenticate needs into memory, and brings the ledger in
// line with the rows, so that a crash between the two leaves no account without a balance and no overdraft
// that nobody granted.

import type { Clock } from '../../core/clock.ts';
import type { IdSource } from '../../core/ids.ts';
import type { Currency } from '../../core/money.ts';
import type { RandomBytes } from '../../core/secrets.ts';
import type { GroupConfig } from '../../plugin/gateway.ts';
import type { AccountsFile } from '../../store/schema/accounts.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { createAccountDirectory } from './account-directory.ts';
import type { Account, AccountDirectory } from './accounts.ts';
import { createTurns } from './accounts-context.ts';
import type { AccountsContext } from './accounts-context.ts';
import { createAccountsService } from './accounts-service.ts';
import type { AccountsService } from './accounts-service.ts';
import { createAccountsStore } from './accounts-store.ts';
import { createApiKeysService } from './api-keys-service.ts';
import type { ApiKeysService } from './api-keys-service.ts';
import { createApiKeysStore } from './api-keys-store.ts';
import { configGroup, createGroupsService } from './groups-service.ts';
import type { GroupsService } from './groups-service.ts';
import { createGroupsStore } from './groups-store.ts';
import { createUsersService } from './users-service.ts';
import type { UsersService } from './users-service.ts';
import { createUsersStore } from './users-store.ts';

export interface AccountsOptions {
  /** The process's one `tollgate.db`, migrated. */
  readonly file: AccountsFile;
  readonly ledger: Pick<Ledger, 'openAccount' | 'balance'>;
  readonly clock: Clock;
  readonly newId: IdSource;
  readonly randomBytes: RandomBytes;
  readonly configGroups: readonly GroupConfig[];
  /** Currency of accounts that name none. */
  readonly currency: Currency;
}

export interface Accounts {
  readonly directory: AccountDirectory;
  readonly accounts: AccountsService;
  readonly users: UsersService;
  readonly groups: GroupsService;
  readonly apiKeys: ApiKeysService;
  /** How many accounts there were when it was opened. */
  readonly accountsFound: number;
  /** What an operator should know: groups that are named and not there, and the like. For the log. */
  readonly warnings: readonly string[];
}

export async function openAccounts(options: AccountsOptions): Promise<Accounts> {
  const { file, ledger, clock } = options;
  const accounts = createAccountsStore(file);
  const users = createUsersStore(file);
  const groups = createGroupsStore(file);
  const apiKeys = createApiKeysStore(file);
  const at = clock.now();
  const known = accounts.all();
  const declared = options.configGroups.map(configGroup);
  const stored = groups.all();
  // The config's group comes last and so takes the place of one with the same name.
  const directory = createAccountDirectory(
    {
      accounts: known, groups: [...stored, ...declared],
      keys: apiKeys.live(at), rotations: apiKeys.rotations(),
    },
    at,
  );
  const warnings = await alignLedger(known, ledger);
  for (const name of groups.namesInUse()) {
    if (directory.group(name) === undefined)
      warnings.push(`the group ${name} is in use, but neither the config nor an operator declares it`);
  }
  for (const { name } of declared) {
    if (stored.some((group) => group.name === name))
      warnings.push(`the group ${name} of the config hides the one that an operator made`);
  }
  const context: AccountsContext = {
    accounts,
    users,
    groups,
    apiKeys,
    directory,
    ledger,
    clock,
    newId: options.newId,
    randomBytes: options.randomBytes,
    currency: options.currency,
    turn: createTurns(),
  };
  return {
    directory,
    accountsFound: known.length,
    warnings,
    accounts: createAccountsService(context),
    users: createUsersService(context),
    groups: createGroupsService(context),
    apiKeys: createApiKeysService(context),
  };
}

async function alignLedger(
  accounts: readonly Account[],
  ledger: AccountsOptions['ledger'],
): Promise<string[]> {
  const warnings: string[] = [];
  for (const account of accounts) {
    const balance = await ledger.balance(account.id);
    if (balance !== undefined && balance.currency !== account.currency) {
      warnings.push(
        `account ${account.id} is kept in ${account.currency}, its balance in ${balance.currency}`,
      );
    } else if (balance?.overdraftNano !== account.overdraftNano) {
      await ledger.openAccount(account.id, account.currency, account.overdraftNano);
    }
  }
  return warnings;
}
