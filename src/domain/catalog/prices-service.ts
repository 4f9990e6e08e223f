// Prices of models: added, from now or from a time to come, and withdrawn before that time. What is in force, or was,
// is never touched; a request under way keeps the version that it was admitted with.

import type { EpochMs } from '../../core/clock.ts';
import type { PriceVersionId } from '../../core/ids.ts';
import { conflict, notFound } from '../accounts/accounts-context.ts';
import { changeText } from '../audit/audit.ts';
import type { NewPrice, PriceInfo, PriceStatus } from './admin-catalog.ts';
import type { PriceVersion } from './catalog.ts';
import { catalogBounds } from './catalog-bounds.ts';
import { declaredElsewhere, refusedInput, withEntry } from './catalog-context.ts';
import type { CatalogContext } from './catalog-context.ts';
import { checkCost, providersOfModel, requirePriced } from './model-rules.ts';
import type { StoredPrice } from './price-store.ts';
import { priceInForce } from './price-timeline.ts';

export interface PricesService {
  create(actor: string, model: string, input: NewPrice): Promise<PriceInfo>;
  /** All versions of a model, newest first; undefined if nobody ever heard of it. */
  history(model: string): Promise<readonly PriceInfo[] | undefined>;
  withdraw(actor: string, model: string, id: PriceVersionId): Promise<PriceInfo>;
}

export function createPricesService(context: CatalogContext): PricesService {
  return {
    create: (actor, model, input) => context.turn(() => createPrice(context, actor, model, input)),
    async history(model) {
      const stored = await context.prices.history(model);
      const isKnown = context.declared.models.has(model) || context.live.rows.models.has(model);
      if (!isKnown && stored.length === 0) return undefined;
      return stored.map((version) => infoOf(context, version));
    },
    withdraw: (actor, model, id) => context.turn(() => withdrawPrice(context, actor, model, id)),
  };
}

async function createPrice(context: CatalogContext, actor: string, name: string, input: NewPrice): Promise<PriceInfo> {
  const { clock, live, prices } = context;
  if (context.declared.modelNames.has(name)) throw await declaredElsewhere(context, 'model', name);
  const model = live.rows.models.get(name);
  if (model === undefined) throw notFound('model');
  checkCost(input, '');
  const now = clock.now();
  checkValidFrom(input.validFrom, now);
  requirePriced(context, model, input, providersOfModel(context, model));
  const open = live.rows.prices.get(name) ?? [];
  if (open.filter(({ validFrom }) => validFrom > now).length >= catalogBounds.scheduledPricesMax) {
    throw conflict(`the model has ${catalogBounds.scheduledPricesMax} prices to come already; withdraw one first`);
  }
  const { currency, rates, perCallNano } = input;
  const version: PriceVersion = {
    id: context.newId('prc'),
    model: name,
    currency,
    rates,
    perCallNano,
    validFrom: input.validFrom ?? now,
    source: 'admin',
  };
  const prepared = live.prepare({ prices: withEntry(live.rows.prices, name, [...open, version]) });
  const inserted = await prices.insert(version, {
    at: now,
    actor,
    action: 'price.create',
    target: `model/${name}`,
    change: changeText({ ...input, id: version.id, validFrom: new Date(version.validFrom).toISOString() }),
  });
  if (!inserted)
    throw conflict(
      'another price of this model begins at that very moment; withdraw it first, or choose another',
      'validFrom',
    );
  prepared.publish();
  return infoOf(context, { ...version, closedAt: undefined });
}

function checkValidFrom(validFrom: EpochMs | undefined, now: EpochMs): void {
  if (validFrom === undefined) return;
  if (!Number.isSafeInteger(validFrom) || validFrom < now) {
    throw refusedInput('validFrom', 'must not lie in the past: what was charged keeps its price; leave it out for now');
  }
}

async function withdrawPrice(
  context: CatalogContext,
  actor: string,
  name: string,
  id: PriceVersionId,
): Promise<PriceInfo> {
  const { clock, live, prices } = context;
  const stored = await prices.version(id);
  if (stored === undefined || stored.model !== name) throw notFound('price');
  if (stored.source === 'config') throw await declaredElsewhere(context, 'price', name);
  const now = clock.now();
  const open = (live.rows.prices.get(name) ?? []).filter((version) => version.id !== id);
  const prepared = live.prepare({ prices: withEntry(live.rows.prices, name, open) });
  const withdrawn = await prices.withdraw(id, now, {
    at: now,
    actor,
    action: 'price.withdraw',
    target: `model/${name}`,
    change: changeText({ id }),
  });
  if (!withdrawn) {
    throw conflict(
      stored.closedAt === undefined
        ? 'the price is in force, or was; add another one, which takes its place from now on'
        : 'the price was withdrawn already',
    );
  }
  prepared.publish();
  return infoOf(context, { ...stored, closedAt: now });
}

function infoOf({ live, clock }: CatalogContext, { closedAt, ...version }: StoredPrice): PriceInfo {
  const now = clock.now();
  return { ...version, closedAt, status: statusOf(live.snapshot.timelines.get(version.model), version, closedAt, now) };
}

function statusOf(
  timeline: Parameters<typeof priceInForce>[0],
  version: PriceVersion,
  closedAt: EpochMs | undefined,
  now: EpochMs,
): PriceStatus {
  if (closedAt !== undefined) return closedAt < version.validFrom ? 'withdrawn' : 'past';
  if (priceInForce(timeline, now)?.id === version.id) return 'in-force';
  return version.validFrom > now ? 'scheduled' : 'past';
}
