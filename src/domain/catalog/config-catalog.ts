// The catalog as the config declares it: models, offers and upstreams in memory, prices by their stored versions.

import type { EpochMs } from '../../core/clock.ts';
import type { UpstreamId } from '../../core/ids.ts';
import { PPM_ONE } from '../../core/money.ts';
import type { ResolvedConfig, ResolvedModel, ResolvedUpstream } from '../../config.ts';
import type { Catalog, Model, Offer, PriceVersion, Upstream } from './catalog.ts';
import { declaredPriceId } from './price-store.ts';
import type { DeclaredPrice } from './price-store.ts';

const DEFAULT_WEIGHT = 100;

export const declaredPrices = (resolved: ResolvedConfig): readonly DeclaredPrice[] =>
  resolved.models.map((model) => ({
    model: model.name, currency: model.price.currency, rates: model.price.rates, perCallNano: model.price.perCallNano ?? 0n,
  }));

export function createCatalog(resolved: ResolvedConfig, versions: readonly PriceVersion[], now: EpochMs): Catalog {
  const upstreams = new Map(resolved.upstreams.map((upstream) => [upstream.name, upstreamOf(upstream)]));
  const models = new Map(resolved.models.map((model) => [model.name, modelOf(model, upstreams, now)]));
  const sorted = [...models.values()].sort((one, other) => (one.name < other.name ? -1 : 1));
  const declaredIds = new Map(declaredPrices(resolved).map((price) => [price.model, declaredPriceId(price)]));
  // A config declares one price for a model, in force since it was first declared with that content.
  const inForce = new Map(versions.filter((version) => declaredIds.get(version.model) === version.id).map((version) => [version.model, version]));
  return {
    model: (name) => models.get(name),
    models: () => sorted,
    priceAt: (model) => inForce.get(model),
    upstreams: () => [...upstreams.values()],
  };
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
    weight: upstream.weight ?? DEFAULT_WEIGHT,
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
    const listed = offer.resolved.plugin.models.find((candidate) => candidate.model === name)?.listPrice;
    const cost = offer.cost === undefined
      ? listed === undefined ? undefined : { currency: listed.currency, rates: listed.rates, perCallNano: 0n }
      : { currency: offer.cost.currency, rates: offer.cost.rates, perCallNano: offer.cost.perCallNano ?? 0n };
    offers.push({ upstream, model: name, cost });
  }
  return {
    name: model.name,
    operations: model.operations ?? ['chat'],
    contextTokens: model.contextTokens,
    outputTokensMax: model.outputTokensMax,
    ruleName: model.ruleName,
    rule: model.billing,
    strategy: model.routing,
    multiplierPpm: model.multiplierPpm ?? PPM_ONE,
    groups: model.groups,
    offers,
    source: 'config',
    createdAt: now,
  };
}
