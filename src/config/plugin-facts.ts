// What is told of the plugins of a config, to operators and in documents: everything but the plugin itself.

import type { PluginKind } from '../plugin/define.ts';
import type { NamedPlugin } from './plugins.ts';
import type { ResolvedConfig } from './resolve.ts';

export interface PluginFacts extends Omit<NamedPlugin<PluginKind>, 'plugin'> {
  readonly kind: PluginKind;
}

/** In the order of the config's lists. */
export function pluginFacts({ providers, routing, billing, policies }: ResolvedConfig): readonly PluginFacts[] {
  const factsOf = <K extends PluginKind>(kind: K, plugins: readonly NamedPlugin<K>[]): readonly PluginFacts[] =>
    plugins.map(({ name, version, summary, source, schema }) => ({ kind, name, version, summary, source, schema }));
  return [
    ...factsOf('provider', providers),
    ...factsOf('routing', routing),
    ...factsOf('billing', billing),
    ...factsOf('policy', policies),
  ];
}
