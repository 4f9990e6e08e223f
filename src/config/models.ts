// The models of a config: rule, strategy and offers found by name, and a price for all that their upstreams report.

import type { BillingRule } from '../plugin/billing.ts';
import type { GatewayConfig, ModelConfig, OfferConfig } from '../plugin/gateway.ts';
import type { RoutingStrategy } from '../plugin/routing.ts';
import { named, unique, type PluginList } from './plugins.ts';
import { isDated, reportUnpriced, resolvePrices, type ResolvedPrice } from './prices.ts';
import type { ConfigReport } from './schema.ts';
import type { ResolvedUpstream, Upstreams } from './upstreams.ts';

export interface ResolvedModel extends Omit<ModelConfig, 'price'> {
  /** By time, earliest first; at least one. */
  readonly prices: readonly ResolvedPrice[];
  readonly ruleName: string;
  readonly strategyName: string;
  readonly billing: BillingRule;
  readonly routing: RoutingStrategy;
  readonly resolvedOffers: readonly (OfferConfig & { readonly resolved: ResolvedUpstream })[];
}

interface Plugins {
  readonly routing: PluginList<'routing'>;
  readonly billing: PluginList<'billing'>;
}

export function resolveModels(
  config: GatewayConfig,
  upstreams: Upstreams,
  plugins: Plugins,
  report: ConfigReport,
  remark: ConfigReport,
): ResolvedModel[] {
  const models: ResolvedModel[] = [];
  unique(
    config.models.map((model) => model.name),
    'models',
    'model',
    report,
  );
  const groups = new Set((config.groups ?? []).map((group) => group.name));
  for (const [index, model] of config.models.entries()) {
    const at = `models[${index}]`;
    const { price, ...rest } = model;
    const rule = named(plugins.billing, model.rule, `${at}.rule`, 'billing rule', report, remark);
    const strategy = named(plugins.routing, model.strategy, `${at}.strategy`, 'routing strategy', report, remark);
    for (const [position, group] of (model.groups ?? []).entries()) {
      if (!groups.has(group)) report(`${at}.groups[${position}]`, `this config declares no group '${group}'`);
    }
    const resolvedOffers = resolveOffers(model, at, upstreams, report);
    const prices = resolvePrices(price, `${at}.price`, report);
    if (rule === undefined || strategy === undefined) continue;
    const providers = resolvedOffers.map((offer) => offer.resolved.plugin);
    for (const [position, one] of prices.entries()) {
      const place = isDated(price) ? `${at}.price[${position}]` : `${at}.price`;
      reportUnpriced(one, rule.plugin, providers, model.operations ?? ['chat'], place, report);
    }
    // A model all of whose upstreams are left out is left out with them.
    if (resolvedOffers.length === 0) continue;
    const chosen = { ruleName: rule.name, strategyName: strategy.name, billing: rule.plugin, routing: strategy.plugin };
    models.push({ ...rest, ...chosen, prices, resolvedOffers });
  }
  return models;
}

function resolveOffers(model: ModelConfig, at: string, upstreams: Upstreams, report: ConfigReport) {
  const resolved: (OfferConfig & { readonly resolved: ResolvedUpstream })[] = [];
  for (const [position, offer] of model.offers.entries()) {
    const upstream = upstreams.present.find((candidate) => candidate.name === offer.upstream);
    if (upstream === undefined) {
      if (!upstreams.declared.has(offer.upstream))
        report(`${at}.offers[${position}].upstream`, `no upstream is called '${offer.upstream}'`);
      continue;
    }
    if (resolved.some((other) => other.upstream === offer.upstream)) {
      report(
        `${at}.offers[${position}].upstream`,
        `this model has another offer on '${offer.upstream}'; one for each upstream`,
      );
    }
    for (const operation of model.operations ?? ['chat']) {
      if (upstream.plugin.speaks[operation] === undefined) {
        report(`${at}.offers[${position}].upstream`, `provider '${upstream.provider}' does not serve ${operation}`);
      }
    }
    resolved.push({ ...offer, resolved: upstream });
  }
  return resolved;
}
