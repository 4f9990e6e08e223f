// What a model and its prices must be before they are saved. Every refusal names its field. Invariant: no price that is
// in force or to come leaves a part unpriced that an upstream of its model may report.

import { bounds } from '../../core/bounds.ts';
import { unpricedParts } from '../../config/resolve.ts';
import { operations as knownOperations } from '../../plugin/operations.ts';
import type { Provider } from '../../plugin/provider.ts';
import { usageParts } from '../../plugin/usage.ts';
import { checkCurrency, checkWhole } from '../accounts/input-rules.ts';
import type { AdminModel, AdminOffer, Cost, OfferInput } from './admin-catalog.ts';
import type { PriceVersion } from './catalog.ts';
import { catalogBounds } from './catalog-bounds.ts';
import { refusedInput } from './catalog-context.ts';
import type { CatalogContext } from './catalog-context.ts';
import { comingVersions } from './price-timeline.ts';

const MODEL_NAME = /^[A-Za-z0-9][A-Za-z0-9._:/@+-]*$/;

export function checkModelName(name: string): void {
  if (name.length > bounds.modelNameLength || !MODEL_NAME.test(name)) {
    throw refusedInput(
      'name',
      `must be 1 to ${bounds.modelNameLength} letters, digits and . _ : / @ + -, first a letter or digit`,
    );
  }
}

/** `before`: what it was; a group that was removed since does not stand in the way of another change. */
export function checkModel(context: CatalogContext, model: AdminModel, before: AdminModel | undefined): void {
  checkOperations(model);
  if (model.contextTokens < 1) throw refusedInput('contextTokens', 'must be at least 1');
  checkWhole('contextTokens', model.contextTokens, catalogBounds.tokensMax);
  checkWhole('outputTokensMax', model.outputTokensMax, catalogBounds.tokensMax);
  checkWhole('multiplierPpm', model.multiplierPpm, catalogBounds.multiplierPpmMax);
  if (!context.plugins.billing.has(model.rule)) throw notListed('rule', 'billing rules', context.plugins.billing);
  if (!context.plugins.routing.has(model.strategy)) {
    throw notListed('strategy', 'routing strategies', context.plugins.routing);
  }
  if (before === undefined || model.groups !== before.groups) checkGroups(context, model.groups);
  checkOffers(context, model);
  requireFit(context, model, () => undefined, '');
}

const notListed = (field: string, nouns: string, listed: ReadonlyMap<string, unknown>) =>
  refusedInput(field, `must be one of the config's ${nouns}: ${[...listed.keys()].join(', ')}`);

function checkOperations({ operations }: AdminModel): void {
  if (operations.length === 0 || new Set(operations).size !== operations.length) {
    throw refusedInput('operations', 'must name at least one operation, each once');
  }
  const unknown = operations.find((operation) => !knownOperations.includes(operation));
  if (unknown !== undefined) throw refusedInput('operations', `must be of ${knownOperations.join(', ')}`);
}

function checkGroups({ groupExists }: CatalogContext, groups: readonly string[] | undefined): void {
  if (groups === undefined) return;
  if (groups.length === 0 || groups.length > catalogBounds.groupsMax || new Set(groups).size !== groups.length) {
    throw refusedInput('groups', `must name 1 to ${catalogBounds.groupsMax} groups, each once; null allows all`);
  }
  const missing = groups.findIndex((group) => !groupExists(group));
  if (missing >= 0) throw refusedInput(`groups[${missing}]`, 'names no group of this gateway; create the group first');
}

function checkOffers(context: CatalogContext, { offers }: AdminModel): void {
  if (offers.length === 0 || offers.length > catalogBounds.offersMax) {
    throw refusedInput('offers', `must be 1 to ${catalogBounds.offersMax}`);
  }
  const seen = new Set<string>();
  for (const [index, offer] of offers.entries()) {
    const field = `offers[${index}]`;
    if (providerNameOf(context, offer.upstream) === undefined) {
      throw refusedInput(`${field}.upstream`, 'names no upstream of this gateway; create the upstream first');
    }
    if (seen.has(offer.upstream))
      throw refusedInput(`${field}.upstream`, 'has another offer of this model; one for each upstream');
    seen.add(offer.upstream);
    if (offer.model !== undefined && !isUpstreamModel(offer.model)) {
      throw refusedInput(`${field}.model`, `must be 1 to ${bounds.modelNameLength} characters without controls`);
    }
    if (offer.cost !== undefined) checkCost(offer.cost, `${field}.cost.`);
  }
}

/** Controls would make one name look like two, in logs and in paths. */
// oxlint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/;

const isUpstreamModel = (text: string) =>
  text !== '' && text.length <= bounds.modelNameLength && text.isWellFormed() && !CONTROL.test(text);

export function checkCost({ currency, rates, perCallNano }: Cost, prefix: string): void {
  checkCurrency(`${prefix}currency`, currency);
  for (const part of usageParts) {
    const rate = rates[part];
    if (rate !== undefined && (rate < 0n || rate > catalogBounds.rateMax)) {
      throw refusedInput(
        `${prefix}rates.${part}`,
        `must be from 0 to ${catalogBounds.rateMax} micro-units per million`,
      );
    }
  }
  if (perCallNano < 0n || perCallNano > catalogBounds.perCallNanoMax) {
    throw refusedInput(`${prefix}perCallNano`, `must be from 0 to ${catalogBounds.perCallNanoMax} nano-units`);
  }
}

export const offersOf = (inputs: readonly OfferInput[]): readonly AdminOffer[] =>
  inputs.map(({ upstream, model, cost }) => ({ upstream, model: model ?? undefined, cost: cost ?? undefined }));

function providerNameOf({ declared, live }: CatalogContext, upstream: string): string | undefined {
  return declared.upstreams.get(upstream)?.providerName ?? live.rows.upstreams.get(upstream)?.provider;
}

function providersOf(
  context: CatalogContext,
  model: AdminModel,
  instead: (upstream: string) => Provider | undefined,
): readonly (Provider | undefined)[] {
  return model.offers.map(
    ({ upstream }) => instead(upstream) ?? context.plugins.providers.get(providerNameOf(context, upstream) ?? ''),
  );
}

/**
 * Whether the upstreams serve what the model promises, and its prices cover what they report. `instead`: a provider
 * that an upstream is about to get. `because` begins the message where another field is at fault.
 */
export function requireFit(
  context: CatalogContext,
  model: AdminModel,
  instead: (upstream: string) => Provider | undefined,
  because: string,
): void {
  const providers = providersOf(context, model, instead);
  for (const [index, provider] of providers.entries()) {
    const missing = model.operations.find(
      (operation) => provider !== undefined && provider.speaks[operation] === undefined,
    );
    if (missing === undefined) continue;
    if (because === '') throw refusedInput(`offers[${index}].upstream`, `its provider does not serve ${missing}`);
    throw refusedInput('provider', `${because}this provider does not serve ${missing}`);
  }
  const timeline = context.live.snapshot.timelines.get(model.name);
  const coming = comingVersions(timeline, context.clock.now()).filter((version) => version.source === 'admin');
  for (const version of coming) requirePriced(context, model, version, providers, because);
}

/** Refuses the price that would leave a part unpriced. */
export function requirePriced(
  { plugins }: CatalogContext,
  model: AdminModel,
  price: Pick<PriceVersion, 'rates' | 'perCallNano'> & { readonly id?: string },
  providers: readonly (Provider | undefined)[],
  because = '',
): void {
  const rule = plugins.billing.get(model.rule);
  if (rule === undefined) throw notListed('rule', 'billing rules', plugins.billing);
  const present = providers.filter((provider) => provider !== undefined);
  const missing = unpricedParts(price, rule, present, model.operations);
  const first = missing[0];
  if (first === undefined) return;
  const which = price.id === undefined ? 'this price' : `the price ${price.id}`;
  throw refusedInput(
    `rates.${first}`,
    `${because}the upstreams report ${missing.join(', ')}, for which ${which} has no rate; ` +
      `name one for each, 0 included, or what the rule ${model.rule} charges by`,
  );
}

export const providersOfModel = (context: CatalogContext, model: AdminModel): readonly (Provider | undefined)[] =>
  providersOf(context, model, () => undefined);
