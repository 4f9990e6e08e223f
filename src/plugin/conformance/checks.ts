// A conformance suite is a list of named checks, so that it runs in a test run and, for a drop-in, in a process of its
// own without one. `expect` is the test runner's; it works outside of it.

import { describe, test } from 'bun:test';

export interface Check {
  readonly name: string;
  /** Throws, or rejects, where the plugin breaks its contract. */
  readonly run: () => void | Promise<void>;
}

export type AddCheck = (name: string, run: Check['run']) => void;

export function listChecks(add: (check: AddCheck) => void): readonly Check[] {
  const checks: Check[] = [];
  add((name, run) => void checks.push({ name, run }));
  return checks;
}

/** The checks as tests of the running test file. */
export function describeChecks(heading: string, checks: () => readonly Check[]): void {
  describe(heading, () => {
    for (const { name, run } of checks()) test(name, run);
  });
}
