// The embedded ledger as the suites drive it: on a scratch folder, verified when it is stopped.

import { openEmbeddedLedger, type EmbeddedLedger,
  type EmbeddedLedgerOptions } from '../../../src/domain/ledger/embedded-ledger.ts';
import { verifyLedger } from '../../../src/domain/ledger/verify.ts';
import type { UsageRecord } from '../../../src/domain/ledger/records.ts';
import { totalOf } from '../../../src/plugin/billing.ts';
import type { Nano } from '../../../src/core/money.ts';
import type { LedgerHarness } from '../../store/ledger-suite.ts';

/** The standard sum of the record's own lines: what the sample closings are charged by. */
export function chargeOfLines(record: UsageRecord): Nano | undefined {
  return record.terms.rule === 'standard' ? totalOf(record.lines, record.terms.multipliers.map(({ ppm }) =>
    ppm)) : undefined;
}

export interface EmbeddedHarness extends LedgerHarness {
  readonly ledger: EmbeddedLedger;
  readonly warnings: string[];
}

export async function embeddedHarness(folder: string, over: Partial<EmbeddedLedgerOptions> =
  {}): Promise<EmbeddedHarness> {
  const warnings: string[] = [];
  const open = (): Promise<EmbeddedLedger> => openEmbeddedLedger({ folder, warn: (line) =>
    warnings.push(line), ...over });
  let ledger = await open();
  return {
    get ledger() {
      return ledger;
    },
    warnings,
    async restart() {
      await ledger.shutDown();
      ledger = await open();
    },
    async stopAndVerify() {
      await ledger.shutDown();
      const report = verifyLedger({ folder, chargeOf: chargeOfLines });
      const unloaded = report.unloadedRecords > 0 ? [`${report.unloadedRecords} records are not loaded`] : [];
      return [...report.faults.map((fault) => `${fault.invariant} ${fault.id}: ${fault.message}`),
        ...unloaded, ...warnings];
    },
  };
}
