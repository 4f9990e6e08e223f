// The typed config. Everything here is data: secrets are named, never written; plugins are inert entries.

import type { Nano, Ppm } from '../core/money.ts';
import type { PluginEntry, PluginKind } from './define.ts';
import type { DropIn } from './drop-in.ts';
import type { Operation } from './operations.ts';
import type { Rates } from './prices.ts';

/** A value by the name of the environment variable that holds it. Secrets are never written in a config. */
export interface EnvironmentReference {
  readonly fromEnvironment: string;
}
export const fromEnvironment = (name: string): EnvironmentReference => ({ fromEnvironment: name });

/** Base URL of the simulator server that `serve` starts on a loopback port of its own. */
export const simulatorAddress = 'simulator:';

/** One endpoint and credential of a provider. Its name is its identity in records: do not reuse one. */
export interface UpstreamConfig {
  /** Kebab-case, unique. */
  readonly name: string;
  /** Name of a provider in this config. */
  readonly provider: string;
  /**
   * http or https, no query. The provider's own if left out, or if the environment variable that it names is absent.
   */
  readonly baseUrl?: string | EnvironmentReference;
  readonly credential?: EnvironmentReference;
  /** Leave the upstream out, with a line in the log, while its credential is not in the environment. */
  readonly whenCredentialPresent?: boolean;
  /** Relative share among its equals. Default 100. */
  readonly weight?: number;
  /** Smaller is preferred. Default 0. */
  readonly priority?: number;
  /**
   * `public`: only addresses of the public internet, after resolution. `any`: also loopback and private networks,
   * for upstreams of your own. Default `public`; `any` where the base URL comes from the environment, because whoever
   * sets that may reach this machine's network anyway.
   */
  readonly addresses?: 'public' | 'any';
  /**
   * On a client's leaving: `cancel` at once, or `drain` to the usage block where the provider bills anyway. Default
   * `cancel`.
   */
  readonly onClientLeaving?: 'cancel' | 'drain';
}

export interface PriceConfig {
  /** ISO 4217, for example `USD`. */
  readonly currency: string;
  /** Micro-units of currency per million tokens, by part: 2.50 USD per million is `2_500_000n`. */
  readonly rates: Rates;
  /** Nano-units for each request. Default 0n. */
  readonly perCallNano?: Nano;
}

/**
 * A price of a list of dated ones. Each holds from its time until the next one's, so that a change is declared before
 * it comes; what was charged before keeps its price.
 */
export interface DatedPriceConfig extends PriceConfig {
  /**
   * ISO 8601 in UTC: `2026-12-01T00:00:00Z`. Only the first of a list may leave it out: in force since it was
   * declared.
   */
  readonly from?: string;
}

export interface OfferConfig {
  /** Name of an upstream. */
  readonly upstream: string;
  /** The upstream's own name for the model. The public name if left out. */
  readonly model?: string;
  /** What the upstream charges us. The provider's list price for that model if left out. */
  readonly cost?: PriceConfig;
}

/** A model: the public name that clients send. */
export interface ModelConfig {
  readonly name: string;
  /** Default `['chat']`. */
  readonly operations?: readonly Operation[];
  /** Tokens of input and output together; bounds what an input can hold. */
  readonly contextTokens: number;
  /** Most tokens of output in one choice; held when the request names no limit. */
  readonly outputTokensMax: number;
  /** Name of a billing rule in this config. The first one if left out. */
  readonly rule?: string;
  /** Factor on all lines, in parts per million. Default 1,000,000. */
  readonly multiplierPpm?: Ppm;
  /** One price, or several by their dates, earliest first. */
  readonly price: PriceConfig | readonly DatedPriceConfig[];
  readonly offers: readonly OfferConfig[];
  /** Name of a routing strategy in this config. The first one if left out. */
  readonly strategy?: string;
  /** Groups that may use it. All if left out. */
  readonly groups?: readonly string[];
}

/** Counts per time. Zero is not "unlimited": leave a limit out for that. */
export interface LimitsConfig {
  readonly requestsPerMinute?: number;
  readonly tokensPerMinute?: number;
  readonly concurrency?: number;
}

export interface GroupConfig {
  readonly name: string;
  /** Factor on charges, in parts per million. Default 1,000,000; 0 is free. */
  readonly multiplierPpm?: Ppm;
  readonly limits?: LimitsConfig;
}

/** Names who may tell us a client's country. */
export type CountrySourceConfig =
  | { readonly kind: 'none' }
  /** A header set by a trusted proxy, such as `cf-ipcountry`. */
  | { readonly kind: 'header'; readonly name: string }
  /** A MaxMind-format database file of the operator's. */
  | { readonly kind: 'mmdb'; readonly file: string };

export interface ProxyConfig {
  /** CIDR ranges whose word on the client's address is taken. Empty: the socket peer is the client. */
  readonly trusted: readonly string[];
  /** The one header that they set. */
  readonly header: 'x-forwarded-for' | 'forwarded' | 'cf-connecting-ip' | 'x-real-ip';
}

/** One terms document as text, compiled in: Markdown with front matter. See `policies/README.md`. */
export interface TermsDocumentConfig {
  /** For error messages. */
  readonly file: string;
  readonly text: string;
}

/** An entry of the list of a kind: made by a factory, or in a file of its own that is loaded at start. */
export type ListedPlugin<K extends PluginKind> = PluginEntry<K> | DropIn;

export interface GatewayConfig {
  readonly providers: readonly ListedPlugin<'provider'>[];
  readonly routing: readonly ListedPlugin<'routing'>[];
  readonly billing: readonly ListedPlugin<'billing'>[];
  readonly policies: readonly ListedPlugin<'policy'>[];
  readonly upstreams: readonly UpstreamConfig[];
  readonly models: readonly ModelConfig[];
  readonly groups?: readonly GroupConfig[];
  /** Limits for each client address, whatever its key. */
  readonly addressLimits?: LimitsConfig;
  readonly country?: CountrySourceConfig;
  readonly proxy?: ProxyConfig;
  readonly terms?: readonly TermsDocumentConfig[];
  /** Named sets of terms documents, policies and groups that `--preset` turns on. */
  readonly presets?: Readonly<Record<string, PresetConfig>>;
  /** Currency of new accounts. Default `USD`. */
  readonly currency?: string;
}

export interface PresetConfig {
  readonly summary: string;
  readonly terms: readonly TermsDocumentConfig[];
  readonly policies: readonly ListedPlugin<'policy'>[];
}

/** The identity function: it gives the file its types. */
export const defineGateway = (config: GatewayConfig): GatewayConfig => config;
