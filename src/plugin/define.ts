// define…: each returns a typed factory; a factory call yields an inert entry. Nothing runs on import or on the call:
// the host checks the options against the schema when it starts, reports every error at once, and then calls `create`.

import type { Static, TObject } from '@sinclair/typebox';
import type { BillingRule } from './billing.ts';
import type { CompliancePolicy } from './policy.ts';
import type { Provider } from './provider.ts';
import type { RoutingStrategy } from './routing.ts';

interface KindMap {
  provider: Provider;
  routing: RoutingStrategy;
  billing: BillingRule;
  policy: CompliancePolicy;
}
export type PluginKind = keyof KindMap;
export type PluginOf<K extends PluginKind> = KindMap[K];

/** What a plugin author writes. */
export interface PluginDefinition<K extends PluginKind, S extends TObject> {
  /** Kebab-case, unique within its kind; prices, upstreams and records refer to it. */
  readonly name: string;
  /** Semantic version of the plugin; shown by `tollgate check`. */
  readonly version: string;
  /** One sentence for operators. */
  readonly summary: string;
  /** TypeBox schema of the options, strict: an unknown option is an error with its path. */
  readonly options: S;
  /** Called once at start with checked options. May throw: the message is reported with the entry's path. */
  create(options: Static<S>): PluginOf<K>;
}

declare const kindOf: unique symbol;
/** By name and not by identity, so that both hold wherever this module was bundled twice. */
const factoryMark: unique symbol = Symbol.for('tollgate.plugin-factory');
const entryMark: unique symbol = Symbol.for('tollgate.plugin-entry');

/** An inert entry of a config list. Its kind is part of its type: a policy among the providers does not compile. */
export interface PluginEntry<K extends PluginKind> {
  readonly [kindOf]?: K;
  readonly [entryMark]?: (entry: PluginEntry<PluginKind>) => ExportedPlugin;
  readonly kind: K;
  readonly name: string;
  readonly version: string;
  readonly summary: string;
  readonly schema: TObject;
  readonly options: unknown;
  /** Checks nothing: the host calls it with options that passed the schema. */
  readonly create: (options: unknown) => PluginOf<K>;
}

/** A factory: called in the config with options, which may be left out when all of them are optional. */
export type PluginFactory<K extends PluginKind, S extends TObject> = (
  ...options: Record<string, never> extends Static<S> ? [options?: Static<S>] : [options: Static<S>]
) => PluginEntry<K>;

/** What a file exports, when nothing is known of it but that a define function made it. */
export type ExportedPlugin =
  | {
      readonly form: 'factory';
      readonly kind: PluginKind;
      readonly enter: (options: unknown) => PluginEntry<PluginKind>;
    }
  | { readonly form: 'entry'; readonly kind: PluginKind; readonly entry: PluginEntry<PluginKind> };

/** Undefined for whatever no define function made. */
export function exportedPlugin(value: unknown): ExportedPlugin | undefined {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return undefined;
  const found: unknown = Reflect.get(value, typeof value === 'function' ? factoryMark : entryMark);
  return typeof found === 'function' ? (found(value) as ExportedPlugin) : undefined;
}

const asEntry = (entry: PluginEntry<PluginKind>): ExportedPlugin => ({ form: 'entry', kind: entry.kind, entry });

function define<K extends PluginKind>(kind: K) {
  return <S extends TObject>(definition: PluginDefinition<K, S>): PluginFactory<K, S> => {
    const enter = (options: unknown): PluginEntry<K> => ({
      [entryMark]: asEntry,
      kind,
      name: definition.name,
      version: definition.version,
      summary: definition.summary,
      schema: definition.options,
      options: options ?? {},
      create: (checked) => definition.create(checked as Static<S>),
    });
    const factory: PluginFactory<K, S> = (...options) => enter(options[0]);
    return Object.defineProperty(factory, factoryMark, { value: () => ({ form: 'factory', kind, enter }) });
  };
}

/** A provider: one vendor's protocols, addressing, usage, faults and list prices. */
export const defineProvider = define('provider');
/** A routing strategy: ranks upstreams for a request. */
export const defineRoutingStrategy = define('routing');
/** A billing rule: price terms and usage to charge lines. */
export const defineBillingRule = define('billing');
/** A compliance policy: facts at a gate to a decision. */
export const definePolicy = define('policy');

/**
 * The same entry under another name, for a config that needs a plugin twice with different options:
 * `named('deepseek', openAiCompatible({ baseUrl: … }))`.
 */
export const named = <K extends PluginKind>(name: string, entry: PluginEntry<K>): PluginEntry<K> => ({
  ...entry,
  name,
});
