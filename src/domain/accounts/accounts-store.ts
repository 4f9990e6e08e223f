// Rows of accounts. An update touches the columns of its patch and no other; each write commits together with
// its audit event.

import type { AccountId } from '../../core/ids.ts';
import type { AccountRow, AccountsTables } from '../../store/schema/accounts.ts';
import type { SqlFile } from '../../store/sql-file.ts';
import type { AuditEntry } from '../audit/audit.ts';
import { appendAuditEvent } from '../audit/audit-store.ts';
import { accountColumns, accountOf, budgetColumns, budgetsPatchOf, limitColumns } from './account-rows.ts';
import type { Account } from './accounts.ts';
import type { AccountPatch } from './changes.ts';

export interface AccountQuery {
  readonly limit: number;
  /** Accounts made before this one. */
  readonly before?: AccountId | undefined;
  readonly status?: Account['status'] | undefined;
  readonly group?: string | undefined;
}

export interface AccountsStore {
  /** At opening. */
  all(): readonly Account[];
  /** Newest first. */
  list(query: AccountQuery): Promise<readonly Account[]>;
  insert(account: Account, entry: AuditEntry): Promise<void>;
  /** The account after the patch; undefined if there is none with that id and status. */
  update(
    id: AccountId,
    statusBefore: Account['status'],
    patch: AccountPatch,
    entry: AuditEntry,
  ): Promise<Account | undefined>;
}

export function createAccountsStore(file: SqlFile<AccountsTables>): AccountsStore {
  return {
    all: () => file.rows<AccountRow>('SELECT * FROM account').map(accountOf),
    async list(query) {
      const database = await file.kysely();
      let select = database.selectFrom('account').selectAll().orderBy('id', 'desc').limit(query.limit);
      if (query.before !== undefined) select = select.where('id', '<', query.before);
      if (query.status !== undefined) select = select.where('status', '=', query.status);
      if (query.group !== undefined) select = select.where('group_name', '=', query.group);
      return (await select.execute()).map(accountOf);
    },
    insert: (account, entry) =>
      file.transaction(async (transaction) => {
        await transaction
          .insertInto('account')
          .values({
            id: account.id,
            kind: account.kind,
            name: account.name,
            currency: account.currency,
            overdraft_nano: account.overdraftNano,
            status: account.status,
            group_name: account.group ?? null,
            created_at: account.createdAt,
            ...limitColumns(account.limits),
            ...budgetColumns(budgetsPatchOf(account.budgets)),
          })
          .execute();
        await appendAuditEvent(transaction, entry);
      }),
    update: (id, statusBefore, patch, entry) =>
      file.transaction(async (transaction) => {
        const row = await transaction
          .updateTable('account')
          .set(accountColumns(patch))
          .where('id', '=', id)
          .where('status', '=', statusBefore)
          .returningAll()
          .executeTakeFirst();
        if (row === undefined) return undefined;
        await appendAuditEvent(transaction, entry);
        return accountOf(row);
      }),
  };
}
