// Prices: immutable and dated. A request pins one version when it is admitted and is charged by it, whatever comes
// later.

import type { Currency, MicroPerMillion, Nano, Ppm } from '../core/money.ts';
import type { UsagePart } from './usage.ts';

/** Rates by part, in micro-units of currency per million pieces (= pico-units per piece). Never negative. */
export type Rates = Readonly<Partial<Record<UsagePart, MicroPerMillion>>>;

/** Everything a billing rule may look at, frozen when the request was admitted. */
export interface PriceTerms {
  /** Identifier of the price version; stands on the hold and on the usage record. */
  readonly priceVersionId: string;
  readonly currency: Currency;
  readonly rates: Rates;
  /** Added once for each request, after the multipliers, which do not touch it. Nano-units, never negative. */
  readonly perCallNano: Nano;
  /** Factors of model and group, in parts per million, applied to the sum of all lines. */
  readonly multipliersPpm: readonly Ppm[];
}
