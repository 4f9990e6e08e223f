// Resolves a typed config into values that the gateway can run on, and reports everything that is wrong with it at
// once, each error with its path. Nothing is guessed: what is not understood is an error.

import { Type } from '@sinclair/typebox';
import type { Static, TObject } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import type { BillingRule } from './plugin/billing.ts';
import type { PluginEntry, PluginKind, PluginOf } from './plugin/define.ts';
import type { GatewayConfig, ModelConfig, OfferConfig, TermsDocumentConfig, UpstreamConfig } from './plugin/gateway.ts';
import { operations } from './plugin/operations.ts';
import type { CompliancePolicy } from './plugin/policy.ts';
import type { Provider } from './plugin/provider.ts';
import type { RoutingStrategy } from './plugin/routing.ts';
import { usageParts } from './plugin/usage.ts';
import type { UsagePart } from './plugin/usage.ts';
import { checkUpstreamUrl, type AddressRule } from './core/addresses.ts';

export interface ConfigProblem {
  /** `models[2].price.rates.cacheRead` */
  readonly path: string;
  readonly message: string;
}

export interface NamedPlugin<K extends PluginKind> {
  readonly name: string;
  readonly version: string;
  readonly summary: string;
  readonly plugin: PluginOf<K>;
}

export interface ResolvedUpstream extends Omit<UpstreamConfig, 'addresses'> {
  readonly addresses: AddressRule;
  readonly plugin: Provider;
  readonly url: URL;
  readonly secret: string | undefined;
}

export interface ResolvedModel extends ModelConfig {
  readonly ruleName: string;
  readonly billing: BillingRule;
  readonly routing: RoutingStrategy;
  readonly resolvedOffers: readonly (OfferConfig & { readonly resolved: ResolvedUpstream })[];
}

export interface ResolvedConfig {
  readonly config: GatewayConfig;
  readonly preset: string | undefined;
  readonly providers: readonly NamedPlugin<'provider'>[];
  readonly routing: readonly NamedPlugin<'routing'>[];
  readonly billing: readonly NamedPlugin<'billing'>[];
  readonly policies: readonly NamedPlugin<'policy'>[];
  readonly upstreams: readonly ResolvedUpstream[];
  readonly models: readonly ResolvedModel[];
  readonly terms: readonly TermsDocumentConfig[];
  readonly currency: string;
  /** Said at start, but not wrong: an upstream left out because its credential is absent. */
  readonly remarks: readonly ConfigProblem[];
}

export type ConfigResult =
  | { readonly ok: true; readonly resolved: ResolvedConfig }
  | { readonly ok: false; readonly problems: readonly ConfigProblem[] };

export interface ConfigSurroundings {
  /** A variable of the environment; empty counts as absent. */
  secret(name: string): string | undefined;
  readonly preset: string | undefined;
}

export function resolveConfig(config: GatewayConfig, surroundings: ConfigSurroundings): ConfigResult {
  const shape = schemaProblems(ConfigSchema, config, '');
  if (shape.length > 0) return { ok: false, problems: shape };
  const problems: ConfigProblem[] = [];
  const remarks: ConfigProblem[] = [];
  const report = (path: string, message: string) => void problems.push({ path, message });
  const preset = surroundings.preset === undefined ? undefined : config.presets?.[surroundings.preset];
  if (surroundings.preset !== undefined && preset === undefined) {
    report('preset', `no preset is called '${surroundings.preset}'; this config has: ${Object.keys(config.presets ?? {}).join(', ') || 'none'}`);
  }
  const providers = createAll('provider', config.providers, 'providers', report);
  const routing = createAll('routing', config.routing, 'routing', report);
  const billing = createAll('billing', config.billing, 'billing', report);
  const presetPolicies = createAll('policy', preset?.policies ?? [], `presets.${surroundings.preset}.policies`, report);
  // A preset's policy takes the place of the config's of the same name: its clauses are those of the preset's documents.
  const policies = [
    ...createAll('policy', config.policies, 'policies', report).filter((own) => !presetPolicies.some((one) => one.name === own.name)),
    ...presetPolicies,
  ];
  unique(policies.map((policy) => policy.name), 'policies', 'policy', report);
  const upstreams = resolveUpstreams(config, providers, surroundings, report, (path, message) => void remarks.push({ path, message }));
  const models = resolveModels(config, upstreams, { routing, billing }, report);
  unique((config.groups ?? []).map((group) => group.name), 'groups', 'group', report);
  if (problems.length > 0) return { ok: false, problems };
  return {
    ok: true,
    resolved: {
      config, preset: surroundings.preset, providers, routing, billing, policies,
      upstreams: upstreams.present, models, terms: preset?.terms ?? config.terms ?? [], currency: config.currency ?? 'USD', remarks,
    },
  };
}

type Report = (path: string, message: string) => void;

function createAll<K extends PluginKind>(kind: K, entries: readonly PluginEntry<K>[], path: string, report: Report): NamedPlugin<K>[] {
  unique(entries.map((entry) => entry.name), path, kind, report);
  const created: NamedPlugin<K>[] = [];
  for (const [index, entry] of entries.entries()) {
    const at = `${path}[${index}]`;
    if (entry.kind !== kind) {
      report(at, `'${entry.name}' is a ${entry.kind} plugin; this list takes ${kind} plugins`);
      continue;
    }
    const wrong = schemaProblems({ ...entry.schema, additionalProperties: false }, entry.options, `${at}.options`);
    for (const problem of wrong) report(problem.path, problem.message);
    if (wrong.length > 0) continue;
    try {
      created.push({ name: entry.name, version: entry.version, summary: entry.summary, plugin: entry.create(entry.options) });
    } catch (error) {
      report(at, `'${entry.name}' could not be created: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  return created;
}

function unique(names: readonly string[], path: string, noun: string, report: Report): void {
  const seen = new Set<string>();
  for (const [index, name] of names.entries()) {
    if (seen.has(name)) report(`${path}[${index}].name`, `there is another ${noun} called '${name}'; names are unique`);
    seen.add(name);
  }
}

interface Upstreams {
  readonly present: readonly ResolvedUpstream[];
  /** Declared, but left out because their credential is absent. */
  readonly leftOut: ReadonlySet<string>;
}

function resolveUpstreams(
  config: GatewayConfig, providers: readonly NamedPlugin<'provider'>[], surroundings: ConfigSurroundings, report: Report, remark: Report,
): Upstreams {
  const present: ResolvedUpstream[] = [];
  const leftOut = new Set<string>();
  unique(config.upstreams.map((upstream) => upstream.name), 'upstreams', 'upstream', report);
  for (const [index, upstream] of config.upstreams.entries()) {
    const at = `upstreams[${index}]`;
    const provider = providers.find((candidate) => candidate.name === upstream.provider);
    if (provider === undefined) {
      report(`${at}.provider`, `no provider is called '${upstream.provider}'; this config has: ${providers.map(({ name }) => name).join(', ') || 'none'}`);
      continue;
    }
    const secret = upstream.credential === undefined ? undefined : surroundings.secret(upstream.credential.fromEnvironment);
    if (secret === undefined && upstream.credential !== undefined) {
      const variable = upstream.credential.fromEnvironment;
      if (upstream.whenCredentialPresent === true) {
        leftOut.add(upstream.name);
        remark(`${at}.credential`, `'${upstream.name}' is left out: ${variable} is not in the environment`);
        continue;
      }
      report(`${at}.credential`, `${variable} is not in the environment`);
    }
    if (provider.plugin.needsCredential && upstream.credential === undefined) report(`${at}.credential`, `provider '${provider.name}' needs one`);
    if (secret !== undefined && /[^\x21-\x7e]/.test(secret)) {
      report(`${at}.credential`, 'the secret has blanks or characters that a header cannot carry');
      continue;
    }
    const stated = upstream.baseUrl === undefined || typeof upstream.baseUrl === 'string'
      ? upstream.baseUrl : surroundings.secret(upstream.baseUrl.fromEnvironment);
    const fromOutside = stated !== undefined && typeof upstream.baseUrl !== 'string';
    const addresses = upstream.addresses ?? (fromOutside ? 'any' : 'public');
    const text = stated ?? provider.plugin.defaultBaseUrl;
    if (text === undefined) {
      report(`${at}.baseUrl`, `provider '${provider.name}' has no base URL of its own; name one`);
      continue;
    }
    const checked = checkUpstreamUrl(text, addresses);
    if (checked.kind === 'refused') report(`${at}.baseUrl`, checked.message);
    else present.push({ ...upstream, addresses, plugin: provider.plugin, url: checked.url, secret });
  }
  return { present, leftOut };
}

interface Plugins {
  readonly routing: readonly NamedPlugin<'routing'>[];
  readonly billing: readonly NamedPlugin<'billing'>[];
}

function resolveModels(config: GatewayConfig, upstreams: Upstreams, plugins: Plugins, report: Report): ResolvedModel[] {
  const models: ResolvedModel[] = [];
  unique(config.models.map((model) => model.name), 'models', 'model', report);
  const groups = new Set((config.groups ?? []).map((group) => group.name));
  for (const [index, model] of config.models.entries()) {
    const at = `models[${index}]`;
    const rule = named(plugins.billing, model.rule, `${at}.rule`, 'billing rule', report);
    const strategy = named(plugins.routing, model.strategy, `${at}.strategy`, 'routing strategy', report);
    for (const [position, group] of (model.groups ?? []).entries()) {
      if (!groups.has(group)) report(`${at}.groups[${position}]`, `this config declares no group '${group}'`);
    }
    const resolvedOffers = resolveOffers(model, at, upstreams, report);
    if (rule === undefined || strategy === undefined) continue;
    reportUnpriced(model, rule.plugin, resolvedOffers.map((offer) => offer.resolved.plugin), at, report);
    // A model all of whose upstreams are left out is left out with them.
    if (resolvedOffers.length > 0) models.push({ ...model, ruleName: rule.name, billing: rule.plugin, routing: strategy.plugin, resolvedOffers });
  }
  return models;
}

function named<K extends PluginKind>(
  plugins: readonly NamedPlugin<K>[], name: string | undefined, path: string, noun: string, report: Report,
): NamedPlugin<K> | undefined {
  const found = name === undefined ? plugins[0] : plugins.find((plugin) => plugin.name === name);
  if (found === undefined) report(path, `no ${noun} is called '${name ?? ''}'; this config has: ${plugins.map((plugin) => plugin.name).join(', ') || 'none'}`);
  return found;
}

function resolveOffers(model: ModelConfig, at: string, upstreams: Upstreams, report: Report) {
  const resolved: (OfferConfig & { readonly resolved: ResolvedUpstream })[] = [];
  for (const [position, offer] of model.offers.entries()) {
    const upstream = upstreams.present.find((candidate) => candidate.name === offer.upstream);
    if (upstream === undefined) {
      if (!upstreams.leftOut.has(offer.upstream)) report(`${at}.offers[${position}].upstream`, `no upstream is called '${offer.upstream}'`);
      continue;
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

/** An unpriced part refuses the model when it is published, not when it is charged. */
function reportUnpriced(model: ModelConfig, rule: BillingRule, providers: readonly Provider[], at: string, report: Report): void {
  const parts = new Set<UsagePart>();
  for (const provider of providers) for (const operation of model.operations ?? ['chat']) for (const part of provider.parts(operation)) parts.add(part);
  const terms = { rates: model.price.rates, perCallNano: model.price.perCallNano ?? 0n };
  for (const part of rule.missingRates(terms, [...parts])) {
    report(`${at}.price.rates.${part}`, `the upstreams of this model report ${part}, which has no price; an unpriced model is not served. Price it, 0n included`);
  }
}

export type PolicyPlugins = readonly NamedPlugin<'policy'>[];
export type { CompliancePolicy };
export type ConfigShape = Static<typeof ConfigSchema>;
