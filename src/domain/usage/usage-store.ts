// Usage records, read from `ledger.db`: found by their columns, answered from the text that the journal carried.

import type { Kysely } from 'kysely';
import { isId, type MovementId, type RequestId } from '../../core/ids.ts';
import type { LedgerTables } from '../../store/schema/ledger.ts';
import { readUsageRecord } from '../ledger/record-json.ts';
import type { StoredUsage, UsageFilter, UsageReader } from './usage-reader.ts';

/**
 * `settled` is the ledger's: what was acknowledged before the call is in the answer. While the loader is down (it says
 * so in the log) reads go on with what it had loaded.
 */
export function createUsageReader(database: Kysely<LedgerTables>, settled: () => Promise<void>): UsageReader {
  const rows = () => database.selectFrom('usage').innerJoin('movement', 'movement.position', 'usage.movement_position')
    .select(['usage.detail as detail', 'movement.id as movement_id']);
  const filtered = (filter: UsageFilter) => {
    const { accountId, apiKeyId, model, upstream, outcome, since, until } = filter;
    let query = rows();
    if (accountId !== undefined) query = query.where('usage.account_id', '=', accountId);
    if (apiKeyId !== undefined) query = query.where('usage.api_key_id', '=', apiKeyId);
    if (model !== undefined) query = query.where('usage.model', '=', model);
    if (upstream !== undefined) query = query.where('usage.upstream', '=', upstream);
    if (outcome !== undefined) query = query.where('usage.outcome', '=', outcome);
    if (since !== undefined) query = query.where('usage.admitted_at', '>=', BigInt(since));
    if (until !== undefined) query = query.where('usage.admitted_at', '<', BigInt(until));
    return query;
  };
  return {
    async list(filter: UsageFilter, limit: number, before: RequestId | undefined) {
      await settled().catch(() => undefined);
      let query = filtered(filter).orderBy('usage.request_id', 'desc').limit(limit);
      if (before !== undefined) query = query.where('usage.request_id', '<', before);
      return (await query.execute()).map(storedUsage);
    },
    async get(requestId: RequestId) {
      await settled().catch(() => undefined);
      const row = await rows().where('usage.request_id', '=', requestId).executeTakeFirst();
      return row === undefined ? undefined : storedUsage(row);
    },
  };
}

function storedUsage(row: { readonly detail: string; readonly movement_id: string }): StoredUsage {
  const record = readUsageRecord(row.detail);
  return { record, movementId: record.chargeNano === 0n ? undefined : movementId(row.movement_id) };
}

function movementId(text: string): MovementId {
  if (!isId('mov', text)) throw new Error(`a usage row names the movement ${text}`);
  return text;
}
