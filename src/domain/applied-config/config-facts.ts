// A resolved config as plain facts: a flat map of what each named thing says, in words that two configs can be compared
// by and that people may read. Nothing secret enters: a credential is the name of its variable.

import type { NamedPlugin, ResolvedConfig } from '../../config/resolve.ts';
import { sha256Hex } from '../../core/secrets.ts';
import type { PluginKind } from '../../plugin/define.ts';
import { isDropIn } from '../../plugin/drop-in.ts';
import {
  simulatorAddress,
  type GatewayConfig,
  type GroupConfig,
  type ListedPlugin,
  type LimitsConfig,
  type ModelConfig,
  type PriceConfig,
  type UpstreamConfig,
} from '../../plugin/gateway.ts';
import { parseDocuments } from '../terms/terms-service.ts';
import { optionFacts, type DescribedEntry } from './option-facts.ts';

/** One named thing: its fields as text. */
export type Fields = Readonly<Record<string, string>>;
const RULE = 'billing rule/';

/** By noun and name: `upstream/openai`. */
export type ConfigFacts = Readonly<Record<string, Fields>>;

/** A file that the config consists of. */
export interface SourceFile {
  /** Relative to the config's folder. */
  readonly path: string;
  readonly sha256: string;
}

export interface FactsOptions {
  readonly sources: readonly SourceFile[];
  /** Upstreams that stand for the simulator: their address says nothing. */
  readonly simulated: readonly string[];
}

/** Throws TermsDocumentsError. */
export function configFacts(resolved: ResolvedConfig, { sources, simulated }: FactsOptions): ConfigFacts {
  const { config } = resolved;
  return Object.fromEntries([
    ...sources.map(({ path, sha256 }) => [`source/${path}`, { sha256 }] as const),
    ['settings/all', settingsFacts(resolved)] as const,
    ...pluginFacts('provider', entriesAmong(config.providers), resolved.providers),
    ...pluginFacts('routing strategy', entriesAmong(config.routing), resolved.routing),
    ...pluginFacts('billing rule', entriesAmong(config.billing), resolved.billing),
    ...pluginFacts('policy', policiesInForce(resolved), resolved.policies),
    ...config.upstreams.map(
      (upstream) => [`upstream/${upstream.name}`, upstreamFacts(upstream, resolved, simulated)] as const,
    ),
    ...config.models.map((model) => [`model/${model.name}`, modelFacts(model, resolved)] as const),
    ...(config.groups ?? []).map((group) => [`group/${group.name}`, groupFacts(group)] as const),
    ...parseDocuments(resolved.terms).map(
      ({ document, version, sha256 }) => [`terms document/${document} ${version}`, { sha256 }] as const,
    ),
    ...Object.entries(config.presets ?? {}).map(([name, preset]) => [`preset/${name}`, presetFacts(preset)] as const),
  ]);
}

/** The same facts give the same hash, on every machine. */
export const factsSha256 = (facts: ConfigFacts): string => sha256Hex(factsText(facts));

/** Each billing rule with the hash of all that is known of it. */
export const ruleForms = (facts: ConfigFacts): readonly { readonly name: string; readonly form: string }[] =>
  Object.entries(facts)
    .filter(([key]) => key.startsWith(RULE))
    .map(([key, fields]) => ({
      name: key.slice(RULE.length),
      form: sha256Hex(JSON.stringify(sorted(Object.entries(fields)))),
    }));

/** Canonical: names and fields in order. */
export const factsText = (facts: ConfigFacts): string =>
  JSON.stringify(sorted(Object.entries(facts).map(([key, fields]) => [key, sorted(Object.entries(fields))])));

export function factsOfText(text: string): ConfigFacts {
  const parsed: unknown = JSON.parse(text);
  return Object.fromEntries(
    entriesOf(parsed).map(([key, fields]) => [
      key,
      Object.fromEntries(entriesOf(fields).map(([name, value]) => [name, String(value)])),
    ]),
  );
}

const sorted = <T>(entries: readonly (readonly [string, T])[]) =>
  Object.fromEntries(entries.toSorted(([one], [other]) => (one < other ? -1 : 1)));

const entriesOf = (value: unknown): [string, unknown][] =>
  typeof value === 'object' && value !== null ? Object.entries(value) : [];

const given = (fields: Readonly<Record<string, string | undefined>>): Fields =>
  Object.fromEntries(Object.entries(fields).filter((entry): entry is [string, string] => entry[1] !== undefined));

/** Without the drop-ins that were refused or that no chosen preset names: they are no plugins. */
const entriesAmong = (list: readonly ListedPlugin<PluginKind>[]): readonly DescribedEntry[] =>
  list.filter((one) => !isDropIn(one));

/** The preset's policies take the place of the config's of the same name. */
function policiesInForce({ config, preset }: ResolvedConfig): readonly DescribedEntry[] {
  const own = preset === undefined ? [] : entriesAmong(config.presets?.[preset]?.policies ?? []);
  return [...entriesAmong(config.policies).filter(({ name }) => !own.some((one) => one.name === name)), ...own];
}

/** What is one for the whole gateway. Of lists that are asked in order, the order. */
function settingsFacts(resolved: ResolvedConfig): Fields {
  const { config } = resolved;
  const { proxy, country } = config;
  return given({
    preset: resolved.preset,
    currency: resolved.currency,
    'default billing rule': resolved.billing[0]?.name,
    'default routing strategy': resolved.routing[0]?.name,
    'order of policies': resolved.policies.map(({ name }) => name).join(', ') || undefined,
    ...limitFacts('addressLimits', config.addressLimits),
    'proxy.trusted': proxy?.trusted.join(', '),
    'proxy.header': proxy?.header,
    country:
      country === undefined || country.kind === 'none'
        ? undefined
        : country.kind === 'header'
          ? `header ${country.name}`
          : `database ${country.file}`,
  });
}

const pluginFacts = (noun: string, entries: readonly DescribedEntry[], made: readonly Made[]) =>
  entries
    .filter(({ name }) => typeof name === 'string')
    .map((entry) => {
      const source = made.find(({ name }) => name === entry.name)?.source;
      const pin = source?.kind === 'drop-in' ? { 'drop-in': source.file, sha256: source.sha256 } : {};
      return [`${noun}/${entry.name}`, { version: entry.version, ...pin, ...optionFacts(entry) }] as const;
    });

type Made = Pick<NamedPlugin<PluginKind>, 'name' | 'source'>;

function upstreamFacts(upstream: UpstreamConfig, { upstreams }: ResolvedConfig, simulated: readonly string[]): Fields {
  const resolved = upstreams.find(({ name }) => name === upstream.name);
  return given({
    provider: upstream.provider,
    baseUrl: simulated.includes(upstream.name) ? simulatorAddress : resolved?.url.href,
    addresses: resolved?.addresses,
    credential: upstream.credential === undefined ? undefined : `from ${upstream.credential.fromEnvironment}`,
    weight: upstream.weight?.toString(),
    priority: upstream.priority?.toString(),
    onClientLeaving: upstream.onClientLeaving,
    'left out': resolved === undefined ? 'its credential is not in the environment' : undefined,
  });
}

function modelFacts(model: ModelConfig, resolved: ResolvedConfig): Fields {
  const prices: readonly (PriceConfig & { readonly from?: string })[] = isList(model.price)
    ? model.price
    : [model.price];
  const fields: Record<string, string | undefined> = {
    operations: (model.operations ?? ['chat']).join(', '),
    contextTokens: model.contextTokens.toString(),
    outputTokensMax: model.outputTokensMax.toString(),
    rule: model.rule ?? resolved.billing[0]?.name,
    strategy: model.strategy ?? resolved.routing[0]?.name,
    multiplierPpm: model.multiplierPpm?.toString(),
    groups: model.groups?.join(', '),
    'left out': resolved.models.some(({ name }) => name === model.name)
      ? undefined
      : 'none of its upstreams can be used',
  };
  for (const price of prices) {
    Object.assign(fields, priceFacts(price.from === undefined ? 'price' : `price from ${price.from}`, price));
  }
  for (const { upstream, model: name, cost } of model.offers) {
    fields[`offer on ${upstream}`] = name ?? model.name;
    if (cost !== undefined) Object.assign(fields, priceFacts(`offer on ${upstream} cost`, cost));
  }
  fields['order of offers'] = model.offers.map(({ upstream }) => upstream).join(', ');
  return given(fields);
}

const isList = (price: ModelConfig['price']): price is Extract<ModelConfig['price'], readonly unknown[]> =>
  Array.isArray(price);

/** Rates as the config has them: micro-units of currency per million tokens. */
function priceFacts(at: string, { currency, rates, perCallNano }: PriceConfig): Fields {
  const entries: readonly (readonly [string, bigint | undefined])[] = Object.entries(rates);
  return {
    ...Object.fromEntries(
      entries.flatMap(([part, rate]) =>
        rate === undefined ? [] : [[`${at} ${part}`, `${rate} micro-${currency} per million`]],
      ),
    ),
    ...(perCallNano === undefined ? {} : { [`${at} perCall`]: `${perCallNano} nano-${currency}` }),
  };
}

const groupFacts = ({ multiplierPpm, limits }: GroupConfig): Fields =>
  given({ multiplierPpm: multiplierPpm?.toString(), ...limitFacts('limits', limits) });

const limitFacts = (at: string, limits: LimitsConfig | undefined) => ({
  [`${at}.requestsPerMinute`]: limits?.requestsPerMinute?.toString(),
  [`${at}.tokensPerMinute`]: limits?.tokensPerMinute?.toString(),
  [`${at}.concurrency`]: limits?.concurrency?.toString(),
});

/** What a preset holds, whether or not it is chosen. */
const presetFacts = ({ summary, terms, policies }: NonNullable<GatewayConfig['presets']>[string]): Fields => ({
  summary,
  policies: policies.map((one) => (isDropIn(one) ? `drop-in ${one.file}` : `${one.name} ${one.version}`)).join(', '),
  ...Object.fromEntries(terms.map(({ file, text }) => [`terms ${file}`, sha256Hex(text)])),
});
