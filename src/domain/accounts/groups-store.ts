// Rows of the groups that operators made. Each write commits together with its audit event.

import type { Kysely } from 'kysely';
import type { AccountsTables } from '../../store/schema/accounts.ts';
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
  all(): Promise<readonly Group[]>;
  insert(group: Group, entry: AuditEntry): Promise<void>;
  update(name: string, patch: GroupPatch, entry: AuditEntry): Promise<Group | undefined>;
  remove(name: string, entry: AuditEntry): Promise<void>;
  /** Accounts that are not closed and keys that are not deleted. */
  usedBy(name: string): Promise<GroupUse>;
  /** Names that accounts or keys refer to. */
  namesInUse(): Promise<readonly string[]>;
}

export function createGroupsStore(database: Kysely<AccountsTables>): GroupsStore {
  return {
    all: async () => (await database.selectFrom('group').selectAll().execute()).map(groupOf),
    insert: (group, entry) =>
      database.transaction().execute(async (transaction) => {
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
      database.transaction().execute(async (transaction) => {
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
      database.transaction().execute(async (transaction) => {
        await transaction.deleteFrom('group').where('name', '=', name).execute();
        await appendAuditEvent(transaction, entry);
      }),
    async usedBy(name) {
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
    async namesInUse() {
      const rows = await database
        .selectFrom('account')
        .select('group_name')
        .where('group_name', 'is not', null)
        .where('status', '!=', 'closed')
        .union(
          database
            .selectFrom('api_key')
            .select('group_name')
            .where('group_name', 'is not', null)
            .where('revoked_at', 'is', null),
        )
        .execute();
      return rows.flatMap((row) => row.group_name ?? []);
    },
  };
}
