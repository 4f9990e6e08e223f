// Proves the books from the rows alone: charges from usage records, movements from charges, balances from entries, and
// that nothing was changed since (hash chain). Reads one snapshot, so a running gateway does not disturb it.

import type { Database } from 'bun:sqlite';
import { existsSync } from 'node:fs';
import type { JournalPosition } from '../../store/journal-files.ts';
import { scanJournal } from '../../store/journal-reader.ts';
import { loadedPosition } from '../../store/ledger-load.ts';
import { journalFolder, ledgerDatabasePath, openLedgerForReading } from '../../store/schema/ledger.ts';
import { Findings, type VerifyFault } from './verify-findings.ts';
import { VerifyWalk, type ChargeOf } from './verify-walk.ts';

export interface VerifyOptions {
  /** The data folder. A running gateway may hold it. */
  readonly folder: string;
  /** What the record's billing rule charges for it; undefined: no such rule in this configuration. */
  readonly chargeOf: ChargeOf;
}

export interface VerifyReport {
  readonly ok: boolean;
  readonly usageRecords: number;
  readonly movements: number;
  readonly entries: number;
  readonly addresses: number;
  /** Holds that are open: of running requests, or to be closed free of charge at the next start. */
  readonly openHolds: number;
  /** Records that the journal holds and the store does not yet. */
  readonly unloadedRecords: number;
  /** Rules that records name and this configuration does not have as they were: their charges were not recomputed. */
  readonly unknownRules: readonly string[];
  readonly headHash: string;
  /** At most 1,000; `faultCount` has them all. */
  readonly faults: readonly VerifyFault[];
  readonly faultCount: number;
}

/** Reads everything: seconds for a hundred thousand records. Throws only if there is no ledger to read. */
export function verifyLedger(options: VerifyOptions): VerifyReport {
  if (!existsSync(ledgerDatabasePath(options.folder))) throw new Error(`${options.folder} holds no ledger (no ledger.db)`);
  const database = openLedgerForReading(options.folder);
  const findings = new Findings();
  try {
    database.run('BEGIN');
    checkFile(database, findings);
    const walk = new VerifyWalk(database, options.chargeOf, findings);
    walk.run();
    const openHolds = checkOpenHolds(database, findings);
    database.run('COMMIT');
    const unloadedRecords = checkJournal(database, options.folder, findings);
    const { faults, count: faultCount } = findings;
    return { ...walk.totals(), openHolds, unloadedRecords, ok: faultCount === 0, faults, faultCount };
  } finally {
    database.close();
  }
}

function checkFile(database: Database, findings: Findings): void {
  const lines = database.query<{ integrity_check: string }, []>('PRAGMA integrity_check(20)').all();
  for (const { integrity_check: line } of lines) if (line !== 'ok') findings.add('file', 'ledger.db', line);
}

function checkOpenHolds(database: Database, findings: Findings): number {
  const closed = database.query<{ request_id: string }, []>(
    'SELECT request_id FROM open_hold JOIN usage USING (request_id)').all();
  for (const row of closed) findings.add('I5', row.request_id, 'the hold is open although its request was closed');
  return Number(database.query<{ count: bigint }, []>('SELECT count(*) AS count FROM open_hold').get()?.count ?? 0n);
}

/**
 * A running gateway may write or remove while this reads: a record that came a moment after its place was read looks
 * like a hole before the next one. So what is wrong must be wrong in the same place when it is looked at again.
 */
function checkJournal(database: Database, folder: string, findings: Findings): number {
  let from: JournalPosition = loadedPosition(database);
  let before: string | undefined;
  for (;;) {
    try {
      return scanJournal(journalFolder(folder), from).end.sequence - from.sequence;
    } catch (error) {
      const found = error instanceof Error ? error.message : String(error);
      const now = loadedPosition(database);
      if (now.sequence === from.sequence && found === before) {
        findings.add('journal', journalFolder(folder), found);
        return 0;
      }
      before = found;
      from = now;
    }
  }
}

/** For people: what was read, what is wrong. */
export function formatVerifyReport(report: VerifyReport): string {
  const lines = [
    `${report.usageRecords} usage records, ${report.movements} movements, ${report.entries} entries, `
      + `${report.addresses} balances`,
    `${report.openHolds} open holds, ${report.unloadedRecords} journal records not loaded yet`,
    `head of the chain: ${report.headHash}`,
    ...report.unknownRules.map((rule) =>
      `not recomputed: charges of the rule ${rule}, which this configuration does not have, or has in another form`),
    ...report.faults.map((fault) => `${fault.invariant} ${fault.id}: ${fault.message}`),
  ];
  if (report.faultCount > report.faults.length) lines.push(`… and ${report.faultCount - report.faults.length} more`);
  lines.push(report.ok ? 'the books are in order' : `the books are NOT in order: ${report.faultCount} faults`);
  return lines.join('\n');
}
