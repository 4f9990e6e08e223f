// What the admin API reads from the files themselves: the audit, movements and usage records. Opened with the face, so
// that a process that nobody administers has neither Kysely nor a second connection.

import { createAuditReader, type AuditReader } from '../../domain/audit/audit-store.ts';
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
  /** The ledger's: what was acknowledged before the call can be read after it. */
  readonly settled: () => Promise<void>;
}

export interface Readers {
  readonly audit: AuditReader;
  readonly movements: MovementReader;
  readonly usage: UsageReader;
  close(): Promise<void>;
}

export async function openReaders({ dataFolder, nouns, settled }: ReadersOptions): Promise<Readers> {
  const audit = createAuditReader(await nouns.kysely());
  const records = kyselyOn<LedgerTables>(openLedgerForReading(dataFolder));
  return {
    audit,
    movements: createMovementReader(records, settled),
    usage: createUsageReader(records, settled),
    close: () => records.destroy(),
  };
}
