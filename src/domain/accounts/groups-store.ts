// Rows of the groups that operators made. Each write commits together with its audit event.

import type { AccountsTables, GroupRow } from '../../store/schema/accounts.ts';
import type { SqlFile } from '../../store/sql-file.ts';
import type { AuditEntry } from '../audit/audit.ts';
import { appendAuditEvent } from '../audit/audit-store.ts';
import { groupColumns, groupOf, limitColumns } from './account-rows.ts';
import type { Group } from './accounts.ts';
import type { GroupPatch } from './changes.ts';

export interface GroupUse {
  readonly accounts: bigint;
  readonly keys: bigint;
}

export interface GroupsStore {
  /** At opening. */
  all(): readonly Group[];
  insert(group: Group, entry: AuditEntry): Promise<void>;
  update(name: string, patch: GroupPatch, entry: AuditEntry): Promise<Group | undefined>;
  remove(name: string, entry: AuditEntry): Promise<void>;
  /** Accounts that are not closed and keys that are not deleted. */
  usedBy(name: string): Promise<GroupUse>;
  /** Names that accounts or keys refer to, at opening. */
  namesInUse(): readonly string[];
}

export function createGroupsStore(file: SqlFile<AccountsTables>): GroupsStore {
  return {
    all: () => file.rows<GroupRow>('SELECT * FROM "group"').map(groupOf),
    insert: (group, entry) =>
      file.transaction(async (transaction) => {
        await transaction
          .insertInto('group')
          .values({
            id: group.id,
            name: group.name,
            multiplier_ppm: group.multiplierPpm,
            ...limitColumns(group.limits),
          })
          .execute();
        await appendAuditEvent(transaction, entry);
      }),
    update: (name, patch, entry) =>
      file.transaction(async (transaction) => {
        const row = await transaction
          .updateTable('group')
          .set(groupColumns(patch))
          .where('name', '=', name)
          .returningAll()
          .executeTakeFirst();
        if (row === undefined) return undefined;
        await appendAuditEvent(transaction, entry);
        return groupOf(row);
      }),
    remove: (name, entry) =>
      file.transaction(async (transaction) => {
        await transaction.deleteFrom('group').where('name', '=', name).execute();
        await appendAuditEvent(transaction, entry);
      }),
    async usedBy(name) {
      const database = await file.kysely();
      const { accounts } = await database
        .selectFrom('account')
        .select((count) => count.fn.countAll<bigint>().as('accounts'))
        .where('group_name', '=', name)
        .where('status', '!=', 'closed')
        .executeTakeFirstOrThrow();
      const { keys } = await database
        .selectFrom('api_key')
        .select((count) => count.fn.countAll<bigint>().as('keys'))
        .where('group_name', '=', name)
        .where('revoked_at', 'is', null)
        .executeTakeFirstOrThrow();
      return { accounts, keys };
    },
    namesInUse: () => file.rows<{ readonly group_name: string }>(NAMES_IN_USE).map((row) => row.group_name),
  };
}

const NAMES_IN_USE = `
  SELECT group_name FROM account WHERE group_name IS NOT NULL AND status != 'closed'
  UNION SELECT group_name FROM api_key WHERE group_name IS NOT NULL AND revoked_at IS NULL`;
