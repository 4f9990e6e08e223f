// Resolves a typed config into values that the gateway can run on, and reports everything that is wrong with it at
// once, each error with its path. Nothing is guessed: what is not understood is an error.

import type { GatewayConfig, PresetConfig, TermsDocumentConfig } from '../plugin/gateway.ts';
import { dropInsOf } from './drop-in-places.ts';
import { resolveModels, type ResolvedModel } from './models.ts';
import { createAll, listed, unique, type NamedPlugin, type PluginOrigins } from './plugins.ts';
import { configShapeProblems, type ConfigProblem } from './schema.ts';
import { resolveUpstreams, type ResolvedUpstream } from './upstreams.ts';

export type { ResolvedModel } from './models.ts';
export type { NamedPlugin, PluginSource } from './plugins.ts';
export { unpricedParts, type ResolvedPrice } from './prices.ts';
export { ConfigProblemsError, type ConfigProblem } from './schema.ts';
export type { ResolvedUpstream } from './upstreams.ts';

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
  /** What models have that name none; undefined where it was refused. */
  readonly defaults: { readonly rule: string | undefined; readonly strategy: string | undefined };
  /** Said at start, but not wrong: an upstream left out because its credential is absent. */
  readonly remarks: readonly ConfigProblem[];
  /**
   * Drop-ins that are left out because something is wrong with them. A start goes on without them and says so; a
   * reload, or a check, fails.
   */
  readonly refusals: readonly ConfigProblem[];
}

export type ConfigResult =
  | { readonly ok: true; readonly resolved: ResolvedConfig }
  | { readonly ok: false; readonly problems: readonly ConfigProblem[] };

export interface ConfigSurroundings {
  /** A variable of the environment; empty counts as absent. */
  secret(name: string): string | undefined;
  readonly preset: string | undefined;
  /** What became of the config's drop-ins. Without it a config that has any is refused. */
  readonly dropIns?: LoadedDropIns;
  /** Whether a schema is that of a plugin which Tollgate brings along. */
  readonly isBuiltIn?: PluginOrigins['isBuiltIn'];
}

/** Those that loaded stand in the config as entries; those that were refused still as what the config says. */
export interface LoadedDropIns {
  readonly dropInAt: PluginOrigins['dropInAt'];
  /** By place: `providers[2]`, or below it. */
  readonly refusals: readonly ConfigProblem[];
}

/** Only one that the config itself names: every object has a `constructor`, which has no policies. */
function presetOf({ presets = {} }: GatewayConfig, name: string | undefined): PresetConfig | undefined {
  return name !== undefined && Object.hasOwn(presets, name) ? presets[name] : undefined;
}

export function resolveConfig(config: GatewayConfig, surroundings: ConfigSurroundings): ConfigResult {
  const shape = configShapeProblems(config);
  if (shape.length > 0) return { ok: false, problems: shape };
  const problems: ConfigProblem[] = [];
  const remarks: ConfigProblem[] = [];
  const report = (path: string, message: string) => void problems.push({ path, message });
  const remark = (path: string, message: string) => void remarks.push({ path, message });
  const preset = presetOf(config, surroundings.preset);
  if (surroundings.preset !== undefined && preset === undefined) {
    report(
      'preset',
      `no preset is called '${surroundings.preset}'; this config has: ${listed(Object.keys(config.presets ?? {}))}`,
    );
  }
  const origins: PluginOrigins = {
    dropInAt: surroundings.dropIns?.dropInAt ?? (() => undefined),
    isBuiltIn: surroundings.isBuiltIn ?? (() => false),
  };
  const refusals: ConfigProblem[] = [];
  const refuse = (path: string, message: string) => {
    // Serving without a policy would break the terms that it keeps.
    if (isPolicyPlace(path)) report(path, message);
    else refusals.push({ path, message });
  };
  for (const { path, message } of surroundings.dropIns?.refusals ?? unloaded(config, surroundings.preset))
    refuse(path, message);
  const providers = createAll('provider', config.providers, 'providers', origins, report, refuse);
  const routing = createAll('routing', config.routing, 'routing', origins, report, refuse);
  const billing = createAll('billing', config.billing, 'billing', origins, report, refuse);
  const presetPlace = `presets.${surroundings.preset}.policies`;
  const presetPolicies = createAll('policy', preset?.policies ?? [], presetPlace, origins, report, refuse).present;
  // A preset's policy takes the place of the config's of the same name: its clauses are those of the preset.
  const policies = [
    ...createAll('policy', config.policies, 'policies', origins, report, refuse).present.filter(
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
    (name) => surroundings.secret(name),
    report,
    remark,
  );
  const models = resolveModels(config, upstreams, { routing, billing }, report, remark);
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
      providers: providers.present,
      routing: routing.present,
      billing: billing.present,
      policies,
      upstreams: upstreams.present,
      models,
      terms: preset?.terms ?? config.terms ?? [],
      currency: config.currency ?? 'USD',
      defaults: { rule: billing.first?.name, strategy: routing.first?.name },
      remarks,
      refusals,
    },
  };
}

const isPolicyPlace = (path: string): boolean => /^(?:policies|presets\.[^[]+\.policies)\[/.test(path);

/** A drop-in that nobody loaded must not vanish in silence. */
function unloaded(config: GatewayConfig, preset: string | undefined): readonly ConfigProblem[] {
  return dropInsOf(config, preset).map(({ path }) => ({ path, message: 'this drop-in was not loaded' }));
}
