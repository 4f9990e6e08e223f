// A row of a decision table: what is different from ordinary facts, and what the policy must answer. The
// tables beside this file are run by tests and read by people who want to know what a policy does.

import type { PolicyFacts } from 'tollgate/plugin';

export type Expected =
  | {
      readonly verdict: 'allow';
      /** Documents whose acceptance must be recorded. */ readonly records?: readonly string[];
    }
  | {
      readonly verdict: 'deny';
      readonly code: string;
      readonly clause: string;
      readonly link: string;
      readonly says?: string;
    };

export interface PolicyCase {
  readonly name: string;
  readonly facts: Partial<PolicyFacts>;
  readonly expected: Expected;
}

/** Facts of an ordinary request: a person's key, a chat, from a country that nobody restricts. */
export const ordinaryFacts: PolicyFacts = {
  gate: 'use',
  at: Date.UTC(2026, 5, 1),
  address: '192.0.2.7',
  country: 'DE',
  account: { id: 'acc_1', kind: 'person', groups: [] },
  apiKeyId: 'key_1',
  operation: 'chat',
  model: 'some-model',
  upstream: undefined,
  terms: [],
};
