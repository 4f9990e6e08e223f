// The suite, the decision table, and the options of `region`.

import { describe, expect, test } from 'bun:test';
import { Value } from '@sinclair/typebox/value';
import { describePolicy } from 'tollgate/conformance';
import { ordinaryFacts } from '../../policies/cases/case.ts';
import { deniedPlaces, regionCases } from '../../policies/cases/region.ts';
import { region } from '../../policies/region.ts';
import { runCases } from './run-cases.ts';

describePolicy(region({ denied: deniedPlaces }), {
  refuses: [
    { ...ordinaryFacts, country: 'CN' },
    { ...ordinaryFacts, gate: 'register', country: 'unknown' },
  ],
  allows: [ordinaryFacts, { ...ordinaryFacts, country: 'local' }],
});
describePolicy(
  region({
    denied: ['RU'],
    unknown: 'allow',
    gates: ['use', 'top-up'],
    clauses: ['A1', 'A2'],
    document: 'rules',
  }),
);
runCases('region decides', region({ denied: deniedPlaces }).create({ denied: deniedPlaces }), regionCases);

describe('options', () => {
  test('CN alone covers the mainland only', () => {
    const policy = region({ denied: ['CN'] }).create({ denied: ['CN'] });
    const verdicts = ['CN', 'HK', 'MO', 'TW'].map((country) => policy.judge({ ...ordinaryFacts, country }));
    expect(verdicts).toMatchObject([
      { verdict: 'deny' },
      { verdict: 'allow' },
      { verdict: 'allow' },
      { verdict: 'allow' },
    ]);
  });

  test('the unknown may be let in, and a refusal names the document', () => {
    const policy = region({ denied: ['CN'] }).create({
      denied: ['CN'],
      unknown: 'allow',
      clauses: ['A1'],
      document: 'rules',
    });
    expect(policy.judge({ ...ordinaryFacts, country: 'unknown' })).toMatchObject({ verdict: 'allow' });
    expect(policy.judge({ ...ordinaryFacts, country: 'CN' })).toMatchObject({
      clause: 'A1',
      link: '/terms/rules',
    });
  });

  test('names of no country are refused, by the schema or at start', () => {
    const { schema } = region({ denied: ['CN'] });
    for (const denied of [[], ['China'], ['cn'], ['US-CA'], ['']])
      expect(Value.Check(schema, { denied })).toBe(false);
    expect(() => region({ denied: ['XX'] }).create({ denied: ['XX'] })).toThrow('XX is no country');
  });
});
