// Prices of a config's models: one, or several by their dates, each with a rate for all that the upstreams report.

import type { ConfigReport } from './schema.ts';
import type { EpochMs } from '../core/clock.ts';
import type { Currency, Nano } from '../core/money.ts';
import type { BillingRule } from '../plugin/billing.ts';
import type { DatedPriceConfig, ModelConfig } from '../plugin/gateway.ts';
import type { Operation } from '../plugin/operations.ts';
import type { Rates } from '../plugin/prices.ts';
import type { Provider } from '../plugin/provider.ts';
import type { UsagePart } from '../plugin/usage.ts';

/** One price of a model, from its time on; undefined: in force since it was declared. */
export interface ResolvedPrice {
  readonly from: EpochMs | undefined;
  readonly currency: Currency;
  readonly rates: Rates;
  readonly perCallNano: Nano;
}

export const isDated = (price: ModelConfig['price']): price is readonly DatedPriceConfig[] => Array.isArray(price);

export function resolvePrices(price: ModelConfig['price'], at: string, report: ConfigReport): readonly ResolvedPrice[] {
  const list: readonly DatedPriceConfig[] = isDated(price) ? price : [price];
  const prices = list.map((one, index): ResolvedPrice => ({
    from: one.from === undefined ? undefined : timeOf(one.from, `${at}[${index}].from`, report),
    currency: one.currency,
    rates: one.rates,
    perCallNano: one.perCallNano ?? 0n,
  }));
  for (const [index, { from }] of prices.entries()) {
    if (index === 0) continue;
    const before = prices[index - 1]?.from;
    if (list[index]?.from === undefined)
      report(`${at}[${index}].from`, 'only the first of dated prices may leave it out');
    else if (from !== undefined && before !== undefined && from <= before) {
      report(`${at}[${index}].from`, 'must be later than that of the price before it: earliest first');
    }
  }
  return prices;
}

/** The 31st of February fits a pattern too. */
function timeOf(text: string, path: string, report: ConfigReport): EpochMs | undefined {
  const at = Date.parse(text);
  if (!Number.isNaN(at) && new Date(at).toISOString().slice(0, 10) === text.slice(0, 10)) return at;
  report(path, 'is not a date of the calendar; write it as 2026-12-01T00:00:00Z');
  return undefined;
}

/** Parts that the providers may report for these operations and that the price does not cover under this rule. */
export function unpricedParts(
  price: Pick<ResolvedPrice, 'rates' | 'perCallNano'>,
  rule: BillingRule,
  providers: readonly Provider[],
  operations: readonly Operation[],
): readonly UsagePart[] {
  const parts = new Set<UsagePart>();
  for (const provider of providers)
    for (const operation of operations) for (const part of provider.parts(operation)) parts.add(part);
  return rule.missingRates({ rates: price.rates, perCallNano: price.perCallNano }, [...parts]);
}

/** An unpriced part refuses the model when it is published, not when it is charged. */
export function reportUnpriced(
  price: ResolvedPrice,
  rule: BillingRule,
  providers: readonly Provider[],
  operations: readonly Operation[],
  at: string,
  report: ConfigReport,
): void {
  for (const part of unpricedParts(price, rule, providers, operations)) {
    report(
      `${at}.rates.${part}`,
      `the upstreams of this model report ${part}, which has no price; an unpriced model is not served. Price it, 0n included`,
    );
  }
}
