// Runs a decision table against a policy: one test a row.

import { describe, expect, test } from 'bun:test';
import type { CompliancePolicy } from 'tollgate/plugin';
import { ordinaryFacts, type PolicyCase } from '../../policies/cases/case.ts';

export function runCases(title: string, policy: CompliancePolicy, cases: readonly PolicyCase[]): void {
  describe(title, () => {
    for (const { name, facts, expected } of cases) {
      test(name, async () => {
        const decision = await policy.judge({ ...ordinaryFacts, ...facts });
        if (expected.verdict === 'allow') {
          if (decision.verdict !== 'allow') throw new Error(`refused: ${decision.message}`);
          expect(decision.obligations.map((obligation) => obligation.document)).toEqual([
            ...(expected.records ?? []),
          ]);
          return;
        }
        if (decision.verdict !== 'deny') throw new Error('allowed');
        const { code, clause, link } = expected;
        expect(decision).toMatchObject({ code, clause, link });
        expect(decision.message).toContain(expected.says ?? '');
      });
    }
  });
}
