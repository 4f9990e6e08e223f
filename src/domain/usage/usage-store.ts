// Usage records, read from `ledger.db`: answered from the texts that the journal carried, which lie in packs with those
// of their neighbours. A list goes through the packs that have what is asked for, from the newest request to the
// oldest; a request that lasted long lies in a younger pack than its id says, so only its span says what a pack lacks.

import type { Kysely } from 'kysely';
import { isId, type MovementId, type RequestId } from '../../core/ids.ts';
import type { LedgerTables } from '../../store/schema/ledger.ts';
import { everyUsage, facetOf } from '../../store/usage-facets.ts';
import { readUsageFacts, type UsageFacts } from '../../store/usage-facts.ts';
import { readMovementPositions, unpack } from '../../store/usage-packs.ts';
import { factsWithin, scanUsageFacts } from '../../store/usage-scan.ts';
import { readUsageRecord } from '../ledger/record-json.ts';
import type { StoredUsage, UsageFilter, UsageReader } from './usage-reader.ts';

type Books = Kysely<LedgerTables>;

/** Packs that are read before others have their turn on the event loop: the first ones mostly have the page. */
const PACKS = { first: 2, most: 16 } as const;
/** Who occurs in more packs than this is not worth telling from who occurs in more still. */
const PACKS_COUNTED = 1_000;

/**
 * `settled` is the ledger's: what was acknowledged before the call is in the answer. While the loader is down (it says
 * so in the log) reads go on with what it had loaded.
 */
export function createUsageReader(database: Books, settled: () => Promise<void>): UsageReader {
  return {
    async list(filter: UsageFilter, limit: number, before: RequestId | undefined) {
      await settled().catch(() => undefined);
      const accountId = filter.accountId ?? (await payerOf(database, filter.apiKeyId));
      if (accountId === null || limit <= 0) return [];
      return withMovements(database, await newest(database, { ...filter, accountId, before }, limit));
    },
    async get(requestId: RequestId) {
      await settled().catch(() => undefined);
      const place = await database.selectFrom('usage').select('position').where('request_id', '=', requestId)
        .executeTakeFirst();
      if (place === undefined) return undefined;
      const pack = await database.selectFrom('usage_pack').select(['position', 'movements', 'texts'])
        .where('position', '<=', place.position).orderBy('position', 'desc').limit(1).executeTakeFirst();
      const index = pack === undefined ? -1 : Number(place.position - pack.position);
      const text = pack === undefined ? undefined : unpack(pack.texts)[index];
      if (pack === undefined || text === undefined) throw new Error(`the record of ${requestId} is missing`);
      const movementPosition = readMovementPositions(pack.movements)[index];
      return (await withMovements(database, [{ requestId, text, movementPosition }]))[0];
    },
  };
}

/** The account of a key is found apart; a key with more than one is then looked for in all packs. */
interface Wanted extends Omit<UsageFilter, 'accountId'> {
  readonly accountId: string | undefined;
  readonly before: RequestId | undefined;
}

interface Found {
  readonly requestId: string;
  readonly text: string;
  readonly movementPosition: number | undefined;
}

/** Null: nobody, so that there is nothing to list. Undefined: it does not narrow anything down. */
async function payerOf(database: Books, apiKeyId: string | undefined): Promise<string | undefined | null> {
  if (apiKeyId === undefined) return undefined;
  const payers = await database.selectFrom('usage_key').select('account_id').where('api_key_id', '=', apiKeyId)
    .limit(2).execute();
  return payers.length > 1 ? undefined : (payers[0]?.account_id ?? null);
}

/** The newest records that are wanted. Nothing in a pack, or in those after it, is newer than its `last_id`. */
async function newest(database: Books, wanted: Wanted, limit: number): Promise<readonly Found[]> {
  const facet = await rarestFacet(database, wanted);
  let found: Found[] = [];
  let after: PackPlace | undefined;
  for (let count: number = PACKS.first; ; count = Math.min(count * 2, PACKS.most)) {
    const packs = await packsWith(database, facet, wanted, after, count);
    for (const pack of packs) {
      const last = found[limit - 1];
      if (last !== undefined && last.requestId > pack.last_id) return found;
      found.push(...wantedIn(pack, wanted));
      found = found.toSorted((a, b) => (a.requestId < b.requestId ? 1 : -1)).slice(0, limit);
    }
    after = packs.at(-1);
    if (after === undefined || packs.length < count) return found;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** The packs to go through are those of whatever occurs in the fewest. */
async function rarestFacet(database: Books, wanted: Wanted): Promise<string> {
  const { accountId, model, upstream, outcome } = wanted;
  const facets = [
    ...(accountId === undefined ? [] : [facetOf('account', accountId)]),
    ...(model === undefined ? [] : [facetOf('model', model)]),
    ...(upstream === undefined ? [] : [facetOf('upstream', upstream)]),
    ...(outcome === undefined ? [] : [facetOf('outcome', outcome)]),
  ];
  let rarest = facets[0] ?? everyUsage;
  let least = Number.POSITIVE_INFINITY;
  for (const facet of facets.length > 1 ? facets : []) {
    const packs = await database.selectFrom('usage_facet').select('pack').where('facet', '=', facet)
      .limit(PACKS_COUNTED).execute();
    if (packs.length >= least) continue;
    least = packs.length;
    rarest = facet;
  }
  return rarest;
}

interface PackPlace {
  readonly last_id: string;
  readonly pack: bigint;
}

interface FoundPack extends PackPlace {
  readonly movements: string;
  readonly texts: Uint8Array;
}

async function packsWith(
  database: Books, facet: string, { before, since, until }: Wanted, after: PackPlace | undefined, count: number,
): Promise<readonly FoundPack[]> {
  let query = database.selectFrom('usage_facet').innerJoin('usage_pack', 'usage_pack.position', 'usage_facet.pack')
    .select(['usage_facet.last_id', 'usage_facet.pack', 'usage_pack.movements', 'usage_pack.texts'])
    .where('facet', '=', facet).orderBy('last_id', 'desc').orderBy('pack', 'desc').limit(count);
  if (before !== undefined) query = query.where('first_id', '<', before);
  if (since !== undefined) query = query.where('last_at', '>=', BigInt(since));
  if (until !== undefined) query = query.where('first_at', '<', BigInt(until));
  if (after !== undefined) {
    query = query.where(({ eb, refTuple, tuple }) =>
      eb(refTuple('last_id', 'pack'), '<', tuple(after.last_id, after.pack)));
  }
  return query.execute();
}

function wantedIn(pack: FoundPack, wanted: Wanted): readonly Found[] {
  const movements = readMovementPositions(pack.movements);
  const found: Found[] = [];
  unpack(pack.texts).forEach((text, index) => {
    const facts = scanUsageFacts(text.slice(0, factsWithin)) ?? readUsageFacts(text);
    if (!isWanted(facts, wanted)) return;
    found.push({ requestId: facts.requestId, text, movementPosition: movements[index] });
  });
  return found;
}

function isWanted(facts: UsageFacts, wanted: Wanted): boolean {
  const { accountId, apiKeyId, model, upstream, outcome, since, until, before } = wanted;
  return (before === undefined || facts.requestId < before)
    && (accountId === undefined || facts.accountId === accountId)
    && (apiKeyId === undefined || facts.apiKeyId === apiKeyId)
    && (model === undefined || facts.model === model)
    && (upstream === undefined || facts.upstream === upstream)
    && (outcome === undefined || facts.outcome === outcome)
    && (since === undefined || facts.admittedAt >= since)
    && (until === undefined || facts.admittedAt < until);
}

async function withMovements(database: Books, found: readonly Found[]): Promise<readonly StoredUsage[]> {
  const positions = new Set(found.flatMap(({ movementPosition }) => movementPosition ?? []));
  const rows = positions.size === 0 ? [] : await database.selectFrom('movement').select(['position', 'id'])
    .where('position', 'in', Array.from(positions, BigInt)).execute();
  const ids = new Map(rows.map((row) => [Number(row.position), row.id]));
  return found.map(({ requestId, text, movementPosition }) => {
    const record = readUsageRecord(text);
    if (record.chargeNano === 0n) return { record, movementId: undefined };
    return { record, movementId: movementId(requestId, ids.get(movementPosition ?? 0)) };
  });
}

function movementId(requestId: string, text: string | undefined): MovementId {
  if (text === undefined || !isId('mov', text)) throw new Error(`${requestId} names the movement ${text}`);
  return text;
}
