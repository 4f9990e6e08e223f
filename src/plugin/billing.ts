// Billing rule: turns frozen price terms and usage into charge lines. A pure function: the host rounds, holds and
// books.

import { roundUpToNano } from '../core/money.ts';
import type { MicroPerMillion, Nano, Pico, Ppm } from '../core/money.ts';
import type { PriceTerms } from './prices.ts';
import type { UsagePart, UsageParts } from './usage.ts';

/** One part of a charge. Tokens: `pico = quantity x rate`, before multipliers. */
export type ChargeLine =
  | { readonly kind: 'quantity'; readonly part: UsagePart; readonly quantity: number; readonly rate: MicroPerMillion }
  | { readonly kind: 'per-call'; readonly amountNano: Nano };

/** A charge with its derivation. `totalNano` is rounded once, upward, and is never negative. */
export interface Charge {
  readonly lines: readonly ChargeLine[];
  readonly totalNano: Nano;
}

export interface BillingRule {
  /**
   * Which of the parts that the model's providers may report have no price under this rule. Asked when a model is
   * published; a non-empty answer refuses the model. `reasoning` may fall back to `output`.
   */
  missingRates(terms: Pick<PriceTerms, 'rates' | 'perCallNano'>, parts: readonly UsagePart[]): readonly UsagePart[];
  /**
   * The most that usage within `bound` can cost. Asked once, before the request is sent; its total is what is held.
   * Must be at least `charge(terms, usage)` for every usage whose token parts, summed over input and over output,
   * stay within the bound's `input` and `output`.
   */
  estimate(terms: PriceTerms, bound: UsageParts): Charge;
  /** What the usage costs. Asked once, at settlement, and again by `verify`: the same answer every time. */
  charge(terms: PriceTerms, usage: UsageParts): Charge;
}

/** Sum of lines in pico, times each multiplier, rounded once upward, plus per-call amounts. The standard total. */
export function totalOf(lines: readonly ChargeLine[], multipliersPpm: readonly Ppm[]): Nano {
  let pico: Pico = 0n;
  let perCall: Nano = 0n;
  for (const line of lines) {
    if (line.kind === 'quantity') pico += BigInt(line.quantity) * line.rate;
    else perCall += line.amountNano;
  }
  const nano = roundUpToNano(pico, multipliersPpm);
  return perCall === 0n ? nano : nano + perCall;
}
