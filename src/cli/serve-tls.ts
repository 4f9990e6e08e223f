// `serve` with TLS: what it hands to the TLS server, which is loaded for it alone.

import { systemClock } from '../core/clock.ts';
import type { Log } from '../core/log.ts';
import type { Redactor } from '../core/secrets.ts';
import type { ServerOptions } from '../http/server.ts';
import type { TlsServer } from '../http/tls/start-tls-server.ts';
import type { TlsSettings } from '../http/tls/tls-settings.ts';
import type { ServeSettings } from './arguments.ts';
import { UsageError } from './usage-error.ts';

export interface Surroundings {
  readonly settings: ServeSettings;
  readonly dataFolder: string;
  readonly log: Log;
  readonly redactor: Redactor;
}

export async function startSecured(
  listening: ServerOptions,
  tls: TlsSettings,
  { settings, dataFolder, log, redactor }: Surroundings,
): Promise<TlsServer> {
  const { startTlsServer, TlsStartError } = await import('../http/tls/start-tls-server.ts');
  const guardSecret = (secret: string) => void redactor.register(secret);
  const time = { clock: systemClock, chance: Math.random };
  const { publicUrl } = settings;
  return startTlsServer({ ...listening, ...time, tls, dataFolder, log, guardSecret, publicUrl }).catch((error) => {
    throw error instanceof TlsStartError ? new UsageError(error.message) : error;
  });
}
