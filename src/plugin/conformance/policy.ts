// What every compliance policy keeps: it declares what it does, judges frozen facts without side effects,
// answers within its deadline, refuses with a clause it declared and words that help, and demands nothing
// that the facts do not hold.

import { expect } from 'bun:test';
import fc from 'fast-check';
import type { PluginEntry } from '../define.ts';
import { operations } from '../operations.ts';
import {
  gates,
  type CompliancePolicy,
  type Decision,
  type PolicyFacts,
  type TermsStanding,
} from '../policy.ts';
import type { PolicyExpectations } from '../expectations.ts';
import { describeChecks, listChecks, type Check } from './checks.ts';
import { checkEntry, createFrom, deepFreeze } from './entry.ts';

export type { PolicyExpectations } from '../expectations.ts';

const aMoment = fc.integer({ min: 1_700_000_000_000, max: 1_900_000_000_000 });
const aName = fc.stringMatching(/^[a-z][a-z0-9-]{0,20}$/);

const someTerms: fc.Arbitrary<readonly TermsStanding[]> = fc.array(
  fc.record({
    document: aName,
    version: fc.stringMatching(/^\d{4}-\d{2}$/),
    sha256: fc.stringMatching(/^[0-9a-f]{64}$/),
    acceptance: fc.constantFrom('use' as const, 'explicit' as const),
    effectiveAt: aMoment,
    acceptedAt: fc.option(aMoment, { nil: undefined }),
  }),
  { maxLength: 4 },
);

const aCountry = fc.oneof(
  fc.constantFrom('local', 'unknown', 'CN', 'HK', 'MO', 'TW', 'US', 'DE'),
  fc.stringMatching(/^[A-Z]{2}$/),
);

const someFacts = (
  gate: fc.Arbitrary<PolicyFacts['gate']>,
  asksUpstream: boolean,
): fc.Arbitrary<PolicyFacts> =>
  fc.record({
    gate,
    at: aMoment,
    address: fc.oneof(fc.ipV4(), fc.ipV6(), fc.constant('unknown')),
    country: aCountry,
    account: fc.option(
      fc.record({
        id: aName,
        kind: fc.constantFrom('person' as const, 'company' as const),
        groups: fc.array(aName, { maxLength: 3 }),
      }),
      { nil: undefined },
    ),
    apiKeyId: fc.option(aName, { nil: undefined }),
    operation: fc.option(fc.constantFrom(...operations), { nil: undefined }),
    model: fc.option(fc.string({ maxLength: 60 }), { nil: undefined }),
    upstream: asksUpstream
      ? fc.record({ name: aName, provider: aName, model: fc.string({ minLength: 1, maxLength: 60 }) })
      : fc.constant(undefined),
    terms: someTerms,
  });

function expectSound(decision: Decision, policy: CompliancePolicy, facts: PolicyFacts): void {
  if (decision.verdict === 'allow') {
    for (const { kind, document, version, sha256 } of decision.obligations) {
      expect(kind).toBe('record-acceptance');
      expect(facts.terms).toContainEqual(expect.objectContaining({ document, version, sha256 }));
    }
    return;
  }
  expect(decision.verdict).toBe('deny');
  expect(['region_restricted', 'terms_required', 'policy_refused']).toContain(decision.code);
  expect(policy.clauses).toContain(decision.clause);
  expect(decision.message.trim()).not.toBe('');
  expect(decision.remedy.trim()).not.toBe('');
  if (decision.link !== undefined) expect(decision.link).toMatch(/^\/(?!\/)[^\s?#\\]*$/);
  for (const text of [decision.message, decision.remedy]) expect(text).not.toContain(facts.address);
}

/** What the suite checks of one policy: what `CompliancePolicy` says, and what its own file expects of it. */
export const policyChecks = (
  entry: PluginEntry<'policy'>,
  expectations: PolicyExpectations = {},
): readonly Check[] =>
  listChecks((check) => {
    checkEntry(check, 'policy', entry);
    const policy = createFrom(entry);
    const factsHere = someFacts(
      fc.constantFrom(...(policy.gates.length > 0 ? policy.gates : gates)),
      policy.asks === 'upstream',
    );

    check('declares its gates, clauses, question, deadline and what happens on failure', () => {
      expect(policy.gates.length).toBeGreaterThan(0);
      expect(new Set(policy.gates).size).toBe(policy.gates.length);
      for (const gate of policy.gates) expect(gates).toContain(gate);
      expect(['request', 'upstream']).toContain(policy.asks);
      expect(['deny', 'allow']).toContain(policy.onFailure);
      expect(new Set(policy.clauses).size).toBe(policy.clauses.length);
      for (const clause of policy.clauses) expect(clause).toMatch(/^[A-Za-z][A-Za-z0-9]*(\.\d+)*$/);
      expect(
        Number.isSafeInteger(policy.deadlineMs) && policy.deadlineMs > 0 && policy.deadlineMs <= 10_000,
      ).toBe(true);
    });

    check('answers soundly for any facts at its gates, without throwing and without writing to them', async () => {
      await fc.assert(
        fc.asyncProperty(factsHere, async (facts) => {
          expectSound(await policy.judge(deepFreeze(facts)), policy, facts);
        }),
      );
    });

    check('asked again, in a used or a new instance, it answers the same', async () => {
      await fc.assert(
        fc.asyncProperty(factsHere, async (facts) => {
          const first = await policy.judge(facts);
          expect(await policy.judge(facts)).toEqual(first);
          expect(await createFrom(entry).judge(facts)).toEqual(first);
        }),
      );
    });

    for (const facts of expectations.refuses ?? []) {
      check(`refuses at ${facts.gate} from ${facts.country}`, async () => {
        expect((await policy.judge(facts)).verdict).toBe('deny');
      });
    }
    for (const facts of expectations.allows ?? []) {
      check(`allows at ${facts.gate} from ${facts.country}`, async () => {
        expect((await policy.judge(facts)).verdict).toBe('allow');
      });
    }
  });

/** Runs the suite for one policy. */
export const describePolicy = (entry: PluginEntry<'policy'>, expectations: PolicyExpectations = {}): void =>
  describeChecks(`policy ${entry.name}`, () => policyChecks(entry, expectations));
