// Tries at each upstream, by how they failed. Names of faults are few in practice, and bounded in any case: a plugin
// may have a hand in them.

import type { Attempt } from '../ledger/records.ts';
import { durationBounds, Histogram } from './histogram.ts';
import { OTHER, UPSTREAMS_MAX } from './lanes.ts';

const FAULTS_MAX = 32;

export class UpstreamAttempts {
  served = 0;
  /** Seconds until it answered or failed. */
  readonly duration = new Histogram(durationBounds);
  readonly faults = new Map<string, number>();

  count({ durationMs, fault }: Attempt): void {
    this.duration.observe(durationMs / 1000);
    if (fault === undefined) {
      this.served += 1;
      return;
    }
    const name = this.faults.has(fault) || this.faults.size < FAULTS_MAX ? fault : OTHER;
    this.faults.set(name, (this.faults.get(name) ?? 0) + 1);
  }
}

export class Attempts {
  readonly #isUpstream: (name: string) => boolean;
  readonly #byUpstream = new Map<string, UpstreamAttempts>();

  constructor(isUpstream: (name: string) => boolean) {
    this.#isUpstream = isUpstream;
  }

  count(attempt: Attempt): void {
    const known = this.#byUpstream.get(attempt.upstream) ?? this.#added(attempt.upstream);
    known.count(attempt);
  }

  #added(upstream: string): UpstreamAttempts {
    if (this.#byUpstream.size >= UPSTREAMS_MAX) {
      for (const name of this.#byUpstream.keys()) {
        if (name !== OTHER && !this.#isUpstream(name)) this.#byUpstream.delete(name);
      }
    }
    const name = this.#byUpstream.size < UPSTREAMS_MAX ? upstream : OTHER;
    let attempts = this.#byUpstream.get(name);
    if (attempts === undefined) this.#byUpstream.set(name, (attempts = new UpstreamAttempts()));
    return attempts;
  }

  [Symbol.iterator](): Iterator<readonly [upstream: string, attempts: UpstreamAttempts]> {
    return this.#byUpstream.entries();
  }
}
