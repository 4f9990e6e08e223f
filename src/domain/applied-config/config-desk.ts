// The config as operators handle it: what is in force, reading it again, and where it says something.

import type { EpochMs } from '../../core/clock.ts';
import type { DeclaredAt } from '../../core/declared-at.ts';
import type { ConfigLines } from '../../config/config-lines.ts';
import type { ConfigOrigin } from '../../config/config-origin.ts';
import type { ConfigProblem, ResolvedConfig } from '../../config/resolve.ts';
import type { ConfigChange } from './config-changes.ts';

export interface ConfigState {
  readonly origin: ConfigOrigin;
  /** Of its facts: the same config has the same hash, wherever it lies. */
  readonly sha256: string;
  /** Grows by one with each config that is applied, over restarts. */
  readonly generation: number;
  readonly appliedAt: EpochMs;
  readonly preset: string | undefined;
  /** Not wrong, but worth saying: upstreams that are left out. */
  readonly remarks: readonly ConfigProblem[];
  /** Undefined once a reload succeeded. */
  readonly lastFailure:
    { readonly at: EpochMs; readonly actor: string; readonly problems: readonly ConfigProblem[] } | undefined;
}

export interface ReloadOutcome {
  readonly changes: readonly ConfigChange[];
  readonly state: ConfigState;
}

export interface ConfigDesk {
  state(): ConfigState;
  /** That of the config in force, at least 1. Costs nothing, unlike the whole state: whoever watches asks often. */
  generation(): number;
  /**
   * Reads the whole config again and puts it in force, or changes nothing. One after the other. Throws
   * ConfigProblemsError with all that is wrong, and `shutting_down` when the process is about to end.
   */
  reload(actor: string): Promise<ReloadOutcome>;
  inForce(): ResolvedConfig;
  /** Places in the config in force; found when first asked for. */
  lines(): Promise<ConfigLines>;
  readonly declaredAt: DeclaredAt;
}
