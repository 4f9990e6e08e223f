// Resolves a typed config into values that the gateway can run on, and reports everything that is wrong with it at
// once, each error with its path. Nothing is guessed: what is not understood is an error.

import type { GatewayConfig, PresetConfig, TermsDocumentConfig } from '../plugin/gateway.ts';
import { resolveModels, type ResolvedModel } from './models.ts';
import { createAll, listed, unique, type NamedPlugin } from './plugins.ts';
import { configShapeProblems, type ConfigProblem } from './schema.ts';
import { resolveUpstreams, type ResolvedUpstream } from './upstreams.ts';

export type { ResolvedModel } from './models.ts';
export type { NamedPlugin } from './plugins.ts';
export { unpricedParts, type ResolvedPrice } from './prices.ts';
export type { ConfigProblem } from './schema.ts';
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
  const preset = presetOf(config, surroundings.preset);
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
    (name) => surroundings.secret(name),
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
