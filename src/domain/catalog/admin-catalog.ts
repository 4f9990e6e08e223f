// Upstreams and models that operators made, as values, and what may be asked of them. A patch holds only what is to
// change: undefined leaves a field as it is, null takes it away. Values are replaced whole, so that the same object
// means that nothing changed.

import type { EpochMs } from '../../core/clock.ts';
import type { PriceVersionId, UpstreamId } from '../../core/ids.ts';
import type { Currency, Nano, Ppm } from '../../core/money.ts';
import type { Operation } from '../../plugin/operations.ts';
import type { Rates } from '../../plugin/prices.ts';
import type { Model, PriceVersion, Upstream } from './catalog.ts';

export interface AdminUpstream {
  readonly id: UpstreamId;
  /** Its identity in records: never changed, never used again. */
  readonly name: string;
  readonly provider: string;
  /** Undefined: the provider's own. */
  readonly baseUrl: string | undefined;
  readonly addresses: Upstream['addresses'];
  readonly credential: { readonly sealed: string; readonly hint: string } | undefined;
  readonly weight: number;
  readonly priority: number;
  readonly onClientLeaving: Upstream['onClientLeaving'];
  readonly enabled: boolean;
  readonly createdAt: EpochMs;
  readonly revision: number;
}

export interface Cost {
  readonly currency: Currency;
  readonly rates: Rates;
  readonly perCallNano: Nano;
}

export interface AdminOffer {
  readonly upstream: string;
  /** Undefined: the model's public name. */
  readonly model: string | undefined;
  /** Undefined: the provider's list price. */
  readonly cost: Cost | undefined;
}

export interface AdminModel {
  readonly name: string;
  readonly operations: readonly Operation[];
  readonly contextTokens: number;
  readonly outputTokensMax: number;
  readonly rule: string;
  readonly strategy: string;
  readonly multiplierPpm: Ppm;
  /** Undefined: all. */
  readonly groups: readonly string[] | undefined;
  readonly offers: readonly AdminOffer[];
  readonly enabled: boolean;
  readonly createdAt: EpochMs;
  readonly revision: number;
}

export interface UpstreamPatch {
  readonly provider?: string | undefined;
  readonly baseUrl?: string | null | undefined;
  readonly addresses?: Upstream['addresses'] | undefined;
  /** The secret itself; it goes in here and never comes out of the domain but to the upstream. */
  readonly credential?: string | null | undefined;
  readonly weight?: number | undefined;
  readonly priority?: number | undefined;
  readonly onClientLeaving?: Upstream['onClientLeaving'] | undefined;
  readonly enabled?: boolean | undefined;
}

export interface NewUpstream extends UpstreamPatch {
  readonly name: string;
  readonly provider: string;
}

export interface OfferInput {
  readonly upstream: string;
  readonly model?: string | null | undefined;
  readonly cost?: Cost | null | undefined;
}

export interface ModelPatch {
  readonly operations?: readonly Operation[] | undefined;
  readonly contextTokens?: number | undefined;
  readonly outputTokensMax?: number | undefined;
  readonly rule?: string | undefined;
  readonly strategy?: string | undefined;
  readonly multiplierPpm?: Ppm | undefined;
  readonly groups?: readonly string[] | null | undefined;
  readonly offers?: readonly OfferInput[] | undefined;
  readonly enabled?: boolean | undefined;
}

export interface NewModel extends ModelPatch {
  readonly name: string;
  readonly contextTokens: number;
  readonly outputTokensMax: number;
  readonly offers: readonly OfferInput[];
}

export interface NewPrice extends Cost {
  /** In force from now on if left out; never in the past. */
  readonly validFrom?: EpochMs | undefined;
}

/** An upstream as operators see it, whoever declared it. Without its secret. */
export interface UpstreamInfo extends Omit<AdminUpstream, 'id' | 'credential' | 'createdAt' | 'revision'> {
  readonly hasCredential: boolean;
  readonly credentialHint: string | undefined;
  readonly source: 'config' | 'admin';
  readonly createdAt: EpochMs | undefined;
  /** Why it serves nothing although it is enabled. */
  readonly problem: string | undefined;
}

/** A model as operators see it, whoever declared it. */
export interface ModelInfo extends Omit<AdminModel, 'createdAt' | 'revision'> {
  readonly source: Model['source'];
  readonly createdAt: EpochMs | undefined;
  /** The version in force now. */
  readonly price: PriceVersion | undefined;
  /** Why it is not published although it is enabled. */
  readonly problem: string | undefined;
}

export type PriceStatus = 'in-force' | 'scheduled' | 'past' | 'withdrawn';

export interface PriceInfo extends PriceVersion {
  readonly id: PriceVersionId;
  readonly status: PriceStatus;
  readonly closedAt: EpochMs | undefined;
}
