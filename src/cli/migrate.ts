// `tollgate migrate`: brings the files of a data folder that nobody serves up to this version, as the next start would,
// or only says what it would do.

import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { systemClock } from '../core/clock.ts';
import { openNouns } from '../store/nouns.ts';
import { ledgerDatabasePath, openLedgerForLoading } from '../store/schema/ledger.ts';
import { firstBreaking, planUpgrade, prepareUpgrade, type FilePlan } from '../store/upgrade.ts';
import { serveSettings, UsageError } from './arguments.ts';
import type { CommandContext } from './serve.ts';
import { lockUnserved } from './unserved-folder.ts';
import { version } from './version.ts';

export async function migrateCommand(argv: readonly string[], context: CommandContext): Promise<number> {
  const { data, 'dry-run': dryRun = false } = parsed(argv);
  const settings = serveSettings(data === undefined ? [] : ['--data', data], context.environment);
  const folder = resolve(settings.dataFolder);
  if (!existsSync(ledgerDatabasePath(folder))) throw new UsageError(`--data: ${folder} holds no ledger`);
  const say = (lines: readonly string[]): void => context.print(`${lines.join('\n')}\n`);
  if (dryRun) {
    const plans = planUpgrade(folder);
    const breaking = firstBreaking(plans);
    say([
      ...plans.map(describe('to run')),
      ...(breaking === undefined ? [] : [`a backup would be made before ${breaking.name}`]),
    ]);
    return 0;
  }
  const lock = await lockUnserved(folder);
  try {
    const plans = planUpgrade(folder);
    await prepareUpgrade(folder, version, systemClock.now(), (message) => say([message]));
    openLedgerForLoading(folder).close();
    await openNouns(folder).close();
    say(plans.map(describe('ran')));
    return 0;
  } finally {
    lock.release();
  }
}

const describe = (what: string) => ({ file, pending }: FilePlan): string => {
  if (pending.length === 0) return `${file}: up to date`;
  const names = pending.map(({ name, additive }) => (additive === true ? `${name} (an older Tollgate goes on with it)` : name));
  return `${file}: ${what}: ${names.join(', ')}`;
};

function parsed(argv: readonly string[]) {
  try {
    return parseArgs({ args: [...argv], options: { data: { type: 'string' }, 'dry-run': { type: 'boolean' } } }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}
