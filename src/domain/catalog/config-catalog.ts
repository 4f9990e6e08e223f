// The catalog as the config declares it: upstreams, models and offers as values, made once a config; and the prices
// that its models have, by their dates.

import type { EpochMs } from '../../core/clock.ts';
import type { UpstreamId } from '../../core/ids.ts';
import { PPM_ONE } from '../../core/money.ts';
import type { ResolvedConfig, ResolvedModel, ResolvedUpstream } from '../../config/resolve.ts';
import type { Provider } from '../../plugin/provider.ts';
import type { Model, Offer, PriceVersion, Upstream } from './catalog.ts';
import { declaredPriceId } from './price-store.ts';
import type { DeclaredPrice } from './price-store.ts';
import type { PriceTimeline } from './price-timeline.ts';

export const defaultWeight = 100;

export interface DeclaredCatalog {
  readonly upstreams: ReadonlyMap<string, Upstream>;
  /** Names of all upstreams of the config, those included that are left out for want of a credential. */
  readonly upstreamNames: ReadonlySet<string>;
  readonly models: ReadonlyMap<string, Model>;
  readonly modelNames: ReadonlySet<string>;
}

/** `before`: what another config declared until now; a model that it had already is no newer than that. */
export function declaredCatalog(
  resolved: ResolvedConfig,
  now: EpochMs,
  before?: Pick<DeclaredCatalog, 'models'>,
): DeclaredCatalog {
  const sinceOf = (name: string) => before?.models.get(name)?.createdAt ?? now;
  const upstreams = new Map(resolved.upstreams.map((upstream) => [upstream.name, upstreamOf(upstream)]));
  return {
    upstreams,
    upstreamNames: new Set(resolved.config.upstreams.map(({ name }) => name)),
    models: new Map(resolved.models.map((model) => [model.name, modelOf(model, upstreams, sinceOf(model.name))])),
    modelNames: new Set(resolved.config.models.map(({ name }) => name)),
  };
}

export const declaredPrices = (resolved: ResolvedConfig): readonly DeclaredPrice[] =>
  resolved.models.flatMap(({ name, prices }) =>
    prices.map((price, index) => ({ ...price, model: name, until: prices[index + 1]?.from })),
  );

/**
 * What is in force when, by the config's own dates, so that a clock that was set back finds the first price all the
 * same. A price whose version was never stored was over before it was declared.
 */
export function declaredTimelines(
  resolved: ResolvedConfig,
  versions: readonly PriceVersion[],
): ReadonlyMap<string, PriceTimeline> {
  const byId = new Map(versions.map((version) => [version.id, version]));
  const timelines = new Map<string, { from: EpochMs; version: PriceVersion }[]>();
  for (const price of declaredPrices(resolved)) {
    const version = byId.get(declaredPriceId(price));
    if (version === undefined) continue;
    const timeline = timelines.get(price.model) ?? [];
    timeline.push({ from: price.from ?? 0, version });
    timelines.set(price.model, timeline);
  }
  return timelines;
}

function upstreamOf(upstream: ResolvedUpstream): Upstream {
  return {
    // The name is the identity of a config-declared upstream.
    id: `ups_${upstream.name}` satisfies UpstreamId,
    name: upstream.name,
    providerName: upstream.provider,
    provider: upstream.plugin,
    baseUrl: upstream.url,
    credential: upstream.secret,
    weight: upstream.weight ?? defaultWeight,
    priority: upstream.priority ?? 0,
    addresses: upstream.addresses,
    onClientLeaving: upstream.onClientLeaving ?? 'cancel',
    source: 'config',
    enabled: true,
  };
}

function modelOf(model: ResolvedModel, upstreams: ReadonlyMap<string, Upstream>, now: EpochMs): Model {
  const offers: Offer[] = [];
  for (const offer of model.resolvedOffers) {
    const upstream = upstreams.get(offer.upstream);
    if (upstream === undefined) continue;
    const name = offer.model ?? model.name;
    const { cost } = offer;
    offers.push({
      upstream,
      model: name,
      cost:
        cost === undefined
          ? listCost(upstream.provider, name)
          : { currency: cost.currency, rates: cost.rates, perCallNano: cost.perCallNano ?? 0n },
    });
  }
  return {
    name: model.name,
    operations: model.operations ?? ['chat'],
    contextTokens: model.contextTokens,
    outputTokensMax: model.outputTokensMax,
    ruleName: model.ruleName,
    rule: model.billing,
    strategyName: model.strategyName,
    strategy: model.routing,
    multiplierPpm: model.multiplierPpm ?? PPM_ONE,
    groups: model.groups,
    offers,
    source: 'config',
    createdAt: now,
  };
}

/** What the vendor lists for its model: what we owe where nothing else was agreed. */
export function listCost(provider: Provider, model: string): Offer['cost'] {
  const listed = provider.models.find((candidate) => candidate.model === model)?.listPrice;
  return listed === undefined ? undefined : { currency: listed.currency, rates: listed.rates, perCallNano: 0n };
}
