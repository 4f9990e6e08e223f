// What a stored usage record must have cost: from the record alone and the billing rule that it names.

import type { BillingRule } from '../../plugin/billing.ts';
import type { Nano } from '../../core/money.ts';
import { mayCharge } from './charge-table.ts';
import type { UsageRecord } from './records.ts';

/** Undefined when this configuration does not have the rule. Without lines nothing was charged. */
export function recomputeCharge(
  record: UsageRecord, ruleNamed: (name: string) => BillingRule | undefined,
): Nano | undefined {
  if (record.lines.length === 0 || !mayCharge(record.outcome, record.usageSource)) return 0n;
  const { priceVersionId, currency, rates, perCallNano, multipliers, rule } = record.terms;
  const terms = {
    priceVersionId, currency, rates, perCallNano, multipliersPpm: multipliers.map((multiplier) => multiplier.ppm),
  };
  return ruleNamed(rule)?.charge(terms, record.usage).totalNano;
}
