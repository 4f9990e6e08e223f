// The suite, the decision table, and the options of `terms-acceptance`.

import { expect, test } from 'bun:test';
import { describePolicy } from 'tollgate/conformance';
import { ordinaryFacts } from '../../policies/cases/case.ts';
import { termsAcceptanceCases } from '../../policies/cases/terms-acceptance.ts';
import { termsAcceptance } from '../../policies/terms-acceptance.ts';
import { runCases } from './run-cases.ts';

const open = {
  document: 'agreement',
  version: '2026-01',
  sha256: 'ab'.repeat(32),
  acceptance: 'explicit',
  effectiveAt: 0,
  acceptedAt: undefined,
} as const;

describePolicy(termsAcceptance(), {
  refuses: [{ ...ordinaryFacts, terms: [open] }],
  allows: [ordinaryFacts],
});
describePolicy(termsAcceptance({ gates: ['use', 'top-up'], documents: ['agreement'], clauses: ['P1.3'] }));
runCases('terms-acceptance decides', termsAcceptance().create({}), termsAcceptanceCases);

test('at another gate an explicit document refuses, and one by use is not recorded', () => {
  const policy = termsAcceptance().create({ gates: ['top-up'], clauses: ['P1.3'] });
  const facts = { ...ordinaryFacts, gate: 'top-up' } as const;
  expect(policy.judge({ ...facts, terms: [open] })).toMatchObject({ verdict: 'deny', clause: 'P1.3' });
  expect(policy.judge({ ...facts, terms: [{ ...open, acceptance: 'use' }] })).toEqual({
    verdict: 'allow',
    obligations: [],
  });
});

test('documents that it does not mind do not stand in the way', () => {
  const policy = termsAcceptance().create({ documents: ['privacy'] });
  expect(policy.judge({ ...ordinaryFacts, terms: [open] })).toMatchObject({ verdict: 'allow' });
});

test('accepted documents cost nothing: the shared decision comes back', () => {
  const policy = termsAcceptance().create({});
  const facts = { ...ordinaryFacts, terms: [{ ...open, acceptedAt: 1 }] };
  expect(policy.judge(facts)).toBe(policy.judge(facts));
});
