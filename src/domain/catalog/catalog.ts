// Models, their dated prices, and which upstreams offer them. Built from the config and from what operators added;
// values are immutable, and a request keeps those that it was admitted with.

import type { EpochMs } from '../../core/clock.ts';
import type { PriceVersionId, UpstreamId } from '../../core/ids.ts';
import type { Currency, Nano, Ppm } from '../../core/money.ts';
import type { BillingRule } from '../../plugin/billing.ts';
import type { Operation } from '../../plugin/operations.ts';
import type { Rates } from '../../plugin/prices.ts';
import type { Provider } from '../../plugin/provider.ts';
import type { RoutingStrategy } from '../../plugin/routing.ts';

/** One dated, immutable set of rates of a model. In force from `validFrom` until the next one's. */
export interface PriceVersion {
  readonly id: PriceVersionId;
  readonly model: string;
  readonly currency: Currency;
  readonly rates: Rates;
  readonly perCallNano: Nano;
  readonly validFrom: EpochMs;
  readonly source: 'config' | 'admin';
}

/** One configured endpoint and credential of a provider. */
export interface Upstream {
  readonly id: UpstreamId;
  readonly name: string;
  readonly providerName: string;
  readonly provider: Provider;
  readonly baseUrl: URL;
  /** The secret itself. Lives here and in the headers that are sent; printed nowhere. */
  readonly credential: string | undefined;
  readonly weight: number;
  readonly priority: number;
  readonly addresses: 'public' | 'any';
  readonly onClientLeaving: 'cancel' | 'drain';
  readonly source: 'config' | 'admin';
  readonly enabled: boolean;
}

/** A model on an upstream. */
export interface Offer {
  readonly upstream: Upstream;
  /** The upstream's own name for it. */
  readonly model: string;
  readonly cost: { readonly currency: Currency; readonly rates: Rates; readonly perCallNano: Nano } | undefined;
}

export interface Model {
  readonly name: string;
  readonly operations: readonly Operation[];
  readonly contextTokens: number;
  readonly outputTokensMax: number;
  readonly ruleName: string;
  readonly rule: BillingRule;
  readonly strategyName: string;
  readonly strategy: RoutingStrategy;
  readonly multiplierPpm: Ppm;
  /** Undefined: every group may use it. */
  readonly groups: readonly string[] | undefined;
  readonly offers: readonly Offer[];
  readonly source: 'config' | 'admin';
  readonly createdAt: EpochMs;
}

export interface Catalog {
  /** Exact match on the public name; undefined also for models that are not published. */
  model(name: string): Model | undefined;
  /** All published models, by name. */
  models(): readonly Model[];
  /** The price version in force at that time; undefined if none is: the model is refused then, never free. */
  priceAt(model: string, at: EpochMs): PriceVersion | undefined;
  upstreams(): readonly Upstream[];
}
