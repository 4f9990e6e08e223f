// Price versions in the store. Config-declared prices become versions keyed by the hash of their content; a price that
// the config no longer declares is closed, never deleted, because usage records name it.

import type { Kysely } from 'kysely';
import type { EpochMs } from '../../core/clock.ts';
import type { PriceVersionId } from '../../core/ids.ts';
import type { Currency, Nano } from '../../core/money.ts';
import { usageParts } from '../../plugin/usage.ts';
import type { UsagePart } from '../../plugin/usage.ts';
import type { Rates } from '../../plugin/prices.ts';
import type { CatalogTables, PriceVersionRow } from '../../store/schema/catalog.ts';
import type { PriceVersion } from './catalog.ts';

export interface DeclaredPrice {
  readonly model: string;
  readonly currency: Currency;
  readonly rates: Rates;
  readonly perCallNano: Nano;
}

/** The same content has the same id, on every node and at every start. */
export function declaredPriceId(price: DeclaredPrice): PriceVersionId {
  const text = JSON.stringify([price.model, price.currency, ratesText(price.rates), price.perCallNano.toString()]);
  return `prc_${new Bun.CryptoHasher('sha256').update(text).digest('hex').slice(0, 32)}`;
}

export function ratesText(rates: Rates): string {
  return JSON.stringify(Object.fromEntries(usageParts.flatMap((part) => {
    const rate = rates[part];
    return rate === undefined ? [] : [[part, rate.toString()]];
  })));
}

function ratesOf(text: string): Rates {
  const stored: unknown = JSON.parse(text);
  const rates: Partial<Record<UsagePart, bigint>> = {};
  if (typeof stored !== 'object' || stored === null) throw new Error('a price version has unreadable rates');
  const values = new Map<string, unknown>(Object.entries(stored));
  for (const part of usageParts) {
    const value = values.get(part);
    if (typeof value === 'string') rates[part] = BigInt(value);
  }
  return rates;
}

const versionOf = (row: PriceVersionRow): PriceVersion => ({
  id: row.id as PriceVersionId,
  model: row.model,
  currency: row.currency,
  rates: ratesOf(row.rates),
  perCallNano: row.per_call_nano,
  validFrom: Number(row.valid_from),
  source: row.source === 'admin' ? 'admin' : 'config',
});

export interface PriceStore {
  /** All versions that are open, by model and date. */
  open(): Promise<readonly PriceVersion[]>;
  version(id: PriceVersionId): Promise<PriceVersion | undefined>;
  /** All versions of a model, closed ones included, newest first. */
  history(model: string): Promise<readonly (PriceVersion & { readonly closedAt: EpochMs | undefined })[]>;
  /** Makes the config's prices the open config versions: adds the new, reopens the known, closes the rest. One transaction. */
  declare(prices: readonly DeclaredPrice[], now: EpochMs): Promise<void>;
}

export function createPriceStore(database: Kysely<CatalogTables>): PriceStore {
  return {
    async open() {
      const rows = await database.selectFrom('price_version').selectAll().where('closed_at', 'is', null).orderBy('valid_from').execute();
      return rows.map(versionOf);
    },
    async version(id) {
      const row = await database.selectFrom('price_version').selectAll().where('id', '=', id).executeTakeFirst();
      return row === undefined ? undefined : versionOf(row);
    },
    async history(model) {
      const rows = await database.selectFrom('price_version').selectAll().where('model', '=', model).orderBy('valid_from', 'desc').execute();
      return rows.map((row) => ({ ...versionOf(row), closedAt: row.closed_at === null ? undefined : Number(row.closed_at) }));
    },
    async declare(prices, now) {
      const rows = await database.selectFrom('price_version').selectAll().where('source', '=', 'config').execute();
      const known = new Map(rows.map((row) => [row.id, row]));
      const declared = new Map(prices.map((price) => [declaredPriceId(price) as string, price]));
      const added = [...declared].filter(([id]) => !known.has(id));
      const reopened = rows.filter((row) => row.closed_at !== null && declared.has(row.id)).map((row) => row.id);
      const closed = rows.filter((row) => row.closed_at === null && !declared.has(row.id)).map((row) => row.id);
      if (added.length + reopened.length + closed.length === 0) return;
      await database.transaction().execute(async (transaction) => {
        if (added.length > 0) {
          await transaction.insertInto('price_version').values(added.map(([id, price]) => ({
            id, model: price.model, currency: price.currency, rates: ratesText(price.rates), per_call_nano: price.perCallNano,
            valid_from: BigInt(now), source: 'config', closed_at: null,
          }))).execute();
        }
        if (reopened.length > 0) await transaction.updateTable('price_version').set({ closed_at: null }).where('id', 'in', reopened).execute();
        if (closed.length > 0) await transaction.updateTable('price_version').set({ closed_at: BigInt(now) }).where('id', 'in', closed).execute();
      });
    },
  };
}
