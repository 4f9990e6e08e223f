// `tollgate verify`: recomputes every charge from its usage record, re-adds every balance, checks the chain, and prints
// what it found. Exit code 1 if the books are not in order.

import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { recomputeCharge } from '../domain/ledger/recompute-charge.ts';
import { formatVerifyReport, verifyLedger } from '../domain/ledger/verify.ts';
import { ruleHistory } from '../domain/applied-config/applied-config-store.ts';
import { factsOf } from '../gateway-reload.ts';
import { serveSettings, UsageError } from './arguments.ts';
import { readConfig, usable } from './read-config.ts';
import { ledgerDatabasePath } from '../store/schema/ledger.ts';
import type { CommandContext } from './serve.ts';
import { placeNowhere } from './simulator-place.ts';
import { version } from './version.ts';

export async function verifyCommand(argv: readonly string[], context: CommandContext): Promise<number> {
  const settings = serveSettings(argv, context.environment);
  const folder = resolve(settings.dataFolder);
  if (!existsSync(ledgerDatabasePath(folder))) throw new UsageError(`--data: ${folder} holds no ledger`);
  const reading = usable(await readConfig(settings, context, placeNowhere));
  const { billing, refusals } = reading.resolved;
  // What a refused rule charged cannot be recomputed: whoever reads the findings must know why.
  for (const { path, message } of refusals) context.printError(`${path}: ${message}\n`);
  const rules = new Map(billing.map(({ name, plugin }) => [name, plugin]));
  const wasAnother = ruleHistory(folder, factsOf(reading, version));
  const report = verifyLedger({
    folder,
    chargeOf(record) {
      const chargeNano = recomputeCharge(record, (name) => rules.get(name));
      if (chargeNano === record.chargeNano || chargeNano === undefined) return chargeNano;
      // It charged by what the rule was then, which nobody has any more.
      return wasAnother(record.terms.rule, record.admittedAt) ? undefined : chargeNano;
    },
  });
  context.print(`${formatVerifyReport(report)}\n`);
  return report.ok ? 0 : 1;
}
