// One reading of the config: what it resolves to and where it came from, or all that is wrong with it.

import type { ConfigLines } from './config-lines.ts';
import type { ConfigOrigin } from './config-origin.ts';
import type { ConfigProblem, ResolvedConfig } from './resolve.ts';

export type ConfigReading =
  | {
      readonly ok: true;
      readonly resolved: ResolvedConfig;
      readonly origin: ConfigOrigin;
      /** Upstreams that stand for the simulator, whose address is another one at each start. */
      readonly simulated: readonly string[];
      /** Found when it is first asked for. */
      readonly lines: () => Promise<ConfigLines>;
    }
  | { readonly ok: false; readonly problems: readonly ConfigProblem[] };
