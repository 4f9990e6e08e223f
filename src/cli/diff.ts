// `tollgate check --diff`: what a config would change, against what a data folder's gateway applied last or against
// another config. Reads the store beside a running gateway and changes nothing.

import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { ConfigReading } from '../config/config-reading.ts';
import { factsAppliedTo } from '../domain/applied-config/applied-config-store.ts';
import { configChanges, describeChange } from '../domain/applied-config/config-changes.ts';
import type { ConfigFacts } from '../domain/applied-config/config-facts.ts';
import { factsOf } from '../gateway-reload.ts';
import { UsageError, type CheckSettings } from './arguments.ts';
import { readConfig, usable } from './read-config.ts';
import type { CommandContext } from './serve.ts';
import { placeNowhere } from './simulator-place.ts';
import { version } from './version.ts';

/** Neither equal nor wrong. */
const DIFFERS = 3;

type Usable = Extract<ConfigReading, { ok: true }>;

export async function diffCommand(
  settings: CheckSettings,
  against: NonNullable<CheckSettings['diff']>,
  given: Usable,
  context: CommandContext,
): Promise<number> {
  const isApplied = against === 'applied';
  const before = isApplied
    ? appliedFacts(resolve(settings.dataFolder))
    : factsOf(usable(await readConfig({ ...settings, configFile: against.file }, context, placeNowhere)), version);
  const changes = configChanges(before, factsOf(given, version)).filter(
    // Of two files it is what they say that counts; they are called otherwise anyway.
    ({ noun }) => isApplied || noun !== 'source',
  );
  if (changes.length === 0) {
    context.print('Nothing would change.\n');
    return 0;
  }
  context.print(`${changes.map(describeChange).join('\n')}\n`);
  return DIFFERS;
}

function appliedFacts(folder: string): ConfigFacts {
  if (!existsSync(folder)) throw new UsageError(`--data: there is no folder ${folder}`);
  const facts = factsAppliedTo(folder);
  if (facts === undefined)
    throw new UsageError(`--data: no config was ever applied to ${folder}; start a gateway on it`);
  return facts;
}
