// The suite, the charging vectors, and what is `token-price`'s own: which rate stands in for which, and for
// which none does.

import { describe, expect, test } from 'bun:test';
import { describeBillingRule } from 'tollgate/conformance';
import { usageParts, type PriceTerms, type UsageParts } from 'tollgate/plugin';
import { tokenPrice } from '../../../plugins/billing/token-price.ts';
import { chargeVectors } from '../../vectors/charges.ts';

describeBillingRule(tokenPrice());

const rule = tokenPrice().create({});
const terms = (rates: PriceTerms['rates'], perCallNano = 0n): PriceTerms => ({
  priceVersionId: 'prc_test',
  currency: 'USD',
  rates,
  perCallNano,
  multipliersPpm: [1_000_000],
});

describe('charging vectors', () => {
  for (const vector of chargeVectors) {
    test(vector.id, () => {
      expect(rule.charge(vector.terms, vector.usage).totalNano).toBe(vector.expectedNano);
      expect(rule.estimate(vector.terms, vector.usage).totalNano).toBeGreaterThanOrEqual(vector.expectedNano);
    });
  }
});

test('reasoning without a rate costs what output costs; its own rate wins, zero included', () => {
  const usage: UsageParts = { output: 10, reasoning: 100 };
  expect(rule.charge(terms({ output: 1_000n }), usage).totalNano).toBe(110n);
  expect(rule.charge(terms({ output: 1_000n, reasoning: 3_000n }), usage).totalNano).toBe(310n);
  expect(rule.charge(terms({ output: 1_000n, reasoning: 0n }), usage).totalNano).toBe(10n);
});

test('every other part without a rate is reported, and refused if it comes all the same', () => {
  const onlyText = { rates: { input: 1n, output: 1n }, perCallNano: 0n };
  expect(rule.missingRates(onlyText, usageParts)).toEqual([
    'cacheRead',
    'cacheWrite5m',
    'cacheWrite1h',
    'imageInput',
    'audioInput',
    'imageOutput',
    'audioOutput',
    'calls',
    'seconds',
    'toolCalls',
  ]);
  expect(rule.missingRates({ rates: { input: 1n }, perCallNano: 5n }, ['output', 'reasoning'])).toEqual([
    'output',
    'reasoning',
  ]);
  expect(() => rule.charge(terms({ input: 1n }), { cacheRead: 1 })).toThrow('no rate for cacheRead');
});

test('the estimate takes the dearest rate of each side', () => {
  const dear = terms({
    input: 1_000n,
    cacheWrite1h: 2_000n,
    output: 5_000n,
    reasoning: 9_000n,
    calls: 1_000_000n,
  });
  const estimate = rule.estimate(dear, { input: 100, output: 10, calls: 1 });
  expect(estimate.lines).toEqual([
    { kind: 'quantity', part: 'cacheWrite1h', quantity: 100, rate: 2_000n },
    { kind: 'quantity', part: 'reasoning', quantity: 10, rate: 9_000n },
    { kind: 'quantity', part: 'calls', quantity: 1, rate: 1_000_000n },
  ]);
  expect(estimate.totalNano).toBe(1_290n);
});

test('lines stand in the order of the parts, and nothing is charged for a quantity that is not above zero', () => {
  const lines = rule.charge(terms({ input: 1n, cacheRead: 1n, output: 1n }, 3n), {
    output: 1,
    cacheRead: 2,
    input: -5,
  }).lines;
  expect(lines.map((line) => (line.kind === 'quantity' ? line.part : line.kind))).toEqual([
    'cacheRead',
    'output',
    'per-call',
  ]);
});
