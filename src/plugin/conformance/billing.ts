// What every billing rule keeps: exact, pure, never negative, derived from its lines, and never above its
// estimate. The hold is the estimate, so a rule that breaks the last one can charge more than was reserved.

import { expect } from 'bun:test';
import fc from 'fast-check';
import { totalOf, type BillingRule, type Charge } from '../billing.ts';
import type { PluginEntry } from '../define.ts';
import type { PriceTerms, Rates } from '../prices.ts';
import { parentPart, usageParts, type UsagePart, type UsageParts } from '../usage.ts';
import { describeChecks, listChecks, type AddCheck, type Check } from './checks.ts';
import { checkEntry, createFrom, deepFreeze } from './entry.ts';

const tokensOf = (side: 'input' | 'output'): readonly UsagePart[] =>
  usageParts.filter((part) => part === side || parentPart[part] === side);
const inputSide = tokensOf('input');
const outputSide = tokensOf('output');

const aRate = fc.oneof(fc.constantFrom(0n, 1n, 2_500_000n), fc.bigInt({ min: 0n, max: 1_000_000_000n }));
const aQuantity = fc.oneof(fc.constantFrom(0, 1, 2 ** 40), fc.nat(2_000_000));

/** Rates for some parts, with those that a model cannot do without. */
const someRates: fc.Arbitrary<Rates> = fc.dictionary(fc.constantFrom(...usageParts), aRate, {
  noNullPrototype: true,
});

const someTerms: fc.Arbitrary<PriceTerms> = fc.record({
  priceVersionId: fc.constant('prc_test'),
  currency: fc.constant('USD'),
  rates: someRates,
  perCallNano: fc.oneof(fc.constant(0n), fc.bigInt({ min: 0n, max: 10n ** 12n })),
  multipliersPpm: fc.array(fc.oneof(fc.constantFrom(0, 1, 333_333, 1_000_000), fc.nat(10_000_000)), {
    maxLength: 3,
  }),
});

const usageAmong = (parts: readonly UsagePart[]): fc.Arbitrary<UsageParts> =>
  parts.length === 0
    ? fc.constant({})
    : fc.dictionary(fc.constantFrom(...parts), aQuantity, { noNullPrototype: true });

/** Parts that the rule says it can price under these terms. */
function priced(rule: BillingRule, terms: PriceTerms): readonly UsagePart[] {
  const missing = rule.missingRates(terms, usageParts);
  return usageParts.filter((part) => !missing.includes(part));
}

const sumOf = (usage: UsageParts, side: readonly UsagePart[]): number =>
  side.reduce((sum, part) => sum + (usage[part] ?? 0), 0);

/** The bound that the host would give for such usage, when it knows no better than the sums. */
function boundOf(usage: UsageParts): UsageParts {
  return {
    input: sumOf(usage, inputSide),
    output: sumOf(usage, outputSide),
    calls: usage.calls ?? 0,
    seconds: usage.seconds ?? 0,
    toolCalls: usage.toolCalls ?? 0,
  };
}

const someTermsAndUsage = (rule: BillingRule): fc.Arbitrary<readonly [PriceTerms, UsageParts]> =>
  someTerms.chain((terms) => usageAmong(priced(rule, terms)).map((usage) => [terms, usage] as const));

function expectDerived(charge: Charge, terms: PriceTerms): void {
  expect(typeof charge.totalNano).toBe('bigint');
  expect(charge.totalNano >= 0n).toBe(true);
  for (const line of charge.lines) {
    if (line.kind === 'per-call') {
      expect(line.amountNano >= 0n).toBe(true);
    } else {
      expect(usageParts).toContain(line.part);
      expect(Number.isSafeInteger(line.quantity) && line.quantity >= 0 && line.rate >= 0n).toBe(true);
    }
  }
  expect(charge.totalNano).toBe(totalOf(charge.lines, terms.multipliersPpm));
}

/** What the suite checks of one rule: what `BillingRule` says. */
export const billingChecks = (entry: PluginEntry<'billing'>): readonly Check[] =>
  listChecks((check) => {
    checkEntry(check, 'billing', entry);
    checkMissingRates(check, entry);
    const rule = createFrom(entry);

    check('charges and estimates are derived from their lines and never negative', () => {
      fc.assert(
        fc.property(someTermsAndUsage(rule), ([terms, usage]) => {
          expectDerived(rule.charge(terms, usage), terms);
          expectDerived(rule.estimate(terms, boundOf(usage)), terms);
        }),
      );
    });

    check('an estimate is at least every charge within its bound', () => {
      fc.assert(
        fc.property(
          someTermsAndUsage(rule),
          fc.nat(1_000),
          fc.nat(1_000),
          ([terms, usage], input, output) => {
            const bound = boundOf(usage);
            const wider = {
              ...bound,
              input: (bound.input ?? 0) + input,
              output: (bound.output ?? 0) + output,
            };
            const charged = rule.charge(terms, usage).totalNano;
            expect(rule.estimate(terms, bound).totalNano >= charged).toBe(true);
            expect(rule.estimate(terms, wider).totalNano >= charged).toBe(true);
          },
        ),
      );
    });

    check('asked again, in a used or a new instance, it answers the same and has changed nothing', () => {
      fc.assert(
        fc.property(someTermsAndUsage(rule), ([terms, usage]) => {
          deepFreeze([terms, usage]);
          const first = rule.charge(terms, usage);
          expect(rule.charge(terms, usage)).toEqual(first);
          expect(createFrom(entry).charge(terms, usage)).toEqual(first);
          expect(rule.estimate(terms, boundOf(usage))).toEqual(
            createFrom(entry).estimate(terms, boundOf(usage)),
          );
        }),
      );
    });

    check('usage that grows never costs less', () => {
      fc.assert(
        fc.property(someTermsAndUsage(rule), fc.integer({ min: 1, max: 1_000 }), ([terms, usage], more) => {
          const grown = Object.fromEntries(
            Object.entries(usage).map(([part, quantity]) => [part, quantity + more]),
          );
          expect(rule.charge(terms, grown).totalNano >= rule.charge(terms, usage).totalNano).toBe(true);
        }),
      );
    });
  });

/** Runs the suite for one rule. */
export const describeBillingRule = (entry: PluginEntry<'billing'>): void =>
  describeChecks(`billing rule ${entry.name}`, () => billingChecks(entry));

function checkMissingRates(check: AddCheck, entry: PluginEntry<'billing'>): void {
  const rule = createFrom(entry);

  check('missing rates are among the parts asked about, each once', () => {
    fc.assert(
      fc.property(someTerms, fc.uniqueArray(fc.constantFrom(...usageParts)), (terms, parts) => {
        const missing = rule.missingRates(deepFreeze(terms), deepFreeze(parts));
        expect(new Set(missing).size).toBe(missing.length);
        for (const part of missing) expect(parts).toContain(part);
      }),
    );
  });

  check('terms without any price are never taken for complete', () => {
    const nothing = { rates: {}, perCallNano: 0n };
    expect(rule.missingRates(nothing, ['input', 'output']).length).toBeGreaterThan(0);
    expect(rule.missingRates(nothing, [])).toEqual([]);
  });
}
