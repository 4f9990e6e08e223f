// `request-price`: a price for each call and nothing else, whatever the call consumes. A model that names no
// such price counts as unpriced, so that a forgotten number is a refusal and never a free model.

import {
  Type,
  defineBillingRule,
  totalOf,
  type Charge,
  type ChargeLine,
  type PriceTerms,
} from 'tollgate/plugin';

function charge(terms: PriceTerms): Charge {
  const lines: readonly ChargeLine[] =
    terms.perCallNano > 0n ? [{ kind: 'per-call', amountNano: terms.perCallNano }] : [];
  return { lines, totalNano: totalOf(lines, terms.multipliersPpm) };
}

export const requestPrice = defineBillingRule({
  name: 'request-price',
  version: '1.0.0',
  summary: 'A fixed price for each call; tokens are counted but not charged.',
  options: Type.Object({}, { additionalProperties: false }),
  create: () => ({
    missingRates: (terms, parts) => (terms.perCallNano > 0n ? [] : parts),
    estimate: charge,
    charge,
  }),
});

export default requestPrice;
