// Price versions in the store. Config-declared prices become versions keyed by the hash of their content; a price that
// the config no longer declares is closed, never deleted, because usage records name it. Those of operators are added
// to, and withdrawn before they come into force, and nothing else.

import type { Transaction } from 'kysely';
import type { EpochMs } from '../../core/clock.ts';
import { isId } from '../../core/ids.ts';
import type { PriceVersionId } from '../../core/ids.ts';
import type { Currency, Nano } from '../../core/money.ts';
import type { Rates } from '../../plugin/prices.ts';
import type { CatalogFile, CatalogTables, PriceVersionRow } from '../../store/schema/catalog.ts';
import type { AuditEntry } from '../audit/audit.ts';
import { appendAuditEvent } from '../audit/audit-store.ts';
import type { PriceVersion } from './catalog.ts';
import { CorruptRowError, ratesOf, ratesText } from './price-rates.ts';

export interface DeclaredPrice {
  readonly model: string;
  readonly currency: Currency;
  readonly rates: Rates;
  readonly perCallNano: Nano;
  /** From when on; undefined: since it was first declared. */
  readonly from?: EpochMs | undefined;
  /** When the next one of the same list takes over. */
  readonly until?: EpochMs | undefined;
}

/** The same content has the same id, on every node and at every start; its date is content, its end is not. */
export function declaredPriceId(price: DeclaredPrice): PriceVersionId {
  const content = [price.model, price.currency, ratesText(price.rates), price.perCallNano.toString()];
  const text = JSON.stringify(price.from === undefined ? content : [...content, price.from]);
  return `prc_${new Bun.CryptoHasher('sha256').update(text).digest('hex').slice(0, 32)}`;
}

export interface StoredPrice extends PriceVersion {
  readonly closedAt: EpochMs | undefined;
}

export interface PriceStore {
  /** All versions that are open, by date. At opening. */
  open(): readonly PriceVersion[];
  version(id: PriceVersionId): Promise<StoredPrice | undefined>;
  /** All versions of a model, closed ones included, newest first. */
  history(model: string): Promise<readonly StoredPrice[]>;
  /**
   * What makes the config's prices the open config versions: adds the new, reopens the known, closes the rest. A new
   * one is in force from now on at the earliest, and one that another has taken over from already is not added. Reads
   * only; nobody else may declare before it is written.
   */
  plan(prices: readonly DeclaredPrice[], now: EpochMs): PricePlan;
  /** False if another open version of the model begins at that very moment. */
  insert(version: PriceVersion, entry: AuditEntry): Promise<boolean>;
  /** Closes a version of an operator's that is not in force yet; false if there is no such version. */
  withdraw(id: PriceVersionId, now: EpochMs, entry: AuditEntry): Promise<boolean>;
}

/** What one transaction does. */
export type CatalogWork = (transaction: Transaction<CatalogTables>) => Promise<void>;

/** What a config changes about the stored versions, decided and not yet written. */
export interface PricePlan {
  readonly isEmpty: boolean;
  /** The config's versions as they will be, those included that others have taken over from. */
  readonly versions: readonly PriceVersion[];
  readonly write: CatalogWork;
}

const OPEN = 'SELECT * FROM price_version WHERE closed_at IS NULL ORDER BY valid_from';
const CONFIGURED = "SELECT * FROM price_version WHERE source = 'config'";

export function createPriceStore(file: CatalogFile): PriceStore {
  return {
    open: () => file.rows<PriceVersionRow>(OPEN).map(storedPriceOf),
    async version(id) {
      const database = await file.kysely();
      const row = await database.selectFrom('price_version').selectAll().where('id', '=', id).executeTakeFirst();
      return row === undefined ? undefined : storedPriceOf(row);
    },
    async history(model) {
      const database = await file.kysely();
      const rows = await database
        .selectFrom('price_version')
        .selectAll()
        .where('model', '=', model)
        .orderBy('valid_from', 'desc')
        .orderBy('id', 'desc')
        .execute();
      return rows.map(storedPriceOf);
    },
    plan: (prices, now) => planPrices(file.rows<PriceVersionRow>(CONFIGURED).map(storedPriceOf), prices, now),
    insert: (version, entry) =>
      file.transaction(async (transaction) => {
        const { numInsertedOrUpdatedRows } = await transaction
          .insertInto('price_version')
          .values(rowOf(version))
          .onConflict((conflict) => conflict.doNothing())
          .executeTakeFirstOrThrow();
        if (numInsertedOrUpdatedRows !== 1n) return false;
        await appendAuditEvent(transaction, entry);
        return true;
      }),
    withdraw: (id, now, entry) =>
      file.transaction(async (transaction) => {
        const { numUpdatedRows } = await transaction
          .updateTable('price_version')
          .set({ closed_at: BigInt(now) })
          .where('id', '=', id)
          .where('source', '=', 'admin')
          .where('closed_at', 'is', null)
          .where('valid_from', '>', BigInt(now))
          .executeTakeFirstOrThrow();
        if (numUpdatedRows !== 1n) return false;
        await appendAuditEvent(transaction, entry);
        return true;
      }),
  };
}

function planPrices(stored: readonly StoredPrice[], prices: readonly DeclaredPrice[], now: EpochMs): PricePlan {
  const declared = new Map(prices.map((price) => [declaredPriceId(price), price]));
  const known = new Set(stored.map(({ id }) => id));
  const added = [...declared]
    .filter(([id, { until }]) => !known.has(id) && (until === undefined || until > now))
    .map(([id, price]): PriceVersion => ({
      id,
      model: price.model,
      currency: price.currency,
      rates: price.rates,
      perCallNano: price.perCallNano,
      validFrom: Math.max(price.from ?? now, now),
      source: 'config',
    }));
  const reopened = stored.filter(({ id, closedAt }) => closedAt !== undefined && declared.has(id));
  const closed = stored.filter(({ id, closedAt }) => closedAt === undefined && !declared.has(id));
  return {
    isEmpty: added.length + reopened.length + closed.length === 0,
    versions: [...stored.filter(({ id }) => declared.has(id)), ...added],
    async write(transaction) {
      for (const version of added) await transaction.insertInto('price_version').values(rowOf(version)).execute();
      const setClosed = (id: PriceVersionId, at: bigint | null) =>
        transaction.updateTable('price_version').set({ closed_at: at }).where('id', '=', id).execute();
      for (const { id } of reopened) await setClosed(id, null);
      for (const { id } of closed) await setClosed(id, BigInt(now));
    },
  };
}

const contentColumns = ({ model, currency, rates, perCallNano }: DeclaredPrice) => ({
  model,
  currency,
  rates: ratesText(rates),
  per_call_nano: perCallNano,
});

const rowOf = (version: PriceVersion): PriceVersionRow => ({
  ...contentColumns(version),
  id: version.id,
  valid_from: BigInt(version.validFrom),
  source: version.source,
  closed_at: null,
});

function storedPriceOf(row: PriceVersionRow): StoredPrice {
  if (!isId('prc', row.id)) throw new CorruptRowError('price_version', row.id, 'id');
  return {
    id: row.id,
    model: row.model,
    currency: row.currency,
    rates: ratesOf(row.rates, 'price_version', row.id),
    perCallNano: row.per_call_nano,
    validFrom: Number(row.valid_from),
    source: row.source === 'admin' ? 'admin' : 'config',
    closedAt: row.closed_at === null ? undefined : Number(row.closed_at),
  };
}
