// Rows of operator keys. Each write commits together with its audit event.

import type { EpochMs } from '../../core/clock.ts';
import { isId } from '../../core/ids.ts';
import type { AuditTables } from '../../store/schema/accounts.ts';
import type { OperatorKeyRow, OperatorTables } from '../../store/schema/operators.ts';
import type { SqlFile } from '../../store/sql-file.ts';
import type { AuditEntry } from '../audit/audit.ts';
import { appendAuditEvent } from '../audit/audit-store.ts';
import { operatorScopes, type OperatorKey, type OperatorKeyId } from './operators.ts';

export interface OperatorKeysStore {
  /** By time of making. */
  all(): readonly OperatorKey[];
  insert(key: OperatorKey, entry: AuditEntry): Promise<void>;
  revoke(id: OperatorKeyId, at: EpochMs, entry: AuditEntry): Promise<void>;
}

export function createOperatorKeysStore(file: SqlFile<OperatorTables & AuditTables>): OperatorKeysStore {
  return {
    all: () => file.rows<OperatorKeyRow>('SELECT * FROM operator_key ORDER BY id').flatMap(keyOf),
    insert: (key, entry) =>
      file.transaction(async (transaction) => {
        await transaction
          .insertInto('operator_key')
          .values({
            id: key.id,
            name: key.name,
            sha256: key.sha256,
            hint: key.hint,
            scopes: key.scopes.join(' '),
            created_at: BigInt(key.createdAt),
            expires_at: key.expiresAt === undefined ? null : BigInt(key.expiresAt),
            revoked_at: null,
          })
          .execute();
        await appendAuditEvent(transaction, entry);
      }),
    revoke: (id, at, entry) =>
      file.transaction(async (transaction) => {
        await transaction.updateTable('operator_key').set({ revoked_at: BigInt(at) }).where('id', '=', id).execute();
        await appendAuditEvent(transaction, entry);
      }),
  };
}

/** A row that cannot be read opens nothing: it is left out. */
function keyOf(row: OperatorKeyRow): readonly OperatorKey[] {
  if (!isId('opk', row.id)) return [];
  const named = new Set(row.scopes.split(' '));
  return [
    {
      id: row.id,
      name: row.name,
      sha256: row.sha256,
      hint: row.hint,
      scopes: operatorScopes.filter((scope) => named.has(scope)),
      createdAt: Number(row.created_at),
      expiresAt: row.expires_at === null ? undefined : Number(row.expires_at),
      revokedAt: row.revoked_at === null ? undefined : Number(row.revoked_at),
    },
  ];
}
