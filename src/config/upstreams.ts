// The upstreams of a config: provider found, credential and address taken from the environment, address vetted.

import { checkUpstreamUrl, type AddressRule } from '../core/addresses.ts';
import type { GatewayConfig, UpstreamConfig } from '../plugin/gateway.ts';
import type { Provider } from '../plugin/provider.ts';
import { named, unique, type PluginList } from './plugins.ts';
import type { ConfigReport } from './schema.ts';

export interface ResolvedUpstream extends Omit<UpstreamConfig, 'addresses'> {
  readonly addresses: AddressRule;
  readonly plugin: Provider;
  readonly url: URL;
  readonly secret: string | undefined;
}

export interface Upstreams {
  readonly present: readonly ResolvedUpstream[];
  /** All names: one that is not present was left out, with a remark, or was complained of already. */
  readonly declared: ReadonlySet<string>;
}

export function resolveUpstreams(
  config: GatewayConfig,
  providers: PluginList<'provider'>,
  variable: (name: string) => string | undefined,
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
    const provider = named(providers, upstream.provider, `${at}.provider`, 'provider', report, remark);
    if (provider === undefined) continue;
    const secret =
      upstream.credential === undefined ? undefined : variable(upstream.credential.fromEnvironment);
    if (secret === undefined && upstream.credential !== undefined) {
      const absent = upstream.credential.fromEnvironment;
      if (upstream.whenCredentialPresent === true) {
        remark(`${at}.credential`, `'${upstream.name}' is left out: ${absent} is not in the environment`);
        continue;
      }
      report(`${at}.credential`, `${absent} is not in the environment`);
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
        : variable(upstream.baseUrl.fromEnvironment);
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
