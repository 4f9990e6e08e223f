// Rows of users and memberships. Each write commits together with its audit event.

import type { Kysely } from 'kysely';
import type { AccountId, UserId } from '../../core/ids.ts';
import type { AccountsTables } from '../../store/schema/accounts.ts';
import type { SqlFile } from '../../store/sql-file.ts';
import type { AuditEntry } from '../audit/audit.ts';
import { appendAuditEvent } from '../audit/audit-store.ts';
import { membershipOf, userColumns, userOf } from './account-rows.ts';
import type { User } from './accounts.ts';
import type { Role, UserPatch } from './changes.ts';

export interface UserQuery {
  readonly limit: number;
  readonly before?: UserId | undefined;
  /** Only members of this account. */
  readonly accountId?: AccountId | undefined;
}

export interface UsersStore {
  get(id: UserId): Promise<User | undefined>;
  /** Newest first. */
  list(query: UserQuery): Promise<readonly User[]>;
  /** Whether a user other than this one has the address, in whatever case it is written. */
  emailTaken(email: string, byOtherThan: UserId): Promise<boolean>;
  /** At most two: enough to know whether one is the last. */
  someOwners(accountId: AccountId): Promise<readonly string[]>;
  insert(user: User, entry: AuditEntry): Promise<void>;
  update(id: UserId, patch: UserPatch, entry: AuditEntry): Promise<void>;
  setRole(id: UserId, accountId: AccountId, role: Role | undefined, entry: AuditEntry): Promise<void>;
  /** Writes down what was refused. */
  note(entry: AuditEntry): Promise<void>;
}

export function createUsersStore(file: SqlFile<AccountsTables>): UsersStore {
  const get = async (id: UserId): Promise<User | undefined> => {
    const database = await file.kysely();
    const row = await database.selectFrom('user').selectAll().where('id', '=', id).executeTakeFirst();
    return row === undefined ? undefined : userOf(row, (await membershipsOf(database, [id])).get(id) ?? []);
  };
  return {
    get,
    async list(query) {
      const database = await file.kysely();
      let select = database.selectFrom('user').selectAll().orderBy('id', 'desc').limit(query.limit);
      if (query.before !== undefined) select = select.where('id', '<', query.before);
      const { accountId } = query;
      if (accountId !== undefined) {
        select = select.where('id', 'in', (inner) =>
          inner.selectFrom('membership').select('user_id').where('account_id', '=', accountId),
        );
      }
      const rows = await select.execute();
      const memberships = await membershipsOf(
        database,
        rows.map((row) => row.id),
      );
      return rows.map((row) => userOf(row, memberships.get(row.id) ?? []));
    },
    async emailTaken(email, byOtherThan) {
      const database = await file.kysely();
      const other = await database
        .selectFrom('user')
        .select('id')
        .where(({ eb, fn, val }) => eb(fn<string>('lower', ['email']), '=', fn<string>('lower', [val(email)])))
        .where('id', '!=', byOtherThan)
        .executeTakeFirst();
      return other !== undefined;
    },
    async someOwners(accountId) {
      const database = await file.kysely();
      const rows = await database
        .selectFrom('membership')
        .select('user_id')
        .where('account_id', '=', accountId)
        .where('role', '=', 'owner')
        .limit(2)
        .execute();
      return rows.map((row) => row.user_id);
    },
    insert: (user, entry) =>
      file.transaction(async (transaction) => {
        await transaction
          .insertInto('user')
          .values({ id: user.id, name: user.name, email: user.email ?? null, created_at: user.createdAt })
          .execute();
        await appendAuditEvent(transaction, entry);
      }),
    update: (id, patch, entry) =>
      file.transaction(async (transaction) => {
        await transaction.updateTable('user').set(userColumns(patch)).where('id', '=', id).execute();
        await appendAuditEvent(transaction, entry);
      }),
    setRole: (id, accountId, role, entry) =>
      file.transaction(async (transaction) => {
        if (role === undefined) {
          await transaction
            .deleteFrom('membership')
            .where('account_id', '=', accountId)
            .where('user_id', '=', id)
            .execute();
        } else {
          await transaction
            .insertInto('membership')
            .values({ account_id: accountId, user_id: id, role })
            .onConflict((conflict) => conflict.columns(['account_id', 'user_id']).doUpdateSet({ role }))
            .execute();
        }
        await appendAuditEvent(transaction, entry);
      }),
    note: (entry) =>
      file.transaction(async (transaction) => void (await appendAuditEvent(transaction, entry))),
  };
}

async function membershipsOf(
  database: Kysely<AccountsTables>,
  ids: readonly string[],
): Promise<ReadonlyMap<string, User['memberships']>> {
  if (ids.length === 0) return new Map();
  const rows = await database
    .selectFrom('membership')
    .selectAll()
    .where('user_id', 'in', ids)
    .orderBy('account_id')
    .execute();
  return new Map(
    [...Map.groupBy(rows, (row) => row.user_id)].map(([userId, theirs]) => [
      userId,
      theirs.map(membershipOf),
    ]),
  );
}
