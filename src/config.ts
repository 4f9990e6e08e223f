// Resolves a typed config into values that the gateway can run on, and reports everything that is wrong with it at
// once, each error with its path. Nothing is guessed: what is not understood is an error.

import { isDated, reportUnpriced, resolvePrices, type ResolvedPrice } from './config-prices.ts';
import { configShapeProblems, schemaProblems, type ConfigProblem, type ConfigReport } from './config-schema.ts';
import type { BillingRule } from './plugin/billing.ts';
import type { PluginEntry, PluginKind, PluginOf } from './plugin/define.ts';
import type { GatewayConfig, ModelConfig, OfferConfig, TermsDocumentConfig, UpstreamConfig } from './plugin/gateway.ts';
import type { Provider } from './plugin/provider.ts';
import type { RoutingStrategy } from './plugin/routing.ts';
import { checkUpstreamUrl, type AddressRule } from './core/addresses.ts';

export { unpricedParts, type ResolvedPrice } from './config-prices.ts';
export type { ConfigProblem } from './config-schema.ts';

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

export interface ResolvedModel extends Omit<ModelConfig, 'price'> {
  /** By time, earliest first; at least one. */
  readonly prices: readonly ResolvedPrice[];
  readonly ruleName: string;
  readonly strategyName: string;
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
  const shape = configShapeProblems(config);
  if (shape.length > 0) return { ok: false, problems: shape };
  const problems: ConfigProblem[] = [];
  const remarks: ConfigProblem[] = [];
  const report = (path: string, message: string) => void problems.push({ path, message });
  const preset = surroundings.preset === undefined ? undefined : config.presets?.[surroundings.preset];
  if (surroundings.preset !== undefined && preset === undefined) {
    report(
      'preset',
      `no preset is called '${surroundings.preset}'; this config has: ${listed(Object.keys(config.presets ?? {}))}`,
    );
  }
  const providers = createAll('provider', config.providers, 'providers', report);
  const routing = createAll('routing', config.routing, 'routing', report);
  const billing = createAll('billing', config.billing, 'billing', report);
  const presetPolicies = createAll('policy', preset?.policies ?? [], `presets.${surroundings.preset}.policies`, report);
  // A preset's policy takes the place of the config's of the same name: its clauses are those of the preset.
  const policies = [
    ...createAll('policy', config.policies, 'policies', report).filter(
      (own) => !presetPolicies.some((one) => one.name === own.name),
    ),
    ...presetPolicies,
  ];
  unique(
    policies.map((policy) => policy.name),
    'policies',
    'policy',
    report,
  );
  const upstreams = resolveUpstreams(
    config,
    providers,
    surroundings,
    report,
    (path, message) => void remarks.push({ path, message }),
  );
  const models = resolveModels(config, upstreams, { routing, billing }, report);
  unique(
    (config.groups ?? []).map((group) => group.name),
    'groups',
    'group',
    report,
  );
  if (problems.length > 0) return { ok: false, problems };
  return {
    ok: true,
    resolved: {
      config,
      preset: surroundings.preset,
      providers,
      routing,
      billing,
      policies,
      upstreams: upstreams.present,
      models,
      terms: preset?.terms ?? config.terms ?? [],
      currency: config.currency ?? 'USD',
      remarks,
    },
  };
}

const listed = (names: readonly string[]): string => names.join(', ') || 'none';

function createAll<K extends PluginKind>(
  kind: K,
  entries: readonly PluginEntry<K>[],
  path: string,
  report: ConfigReport,
): NamedPlugin<K>[] {
  unique(
    entries.map((entry) => entry.name),
    path,
    kind,
    report,
  );
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
      created.push({
        name: entry.name,
        version: entry.version,
        summary: entry.summary,
        plugin: entry.create(entry.options),
      });
    } catch (error) {
      report(at, `'${entry.name}' could not be created: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  return created;
}

function unique(names: readonly string[], path: string, noun: string, report: ConfigReport): void {
  const seen = new Set<string>();
  for (const [index, name] of names.entries()) {
    if (seen.has(name)) report(`${path}[${index}].name`, `there is another ${noun} called '${name}'; names are unique`);
    seen.add(name);
  }
}

interface Upstreams {
  readonly present: readonly ResolvedUpstream[];
  /** All names: one that is not present was left out for want of a credential, or was complained of already. */
  readonly declared: ReadonlySet<string>;
}

function resolveUpstreams(
  config: GatewayConfig,
  providers: readonly NamedPlugin<'provider'>[],
  surroundings: ConfigSurroundings,
  report: ConfigReport,
  remark: ConfigReport,
): Upstreams {
  const present: ResolvedUpstream[] = [];
  unique(
    config.upstreams.map((upstream) => upstream.name),
    'upstreams',
    'upstream',
    report,
  );
  for (const [index, upstream] of config.upstreams.entries()) {
    const at = `upstreams[${index}]`;
    const provider = providers.find((candidate) => candidate.name === upstream.provider);
    if (provider === undefined) {
      report(
        `${at}.provider`,
        `no provider is called '${upstream.provider}'; this config has: ${listed(providers.map(({ name }) => name))}`,
      );
      continue;
    }
    const secret =
      upstream.credential === undefined ? undefined : surroundings.secret(upstream.credential.fromEnvironment);
    if (secret === undefined && upstream.credential !== undefined) {
      const variable = upstream.credential.fromEnvironment;
      if (upstream.whenCredentialPresent === true) {
        remark(`${at}.credential`, `'${upstream.name}' is left out: ${variable} is not in the environment`);
        continue;
      }
      report(`${at}.credential`, `${variable} is not in the environment`);
    }
    if (provider.plugin.needsCredential && upstream.credential === undefined)
      report(`${at}.credential`, `provider '${provider.name}' needs one`);
    if (secret !== undefined && /[^\x21-\x7e]/.test(secret)) {
      report(`${at}.credential`, 'the secret has blanks or characters that a header cannot carry');
      continue;
    }
    const stated =
      upstream.baseUrl === undefined || typeof upstream.baseUrl === 'string'
        ? upstream.baseUrl
        : surroundings.secret(upstream.baseUrl.fromEnvironment);
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
  return { present, declared: new Set(config.upstreams.map(({ name }) => name)) };
}

interface Plugins {
  readonly routing: readonly NamedPlugin<'routing'>[];
  readonly billing: readonly NamedPlugin<'billing'>[];
}

function resolveModels(
  config: GatewayConfig,
  upstreams: Upstreams,
  plugins: Plugins,
  report: ConfigReport,
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
    const rule = named(plugins.billing, model.rule, `${at}.rule`, 'billing rule', report);
    const strategy = named(plugins.routing, model.strategy, `${at}.strategy`, 'routing strategy', report);
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

function named<K extends PluginKind>(
  plugins: readonly NamedPlugin<K>[],
  name: string | undefined,
  path: string,
  noun: string,
  report: ConfigReport,
): NamedPlugin<K> | undefined {
  const found = name === undefined ? plugins[0] : plugins.find((plugin) => plugin.name === name);
  if (found === undefined)
    report(
      path,
      `no ${noun} is called '${name ?? ''}'; this config has: ${listed(plugins.map((plugin) => plugin.name))}`,
    );
  return found;
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
