// What a plugin's own file says for its conformance suite: what the suite cannot know of itself. A drop-in exports it
// as `conformance`; a test hands it to the suite.

import type { Operation, ProtocolName } from './operations.ts';
import type { PolicyFacts } from './policy.ts';
import type { UsageParts } from './usage.ts';

/** A usage block as the vendor sent it, and what must be read out of it. Parts left out are zero. */
export interface UsageSample {
  readonly operation: Operation;
  /** Left out: the first that the provider speaks for the operation. */
  readonly protocol?: ProtocolName;
  /** Parsed JSON. */
  readonly usage: unknown;
  readonly expected: UsageParts;
  /** The flags, exactly; none if left out. */
  readonly flags?: readonly string[];
}

export interface ProviderExpectations {
  /** At least one for each operation that the provider serves. */
  readonly samples: readonly UsageSample[];
}

export interface RoutingExpectations {
  /** The strategy promises first places in proportion to weight among equal healthy upstreams. */
  readonly proportional?: boolean;
  /** The strategy promises that of healthy upstreams the one with the smallest priority number is first. */
  readonly byPriority?: boolean;
  /** The strategy may leave upstreams out. Without this it must rank all of them. */
  readonly leavesOut?: boolean;
}

export interface PolicyExpectations {
  /** Facts at which the policy must have refused at least once: proves that it is not asleep. */
  readonly refuses?: readonly PolicyFacts[];
  /** Facts at which it must allow. */
  readonly allows?: readonly PolicyFacts[];
}
