// Decisions of `terms-acceptance` with its default options.

import type { TermsStanding } from 'tollgate/plugin';
import type { PolicyCase } from './case.ts';

const standing = (document: string, acceptance: 'use' | 'explicit', acceptedAt?: number): TermsStanding => ({
  document,
  version: '2026-01',
  sha256: 'ab'.repeat(32),
  acceptance,
  effectiveAt: Date.UTC(2026, 0, 1),
  acceptedAt,
});
const accepted = Date.UTC(2026, 1, 1);
const required = (document: string) =>
  ({
    verdict: 'deny',
    code: 'terms_required',
    clause: 'S7',
    link: `/terms/${document}`,
    says: '2026-01',
  }) as const;

export const termsAcceptanceCases: readonly PolicyCase[] = [
  { name: 'no terms in force', facts: { terms: [] }, expected: { verdict: 'allow' } },
  {
    name: 'explicit, not accepted',
    facts: { terms: [standing('agreement', 'explicit')] },
    expected: required('agreement'),
  },
  {
    name: 'explicit, accepted',
    facts: { terms: [standing('agreement', 'explicit', accepted)] },
    expected: { verdict: 'allow' },
  },
  {
    name: 'by use, first use',
    facts: { terms: [standing('service', 'use')] },
    expected: { verdict: 'allow', records: ['service'] },
  },
  {
    name: 'by use, recorded already',
    facts: { terms: [standing('service', 'use', accepted)] },
    expected: { verdict: 'allow' },
  },
  {
    name: 'two by use, one recorded',
    facts: { terms: [standing('service', 'use', accepted), standing('rules', 'use')] },
    expected: { verdict: 'allow', records: ['rules'] },
  },
  {
    name: 'an explicit one open beside one by use: nothing is recorded',
    facts: { terms: [standing('rules', 'use'), standing('agreement', 'explicit')] },
    expected: required('agreement'),
  },
  {
    name: 'two explicit ones, the first open is named',
    facts: { terms: [standing('agreement', 'explicit', accepted), standing('privacy', 'explicit')] },
    expected: required('privacy'),
  },
];
