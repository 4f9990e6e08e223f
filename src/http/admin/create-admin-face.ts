// The admin face over the services of the gateway. Made when it is first asked for: most processes answer thousands of
// client requests before an operator asks one.

import type { EpochMs } from '../../core/clock.ts';
import type { IdSource } from '../../core/ids.ts';
import type { AuditReader } from '../../domain/audit/audit-store.ts';
import type { ConfigDesk } from '../../domain/applied-config/config-desk.ts';
import type { CatalogService } from '../../domain/catalog/open-catalog.ts';
import type { Accounts } from '../../domain/accounts/open-accounts.ts';
import type { BackupsService } from '../../domain/backups/backups-service.ts';
import type { MovableLedger } from '../../domain/ledger/movable-ledger.ts';
import type { MovementReader } from '../../domain/ledger/movement-reader.ts';
import type { OperatorKeysService } from '../../domain/operators/operator-keys-service.ts';
import type { ControlRegistry } from '../../domain/terms/clause-matrix.ts';
import type { Terms } from '../../domain/terms/terms-service.ts';
import type { UsageReader } from '../../domain/usage/usage-reader.ts';
import type { RunningRequests } from '../../pipeline/running.ts';
import type { PipelineServices } from '../../pipeline/services.ts';
import { createUpstreamTrials } from '../../pipeline/upstream-trial.ts';
import type { PluginFacts } from '../../config/plugin-facts.ts';
import { pluginComponents } from '../openapi/plugin-components.ts';
import { adminFace } from './admin-face.ts';
import type { OperatorKeys } from './guard.ts';
import { memoryIdempotencyStore } from './idempotency.ts';
import { accountsRoutes } from './routes/accounts.ts';
import { apiKeysRoutes } from './routes/api-keys.ts';
import { auditRoutes } from './routes/audit-events.ts';
import { backupsRoutes } from './routes/backups.ts';
import { configRoutes } from './routes/config.ts';
import { groupsRoutes } from './routes/groups.ts';
import { healthRoutes } from './routes/health.ts';
import { ledgerRoutes } from './routes/ledger.ts';
import { modelsRoutes } from './routes/models.ts';
import { operatorKeysRoutes } from './routes/operator-keys.ts';
import { pluginsRoutes } from './routes/plugins.ts';
import { pricesRoutes } from './routes/prices.ts';
import { termsAdminRoutes } from './routes/terms.ts';
import { upstreamTrialRoutes } from './routes/upstream-trials.ts';
import { upstreamsRoutes } from './routes/upstreams.ts';
import { usageRoutes } from './routes/usage.ts';
import { usersRoutes } from './routes/users.ts';
import { adminApp } from './shell.ts';

export interface AdminFaceParts {
  readonly version: string;
  /** When the gateway was made. */
  readonly startedAt: EpochMs;
  readonly operatorKeys: OperatorKeys;
  readonly operators: OperatorKeysService;
  readonly services: PipelineServices;
  readonly running: RunningRequests;
  readonly controls: ControlRegistry;
  readonly accounts: Accounts;
  readonly catalog: CatalogService;
  readonly config: ConfigDesk;
  readonly audit: AuditReader;
  readonly ledger: MovableLedger;
  readonly terms: Terms;
  readonly movements: MovementReader;
  readonly usage: UsageReader;
  readonly backups: BackupsService;
  readonly mayBeQuiet: (request: Request) => void;
  /** Those of the config in force. */
  readonly plugins: () => readonly PluginFacts[];
  readonly ids: IdSource;
  readonly addressOf: (request: Request) => string;
}

/** The guarded API, and the whole face with its page. */
export function createAdminFace(parts: AdminFaceParts) {
  const { version, startedAt, operatorKeys, operators, services, running, controls, ids, addressOf } = parts;
  const { accounts, catalog, audit, ledger, terms, movements, usage } = parts;
  const { clock, log } = services;
  const { catalog: served, transport } = services;
  const trials = createUpstreamTrials({ catalog: served, transport, clock, log, note: catalog.upstreams.noteTest });
  const { lines } = parts.config;
  const app = adminApp({
    routes: [
      accountsRoutes({ accounts: accounts.accounts }),
      usersRoutes({ users: accounts.users }),
      groupsRoutes({ groups: accounts.groups, lines }),
      apiKeysRoutes({ apiKeys: accounts.apiKeys }),
      upstreamsRoutes({ upstreams: catalog.upstreams, lines }),
      upstreamTrialRoutes({ trials }),
      modelsRoutes({ models: catalog.models, lines }),
      pricesRoutes({ prices: catalog.prices, lines }),
      operatorKeysRoutes({ keys: operators }),
      pluginsRoutes({ plugins: parts.plugins }),
      configRoutes({ config: parts.config }),
      auditRoutes({ audit }),
      backupsRoutes({ backups: parts.backups, mayBeQuiet: parts.mayBeQuiet }),
      ledgerRoutes({ ledger, movements }),
      usageRoutes({ usage }),
      termsAdminRoutes({ terms, controls, clock }),
      healthRoutes({
        version,
        startedAt,
        moneyAvailable: () => ledger.available,
        askStore: async () => void (await movements.trialBalance()),
        upstreams: services.health,
        shuttingDown: () => running.stopping,
      }),
    ],
    services: { operatorKeys, clock, addressOf, newId: ids, log, idempotency: memoryIdempotencyStore(clock) },
  });
  const options = () => pluginComponents(parts.plugins());
  return { app, face: adminFace({ app, newId: ids, options, edition: parts.config.generation }), options };
}
