// Usage records, read from `ledger.db`: found by their columns, answered from the text that the journal carried, which
// lies in a pack with those of its neighbours.

import type { Kysely } from 'kysely';
import { isId, type MovementId, type RequestId } from '../../core/ids.ts';
import type { LedgerTables } from '../../store/schema/ledger.ts';
import { unpack } from '../../store/usage-packs.ts';
import { readUsageRecord } from '../ledger/record-json.ts';
import type { StoredUsage, UsageFilter, UsageReader } from './usage-reader.ts';

/**
 * `settled` is the ledger's: what was acknowledged before the call is in the answer. While the loader is down (it says
 * so in the log) reads go on with what it had loaded.
 */
export function createUsageReader(database: Kysely<LedgerTables>, settled: () => Promise<void>): UsageReader {
  const rows = () => database.selectFrom('usage').innerJoin('movement', 'movement.position', 'usage.movement_position')
    .select(['usage.position as position', 'movement.id as movement_id']);
  const filtered = (filter: Narrowed) => {
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
      const accountId = filter.accountId ?? (await payerOf(database, filter.apiKeyId));
      if (accountId === null) return [];
      let query = filtered({ ...filter, accountId }).orderBy('usage.request_id', 'desc').limit(limit);
      if (before !== undefined) query = query.where('usage.request_id', '<', before);
      return withTexts(database, await query.execute());
    },
    async get(requestId: RequestId) {
      await settled().catch(() => undefined);
      const found = await rows().where('usage.request_id', '=', requestId).execute();
      return (await withTexts(database, found))[0];
    },
  };
}

/** The account of a key is found apart, and has an index; a key with more than one is then looked for in all rows. */
type Narrowed = Omit<UsageFilter, 'accountId'> & { readonly accountId: string | undefined };

/** Null: nobody, so that there is nothing to list. Undefined: it does not narrow anything down. */
async function payerOf(
  database: Kysely<LedgerTables>, apiKeyId: string | undefined,
): Promise<string | undefined | null> {
  if (apiKeyId === undefined) return undefined;
  const payers = await database.selectFrom('usage_key').select('account_id').where('api_key_id', '=', apiKeyId)
    .limit(2).execute();
  return payers.length > 1 ? undefined : (payers[0]?.account_id ?? null);
}

interface FoundUsage {
  readonly position: bigint;
  readonly movement_id: string;
}

interface OpenPack {
  readonly position: bigint;
  readonly texts: readonly string[];
}

/** A page is mostly of neighbours, and those share a pack: each is read and opened once. */
async function withTexts(
  database: Kysely<LedgerTables>, found: readonly FoundUsage[],
): Promise<readonly StoredUsage[]> {
  const packs: OpenPack[] = [];
  const stored: StoredUsage[] = [];
  for (const { position, movement_id } of found) {
    let pack = packs.find((open) => textIn(open, position) !== undefined);
    if (pack === undefined) packs.push((pack = await openPack(database, position)));
    const text = textIn(pack, position);
    if (text === undefined) throw new Error(`the record of usage row ${position} is missing`);
    const record = readUsageRecord(text);
    stored.push({ record, movementId: record.chargeNano === 0n ? undefined : movementId(movement_id) });
  }
  return stored;
}

const textIn = (pack: OpenPack, position: bigint): string | undefined => pack.texts[Number(position - pack.position)];

async function openPack(database: Kysely<LedgerTables>, position: bigint): Promise<OpenPack> {
  const pack = await database.selectFrom('usage_pack').select(['position', 'texts'])
    .where('position', '<=', position).orderBy('position', 'desc').limit(1).executeTakeFirst();
  if (pack === undefined) throw new Error(`the record of usage row ${position} is missing`);
  return { position: pack.position, texts: unpack(pack.texts) };
}

function movementId(text: string): MovementId {
  if (!isId('mov', text)) throw new Error(`a usage row names the movement ${text}`);
  return text;
}
