// Rows of API keys: hashes and hints, never keys. Each write commits together with its audit events.

import type { EpochMs } from '../../core/clock.ts';
import type { AccountId, ApiKeyId, UserId } from '../../core/ids.ts';
import type { AccountsTables, ApiKeyRow } from '../../store/schema/accounts.ts';
import type { SqlFile } from '../../store/sql-file.ts';
import type { AuditEntry } from '../audit/audit.ts';
import { appendAuditEvent } from '../audit/audit-store.ts';
import { apiKeyColumns, apiKeyOf, apiKeyRow, rotationOf } from './account-rows.ts';
import type { ApiKey } from './accounts.ts';
import type { ApiKeyPatch } from './changes.ts';

export interface ApiKeyQuery {
  readonly limit: number;
  readonly before?: ApiKeyId | undefined;
  readonly accountId?: AccountId | undefined;
  readonly userId?: UserId | undefined;
}

export interface ApiKeysStore {
  /** All that are neither deleted nor past their end, at opening. */
  live(at: EpochMs): readonly ApiKey[];
  /** All that replaced another, deleted and ended ones too; the older first. At opening. */
  rotations(): readonly Pick<ApiKey, 'id' | 'rotatedFrom'>[];
  get(id: ApiKeyId): Promise<ApiKey | undefined>;
  /** Newest first; deleted ones too. */
  list(query: ApiKeyQuery): Promise<readonly ApiKey[]>;
  liveCount(accountId: AccountId, at: EpochMs): Promise<bigint>;
  successorOf(id: ApiKeyId): Promise<string | undefined>;
  insert(key: ApiKey, entry: AuditEntry): Promise<void>;
  /** The key after the patch; undefined if there is none, or it is deleted. */
  update(id: ApiKeyId, patch: ApiKeyPatch, entry: AuditEntry): Promise<ApiKey | undefined>;
  /**
   * Puts the new key in and ends the old one, both or neither. The old key as it is then; undefined if it is
   * deleted.
   */
  replace(
    successor: ApiKey,
    oldId: ApiKeyId,
    oldExpiresAt: EpochMs,
    entries: readonly AuditEntry[],
  ): Promise<ApiKey | undefined>;
  /** The key, deleted by this call; undefined if it was before, or never was. */
  revoke(id: ApiKeyId, at: EpochMs, entry: AuditEntry): Promise<ApiKey | undefined>;
}

const ROTATIONS = 'SELECT id, rotated_from FROM api_key WHERE rotated_from IS NOT NULL ORDER BY id';
const LIVE = 'SELECT * FROM api_key WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?)';

export function createApiKeysStore(file: SqlFile<AccountsTables>): ApiKeysStore {
  return {
    rotations: () => file.rows<Pick<ApiKeyRow, 'id' | 'rotated_from'>>(ROTATIONS).map(rotationOf),
    live: (at) => file.rows<ApiKeyRow>(LIVE, BigInt(at)).map(apiKeyOf),
    async get(id) {
      const database = await file.kysely();
      const row = await database.selectFrom('api_key').selectAll().where('id', '=', id).executeTakeFirst();
      return row === undefined ? undefined : apiKeyOf(row);
    },
    async list(query) {
      const database = await file.kysely();
      let select = database.selectFrom('api_key').selectAll().orderBy('id', 'desc').limit(query.limit);
      if (query.before !== undefined) select = select.where('id', '<', query.before);
      if (query.accountId !== undefined) select = select.where('account_id', '=', query.accountId);
      if (query.userId !== undefined) select = select.where('user_id', '=', query.userId);
      return (await select.execute()).map(apiKeyOf);
    },
    async liveCount(accountId, at) {
      const database = await file.kysely();
      const { keys } = await database
        .selectFrom('api_key')
        .where('account_id', '=', accountId)
        .where('revoked_at', 'is', null)
        .where((either) => either.or([either('expires_at', 'is', null), either('expires_at', '>', BigInt(at))]))
        .select((count) => count.fn.countAll<bigint>().as('keys'))
        .executeTakeFirstOrThrow();
      return keys;
    },
    async successorOf(id) {
      const database = await file.kysely();
      return (await database.selectFrom('api_key').select('id').where('rotated_from', '=', id).executeTakeFirst())?.id;
    },
    insert: (key, entry) =>
      file.transaction(async (transaction) => {
        await transaction.insertInto('api_key').values(apiKeyRow(key)).execute();
        await appendAuditEvent(transaction, entry);
      }),
    update: (id, patch, entry) =>
      file.transaction(async (transaction) => {
        const row = await transaction
          .updateTable('api_key')
          .set(apiKeyColumns(patch))
          .where('id', '=', id)
          .where('revoked_at', 'is', null)
          .returningAll()
          .executeTakeFirst();
        if (row === undefined) return undefined;
        await appendAuditEvent(transaction, entry);
        return apiKeyOf(row);
      }),
    replace: (successor, oldId, oldExpiresAt, entries) =>
      file.transaction(async (transaction) => {
        const old = await transaction
          .updateTable('api_key')
          .set({ expires_at: oldExpiresAt })
          .where('id', '=', oldId)
          .where('revoked_at', 'is', null)
          .returningAll()
          .executeTakeFirst();
        if (old === undefined) return undefined;
        await transaction.insertInto('api_key').values(apiKeyRow(successor)).execute();
        for (const entry of entries) await appendAuditEvent(transaction, entry);
        return apiKeyOf(old);
      }),
    revoke: (id, at, entry) =>
      file.transaction(async (transaction) => {
        const row = await transaction
          .updateTable('api_key')
          .set({ revoked_at: at })
          .where('id', '=', id)
          .where('revoked_at', 'is', null)
          .returningAll()
          .executeTakeFirst();
        if (row === undefined) return undefined;
        await appendAuditEvent(transaction, entry);
        return apiKeyOf(row);
      }),
  };
}
