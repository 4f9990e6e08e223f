// The accounts domain on a database in memory, with a clock, chance and ledger that tests hold in their
// hands.

import type { Kysely } from 'kysely';
import { openAccounts } from '../../src/domain/accounts/open-accounts.ts';
import type { Accounts } from '../../src/domain/accounts/open-accounts.ts';
import { newId } from '../../src/core/ids.ts';
import { systemRandomBytes } from '../../src/core/secrets.ts';
import { TollgateError } from '../../src/core/errors.ts';
import type { GroupConfig } from '../../src/plugin/gateway.ts';
import { migrate } from '../../src/store/migrate.ts';
import { accountsMigrations } from '../../src/store/schema/accounts.ts';
import type { AccountsTables } from '../../src/store/schema/accounts.ts';
import { sqlFileOn } from '../../src/store/sql-file.ts';
import { openSqlite } from '../../src/store/sqlite.ts';
import { createFakeLedger } from './ledger.ts';
import type { FakeLedger } from './ledger.ts';

export interface AccountsRig extends Accounts {
  readonly database: Kysely<AccountsTables>;
  readonly raw: ReturnType<typeof openSqlite>;
  readonly ledger: FakeLedger;
  /** Wall clock, set by tests. */
  readonly time: { now: number };
  /** Opens the domain anew on the same database and ledger, as after a crash. */
  reopen(configGroups?: readonly GroupConfig[]): Promise<Accounts>;
}

export const operator = 'operator:opk_test';

export async function accountsRig(
  options: { readonly configGroups?: readonly GroupConfig[] } = {},
): Promise<AccountsRig> {
  const raw = openSqlite({ path: ':memory:' });
  migrate(raw, accountsMigrations);
  const file = sqlFileOn<AccountsTables>(raw);
  const database = await file.kysely();
  const ledger = createFakeLedger(
    () => new TollgateError('money_unavailable', { message: 'No charge can be made durable now.' }),
  );
  const time = { now: Date.UTC(2026, 0, 15, 12) };
  const open = (configGroups: readonly GroupConfig[]): Promise<Accounts> =>
    openAccounts({
      file,
      ledger,
      clock: { now: () => time.now, monotonicMs: () => time.now },
      newId,
      randomBytes: systemRandomBytes,
      config: { groups: configGroups, currency: 'USD' },
      declaredAt: async () => undefined,
    });
  const accounts = await open(options.configGroups ?? []);
  return {
    ...accounts,
    database,
    raw,
    ledger,
    time,
    reopen: (configGroups = options.configGroups ?? []) => open(configGroups),
  };
}

/** With an account that has one key. */
export async function rigWithKey() {
  const rig = await accountsRig();
  const account = await rig.accounts.create(operator, { kind: 'company', name: 'A' });
  const issued = await rig.apiKeys.create(operator, { accountId: account.id, name: 'k' });
  return { ...rig, account, ...issued };
}
