// What the admin API reads from the files themselves: the audit, movements and usage records, and backups of it all.
// Opened with the face, so that a process that nobody administers has neither Kysely nor a second connection.

import type { Clock } from '../../core/clock.ts';
import { createAuditReader, type AuditReader } from '../../domain/audit/audit-store.ts';
import { createBackupsService, type BackupsOptions, type BackupsService } from '../../domain/backups/backups-service.ts';
import { createMovementReader } from '../../domain/ledger/ledger-store.ts';
import type { MovementReader } from '../../domain/ledger/movement-reader.ts';
import type { UsageReader } from '../../domain/usage/usage-reader.ts';
import { createUsageReader } from '../../domain/usage/usage-store.ts';
import { kyselyOn } from '../../store/kysely.ts';
import type { AuditTables } from '../../store/schema/accounts.ts';
import { openLedgerForReading, type LedgerTables } from '../../store/schema/ledger.ts';
import type { SqlFile } from '../../store/sql-file.ts';

export interface ReadersOptions {
  readonly dataFolder: string;
  readonly nouns: SqlFile<AuditTables>;
  readonly ledger: BackupsOptions['ledger'];
  readonly clock: Clock;
  /** The version that runs. */
  readonly version: string;
}

export interface Readers {
  readonly audit: AuditReader;
  readonly movements: MovementReader;
  readonly usage: UsageReader;
  readonly backups: BackupsService;
  close(): Promise<void>;
}

export async function openReaders(options: ReadersOptions): Promise<Readers> {
  const { dataFolder, nouns, ledger } = options;
  // What was acknowledged before a question can be read by its answer.
  const settled = () => ledger.settled();
  const backups = createBackupsService(options);
  const audit = createAuditReader(await nouns.kysely());
  const records = kyselyOn<LedgerTables>(openLedgerForReading(dataFolder));
  return {
    audit,
    movements: createMovementReader(records, settled),
    usage: createUsageReader(records, settled),
    backups,
    async close() {
      backups.close();
      await records.destroy();
    },
  };
}
