// The suite, and what is `request-price`'s own: tokens cost nothing, and a model without a price per call is
// unpriced.

import { expect, test } from 'bun:test';
import { describeBillingRule } from 'tollgate/conformance';
import { requestPrice } from '../../../plugins/billing/request-price.ts';

describeBillingRule(requestPrice());

const rule = requestPrice().create({});
const terms = {
  priceVersionId: 'prc_test',
  currency: 'USD',
  rates: { input: 9_000_000n },
  perCallNano: 10_000_000n,
  multipliersPpm: [2_000_000],
};

test('charges the call, whatever was consumed, and multipliers do not touch it', () => {
  expect(rule.charge(terms, { input: 1_000_000, output: 5 }).totalNano).toBe(10_000_000n);
  expect(rule.charge(terms, {}).totalNano).toBe(10_000_000n);
  expect(rule.estimate(terms, { input: 1, output: 1 }).totalNano).toBe(10_000_000n);
});

test('a price per token is no price here', () => {
  expect(
    rule.missingRates({ rates: { input: 1n, output: 1n }, perCallNano: 0n }, ['input', 'output']),
  ).toEqual(['input', 'output']);
  expect(rule.missingRates({ rates: {}, perCallNano: 1n }, ['input', 'output'])).toEqual([]);
});
