// The whole catalog as one immutable value: what the config declares and what operators made. Building it is pure but
// for what it remembers: the same row gives the same object again, so that only what changed is new to the pipeline.

import type { EpochMs } from '../../core/clock.ts';
import { unpricedParts, type NamedPlugin } from '../../config/resolve.ts';
import type { BillingRule } from '../../plugin/billing.ts';
import type { Provider } from '../../plugin/provider.ts';
import type { RoutingStrategy } from '../../plugin/routing.ts';
import type { AdminModel, AdminOffer, AdminUpstream } from './admin-catalog.ts';
import type { Model, Offer, PriceVersion, Upstream } from './catalog.ts';
import { listCost } from './config-catalog.ts';
import type { DeclaredCatalog } from './config-catalog.ts';
import { comingVersions, timelineOf, type PriceTimeline } from './price-timeline.ts';

/** What operators made, by name; prices are the open ones, by model. */
export interface CatalogRows {
  readonly upstreams: ReadonlyMap<string, AdminUpstream>;
  readonly models: ReadonlyMap<string, AdminModel>;
  readonly prices: ReadonlyMap<string, readonly PriceVersion[]>;
}

export interface CatalogPlugins {
  readonly providers: ReadonlyMap<string, Provider>;
  readonly billing: ReadonlyMap<string, BillingRule>;
  readonly routing: ReadonlyMap<string, RoutingStrategy>;
}

export const pluginsByName = <K extends 'provider' | 'billing' | 'routing'>(named: readonly NamedPlugin<K>[]) =>
  new Map(named.map(({ name, plugin }) => [name, plugin]));

export interface CatalogSnapshot {
  readonly upstreams: ReadonlyMap<string, Upstream>;
  readonly models: ReadonlyMap<string, Model>;
  readonly modelList: readonly Model[];
  readonly timelines: ReadonlyMap<string, PriceTimeline>;
  /** Why rows of operators serve nothing, by name. */
  readonly upstreamProblems: ReadonlyMap<string, string>;
  readonly modelProblems: ReadonlyMap<string, string>;
}

export interface SnapshotParts {
  readonly declared: DeclaredCatalog;
  readonly declaredTimelines: ReadonlyMap<string, PriceTimeline>;
  readonly plugins: CatalogPlugins;
  /** The secret of the row. */
  readonly credentialOf: (upstream: AdminUpstream) => string | undefined;
}

type Made<T> = { readonly value: T } | { readonly problem: string };

export const hiddenByConfig = 'the config declares another one of this name, which takes its place';

export function createSnapshotBuilder(parts: SnapshotParts): (rows: CatalogRows, now: EpochMs) => CatalogSnapshot {
  const upstreamOf = rememberedUpstreams(parts);
  const modelOf = rememberedModels(parts);
  return (rows, now) => {
    const upstreams = new Map(parts.declared.upstreams);
    const upstreamProblems = new Map<string, string>();
    for (const row of rows.upstreams.values()) {
      const made = parts.declared.upstreamNames.has(row.name) ? { problem: hiddenByConfig } : upstreamOf(row);
      if ('value' in made) upstreams.set(row.name, made.value);
      else upstreamProblems.set(row.name, made.problem);
    }
    const timelines = new Map(parts.declaredTimelines);
    const models = new Map(parts.declared.models);
    const modelProblems = new Map<string, string>();
    for (const row of rows.models.values()) {
      if (parts.declared.modelNames.has(row.name)) {
        modelProblems.set(row.name, hiddenByConfig);
        continue;
      }
      const timeline = timelineOf(rows.prices.get(row.name) ?? []);
      timelines.set(row.name, timeline);
      const made = modelOf(row, upstreams, comingVersions(timeline, now));
      if ('problem' in made) modelProblems.set(row.name, made.problem);
      else if (row.enabled) models.set(row.name, made.value);
    }
    const modelList = [...models.values()].toSorted((one, other) => (one.name < other.name ? -1 : 1));
    return { upstreams, models, modelList, timelines, upstreamProblems, modelProblems };
  };
}

/** Base URL of a row: its own, or the provider's. */
export const baseUrlOf = (row: Pick<AdminUpstream, 'baseUrl'>, provider: Provider): URL | undefined => {
  const text = row.baseUrl ?? provider.defaultBaseUrl;
  return text === undefined ? undefined : new URL(text);
};

function rememberedUpstreams({ plugins, credentialOf }: SnapshotParts): (row: AdminUpstream) => Made<Upstream> {
  const known = new WeakMap<AdminUpstream, Upstream>();
  return (row) => {
    const before = known.get(row);
    if (before !== undefined) return { value: before };
    const provider = plugins.providers.get(row.provider);
    if (provider === undefined) return { problem: `the config has no provider ${row.provider}` };
    const baseUrl = baseUrlOf(row, provider);
    if (baseUrl === undefined) return { problem: `the provider ${row.provider} has no base URL of its own any more` };
    if (provider.needsCredential && row.credential === undefined) {
      return { problem: `the provider ${row.provider} needs a credential` };
    }
    const { id, name, addresses, weight, priority, onClientLeaving, enabled } = row;
    const credential = credentialOf(row);
    const value: Upstream = {
      id,
      name,
      providerName: row.provider,
      provider,
      baseUrl,
      credential,
      weight,
      priority,
      addresses,
      onClientLeaving,
      enabled,
      source: 'admin',
    };
    known.set(row, value);
    return { value };
  };
}

type ModelMaker = (
  row: AdminModel,
  upstreams: ReadonlyMap<string, Upstream>,
  coming: readonly PriceVersion[],
) => Made<Model>;

function rememberedModels({ plugins }: SnapshotParts): ModelMaker {
  const offerOf = rememberedOffers();
  const known = new WeakMap<AdminModel, Model>();
  return (row, upstreams, coming) => {
    const rule = plugins.billing.get(row.rule);
    if (rule === undefined) return { problem: `the config has no billing rule ${row.rule}` };
    const strategy = plugins.routing.get(row.strategy);
    if (strategy === undefined) return { problem: `the config has no routing strategy ${row.strategy}` };
    const offers = row.offers.flatMap((offer) => {
      const upstream = upstreams.get(offer.upstream);
      return upstream === undefined ? [] : [offerOf(offer, upstream, offer.model ?? row.name)];
    });
    if (offers.length === 0) return { problem: 'none of its upstreams can be used' };
    const providers = offers.map(({ upstream }) => upstream.provider);
    for (const version of coming) {
      const missing = unpricedParts(version, rule, providers, row.operations);
      if (missing.length > 0) return { problem: `its price ${version.id} leaves unpriced: ${missing.join(', ')}` };
    }
    const before = known.get(row);
    if (before !== undefined && sameList(before.offers, offers)) return { value: before };
    const { name, operations, contextTokens, outputTokensMax, multiplierPpm, groups, createdAt } = row;
    const value: Model = {
      name,
      operations,
      contextTokens,
      outputTokensMax,
      multiplierPpm,
      groups,
      createdAt,
      offers,
      ruleName: row.rule,
      rule,
      strategyName: row.strategy,
      strategy,
      source: 'admin',
    };
    known.set(row, value);
    return { value };
  };
}

/** The pipeline keeps what it worked out for an offer under the offer itself. */
function rememberedOffers(): (row: AdminOffer, upstream: Upstream, model: string) => Offer {
  const known = new WeakMap<AdminOffer, Offer>();
  return (row, upstream, model) => {
    const before = known.get(row);
    if (before !== undefined && before.upstream === upstream) return before;
    const offer: Offer = { upstream, model, cost: row.cost ?? listCost(upstream.provider, model) };
    known.set(row, offer);
    return offer;
  };
}

const sameList = <T>(left: readonly T[], right: readonly T[]): boolean =>
  left.length === right.length && left.every((item, index) => item === right[index]);
