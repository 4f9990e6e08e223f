// `token-price`: each part of the usage times its own rate, plus the price per call. Reasoning without a rate
// of its own costs what output costs; nothing else is ever priced by guess. Pure: `verify` asks again and
// gets the same answer.

import {
  Type,
  defineBillingRule,
  totalOf,
  usageParts,
  type Charge,
  type ChargeLine,
  type MicroPerMillion,
  type PriceTerms,
  type Rates,
  type UsagePart,
  type UsageParts,
} from 'tollgate/plugin';

const inputSide = ['input', 'cacheRead', 'cacheWrite5m', 'cacheWrite1h', 'imageInput', 'audioInput'] as const;
const outputSide = ['output', 'reasoning', 'imageOutput', 'audioOutput'] as const;
const counted = ['calls', 'seconds', 'toolCalls'] as const;

function rateOf(rates: Rates, part: UsagePart): MicroPerMillion | undefined {
  return rates[part] ?? (part === 'reasoning' ? rates.output : undefined);
}

function chargeOf(lines: ChargeLine[], terms: PriceTerms): Charge {
  if (terms.perCallNano > 0n) lines.push({ kind: 'per-call', amountNano: terms.perCallNano });
  return { lines, totalNano: totalOf(lines, terms.multipliersPpm) };
}

/** One line for all tokens of a side, at the dearest rate that any of them could be charged. */
function dearestLine(side: readonly UsagePart[], rates: Rates, bound: UsageParts): ChargeLine | undefined {
  let quantity = 0;
  let dearest: UsagePart | undefined;
  let rate: MicroPerMillion = -1n;
  for (const part of side) {
    quantity += bound[part] ?? 0;
    const own = rateOf(rates, part);
    if (own === undefined || own <= rate) continue;
    dearest = part;
    rate = own;
  }
  return dearest === undefined || quantity <= 0 ? undefined : { kind: 'quantity', part: dearest, quantity, rate };
}

function estimate(terms: PriceTerms, bound: UsageParts): Charge {
  const lines: ChargeLine[] = [];
  const input = dearestLine(inputSide, terms.rates, bound);
  if (input !== undefined) lines.push(input);
  const output = dearestLine(outputSide, terms.rates, bound);
  if (output !== undefined) lines.push(output);
  for (const part of counted) {
    const quantity = bound[part] ?? 0;
    const rate = terms.rates[part];
    if (quantity > 0 && rate !== undefined) lines.push({ kind: 'quantity', part, quantity, rate });
  }
  return chargeOf(lines, terms);
}

/**
 * Throws for a part without a price: such a model is never published, and such usage is folded before it
 * comes here.
 */
function charge(terms: PriceTerms, usage: UsageParts): Charge {
  const lines: ChargeLine[] = [];
  for (const part of usageParts) {
    const quantity = usage[part] ?? 0;
    if (quantity <= 0) continue;
    const rate = rateOf(terms.rates, part);
    if (rate === undefined)
      throw new RangeError(`price version ${terms.priceVersionId} has no rate for ${part}`);
    lines.push({ kind: 'quantity', part, quantity, rate });
  }
  return chargeOf(lines, terms);
}

export const tokenPrice = defineBillingRule({
  name: 'token-price',
  version: '1.0.0',
  summary: 'Quantity times rate for each part of the usage, plus the price per call.',
  options: Type.Object({}, { additionalProperties: false }),
  create: () => ({
    missingRates: (terms, parts) => parts.filter((part) => rateOf(terms.rates, part) === undefined),
    estimate,
    charge,
  }),
});

export default tokenPrice;
