// Opens the accounts domain at start: reads what authenticate needs into memory, and brings the ledger in
// line with the rows, so that a crash between the two leaves no account without a balance and no overdraft
// that nobody granted.

import type { Clock } from '../../core/clock.ts';
import type { DeclaredAt } from '../../core/declared-at.ts';
import type { IdSource } from '../../core/ids.ts';
import type { Currency } from '../../core/money.ts';
import type { RandomBytes } from '../../core/secrets.ts';
import type { GroupConfig } from '../../plugin/gateway.ts';
import type { AccountsFile } from '../../store/schema/accounts.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { createAccountDirectory } from './account-directory.ts';
import type { Account, AccountDirectory, Group } from './accounts.ts';
import { createTurns, type AccountsContext, type Turns } from './accounts-context.ts';
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
  readonly config: DeclaredAccounts;
  /** Where the config declares something, for refusals. */
  readonly declaredAt: DeclaredAt;
}

/** What a config says about accounts. */
export interface DeclaredAccounts {
  readonly groups: readonly GroupConfig[];
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
  /** Decides what another config makes of the groups. To be published within the same `turn`. */
  prepare(config: DeclaredAccounts): { publish(): void; readonly warnings: readonly string[] };
  /** Keeps changes by operators out while it runs. */
  readonly turn: Turns;
}

export async function openAccounts(options: AccountsOptions): Promise<Accounts> {
  const { file, ledger, clock } = options;
  const accounts = createAccountsStore(file);
  const users = createUsersStore(file);
  const groups = createGroupsStore(file);
  const apiKeys = createApiKeysStore(file);
  const at = clock.now();
  const known = accounts.all();
  let config = options.config;
  const declared = config.groups.map(configGroup);
  const stored = groups.all();
  // The config's group comes last and so takes the place of one with the same name.
  const directory = createAccountDirectory(
    {
      accounts: known, groups: [...stored, ...declared],
      keys: apiKeys.live(at), rotations: apiKeys.rotations(),
    },
    at,
  );
  const warnings = [
    ...(await alignLedger(known, ledger)),
    ...groupWarnings(groups.namesInUse(), stored, declared),
  ];
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
    get currency() {
      return config.currency;
    },
    declaredAt: options.declaredAt,
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
    turn: context.turn,
    prepare(next) {
      const own = groups.all();
      const coming = next.groups.map(configGroup);
      return {
        publish() {
          config = next;
          directory.setGroups([...own, ...coming]);
        },
        // Who uses which group is a long question, and only matters where one goes.
        warnings: groupWarnings(config.groups.every(isAmong(next.groups)) ? [] : groups.namesInUse(), own, coming),
      };
    },
  };
}

const isAmong =
  (groups: readonly GroupConfig[]) =>
  ({ name }: GroupConfig): boolean =>
    groups.some((group) => group.name === name);

function groupWarnings(
  inUse: readonly string[],
  stored: readonly Group[],
  declared: readonly Group[],
): readonly string[] {
  const names = new Set([...stored, ...declared].map(({ name }) => name));
  return [
    ...inUse
      .filter((name) => !names.has(name))
      .map((name) => `the group ${name} is in use, but neither the config nor an operator declares it`),
    ...declared
      .filter(({ name }) => stored.some((group) => group.name === name))
      .map(({ name }) => `the group ${name} of the config hides the one that an operator made`),
  ];
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
