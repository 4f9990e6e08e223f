// What a gateway is made with: the resolved config and everything that surrounds it, handed in by name.

import type { IdSource } from './core/ids.ts';
import type { Deadlines } from './core/bounds.ts';
import type { Chance, Clock } from './core/clock.ts';
import type { Log } from './core/log.ts';
import type { RandomBytes } from './core/secrets.ts';
import type { ConfigLines } from './config/config-lines.ts';
import type { ConfigOrigin } from './config/config-origin.ts';
import type { ConfigReading } from './config/config-reading.ts';
import type { ResolvedConfig } from './config/resolve.ts';
import type { OperatorKeys } from './http/admin/guard.ts';
import type { IdleConnections } from './pipeline/running.ts';
import type { RequestWatch } from './pipeline/services.ts';
import type { UpstreamTransport } from './pipeline/transport/transport.ts';
import type { Telemetry } from './telemetry/open-telemetry.ts';
import type { JournalFiles } from './store/journal-files.ts';

/** Where the config came from, and how to read it again. */
export interface ConfigFile {
  readonly origin: ConfigOrigin;
  /** Upstreams that stand for the simulator, whose address is another one at each start. */
  readonly simulated: readonly string[];
  readonly lines: () => Promise<ConfigLines>;
  /** The whole chain again, as at a start. */
  readonly read: () => Promise<ConfigReading>;
}

export interface GatewaySettings {
  readonly resolved: ResolvedConfig;
  readonly dataFolder: string;
  readonly version: string;
  readonly operatorKeys: OperatorKeys;
  /** The address that clients know, without a trailing slash; for links. */
  readonly publicUrl: () => string;
  /** Ranges from the command line, besides those of the config. */
  readonly trustedProxies: readonly string[];
  readonly clock: Clock;
  readonly chance: Chance;
  readonly log: Log;
  /** The socket peer of a request that the server is handling. */
  readonly peerOf: (request: Request) => string;
  /** Which connections the server may let be quiet. */
  readonly connections: IdleConnections;
  /** Seals the credentials that operators enter: base64 of 32 bytes. Without it a file of the data folder holds one. */
  readonly masterKey?: string | undefined;
  /** Told of every secret that becomes live while the gateway runs, so that no log prints it. */
  readonly guardSecret?: (secret: string) => void;
  /** Exports traces and metrics; without it none of that is loaded. */
  readonly telemetry?: Telemetry | undefined;
  /** Told of each request's end, besides the counters and the telemetry. */
  readonly watches?: readonly RequestWatch[];
  /** Where the config came from. Left out: it was compiled in, and there is nothing to read again. */
  readonly configFile?: ConfigFile;
  readonly newId?: IdSource;
  readonly randomBytes?: RandomBytes;
  readonly deadlines?: Deadlines;
  readonly transport?: UpstreamTransport;
  readonly streamHoldTokens?: number;
  /** Requests that still run in the process before this one: their holds are left open, and are that one's to close. */
  readonly adopted?: ReadonlySet<string>;
  /** The disk as the money journal sees it; for tests. */
  readonly journalFiles?: JournalFiles;
}
