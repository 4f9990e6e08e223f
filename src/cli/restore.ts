// `tollgate restore`: a backup becomes a data folder. Everything is unpacked, checked, recovered and verified in a
// folder beside it; only then does that folder take its name. Until then the data folder is absent or as it was.

import {
  chownSync, closeSync, existsSync, fsyncSync, openSync, readdirSync, realpathSync, renameSync, rmSync, statSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { systemClock } from '../core/clock.ts';
import { openEmbeddedLedger } from '../domain/ledger/embedded-ledger.ts';
import { recomputeCharge } from '../domain/ledger/recompute-charge.ts';
import { formatVerifyReport, verifyLedger } from '../domain/ledger/verify.ts';
import { checkNouns, checkSchemas, type NounsCheck } from '../store/backup/check-restored.ts';
import { decompressedFile } from '../store/backup/compress.ts';
import { BackupArchiveError, type BackupManifest } from '../store/backup/manifest.ts';
import { memberAt } from '../store/backup/snapshot.ts';
import { unpackArchive } from '../store/backup/unpack.ts';
import { lockDataFolder } from '../store/data-folder-lock.ts';
import { diskFiles } from '../store/journal-files.ts';
import { openNouns } from '../store/nouns.ts';
import { planUpgrade } from '../store/upgrade.ts';
import { serveSettings, UsageError, type ServeSettings } from './arguments.ts';
import { readUsableConfig } from './read-config.ts';
import type { CommandContext } from './serve.ts';
import { placeNowhere } from './simulator-place.ts';
import { lockUnserved } from './unserved-folder.ts';

interface RestoreSettings {
  readonly file: string;
  readonly dataFolder: string;
  readonly replace: boolean;
  readonly sha256: string | undefined;
  readonly serve: ServeSettings;
}

export async function restoreCommand(argv: readonly string[], context: CommandContext): Promise<number> {
  const settings = settingsOf(argv, context);
  const { dataFolder } = settings;
  requirePlace(settings);
  if (settings.sha256 !== undefined) requireDigest(settings.file, settings.sha256);
  const { billing } = await readUsableConfig(settings.serve, context, placeNowhere);
  const rules = new Map(billing.map(({ name, plugin }) => [name, plugin]));
  // Held until it is moved aside: nobody may begin to serve what is about to go.
  const lock = isAbsentOrEmpty(dataFolder) ? undefined : await lockUnserved(dataFolder);
  try {
    const draft = takeDraft(`${dataFolder}.restoring`);
    try {
      const manifest = await unpackArchive(decompressedFile(settings.file), draft.folder);
      const { nouns, report } = await readable(async () => ({
        nouns: await recover(draft.folder, context),
        report: verifyLedger({
          folder: draft.folder, chargeOf: (record) => recomputeCharge(record, (name) => rules.get(name)),
        }),
      }));
      context.print(`${formatVerifyReport(report)}\n`);
      if (!report.ok || nouns.faults.length > 0) {
        context.printError(`${[...nouns.faults, `the backup is not in order; nothing was put at ${dataFolder}`].join('\n')}\n`);
        return 1;
      }
      const aside = place(draft.folder, dataFolder, lock !== undefined);
      context.print(`${nextSteps({ manifest, nouns, aside, dataFolder }, context).join('\n')}\n`);
      return 0;
    } finally {
      draft.remove();
    }
  } finally {
    lock?.release();
  }
}

function settingsOf(argv: readonly string[], context: CommandContext): RestoreSettings {
  const { values, positionals } = parsed(argv);
  const [file, more] = positionals;
  if (file === undefined || more !== undefined) {
    throw new UsageError('name one file to restore: tollgate restore FILE --data FOLDER');
  }
  const { replace = false, sha256, ...flags } = values;
  const serveFlags = Object.entries(flags).flatMap(([name, value]) => (
    value === undefined ? [] : [`--${name}`, value]));
  const serve = serveSettings(serveFlags, context.environment);
  if (sha256 !== undefined && !/^[0-9a-f]{64}$/i.test(sha256)) {
    throw new UsageError('--sha256: 64 hexadecimal digits are needed');
  }
  const path = resolve(file);
  if (!(statSync(path, { throwIfNoEntry: false })?.isFile() ?? false)) throw new UsageError(`${path} is not a file`);
  const named = resolve(serve.dataFolder);
  // Behind a link lies the disk that it was put on: the folder there is what is replaced, not the link.
  const dataFolder = existsSync(named) ? realpathSync(named) : named;
  return { file: path, dataFolder, replace, sha256: sha256?.toLowerCase(), serve };
}

function parsed(argv: readonly string[]) {
  const text = { type: 'string' } as const;
  try {
    return parseArgs({
      args: [...argv], allowPositionals: true,
      options: { data: text, config: text, preset: text, sha256: text, replace: { type: 'boolean' } },
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function requireDigest(file: string, wanted: string): void {
  const { sha256 } = memberAt(dirname(file), file.slice(dirname(file).length));
  if (sha256 !== wanted) throw new BackupArchiveError(`its SHA-256 is ${sha256}, not the one that was given`);
}

const isAbsentOrEmpty = (folder: string): boolean => !existsSync(folder) || readdirSync(folder).length === 0;

function requirePlace({ dataFolder, replace }: RestoreSettings): void {
  const parent = dirname(dataFolder);
  if (!existsSync(parent)) throw new UsageError(`--data: the folder ${parent} does not exist`);
  if (!(statSync(dataFolder, { throwIfNoEntry: false })?.isDirectory() ?? true)) {
    throw new UsageError(`--data: ${dataFolder} is a file`);
  }
  if (replace || isAbsentOrEmpty(dataFolder)) return;
  throw new UsageError(`--data: ${dataFolder} is not empty; name another folder, or give --replace to have it moved aside`);
}

/** What an interrupted restore left there is removed; one that still runs holds its lock. */
function takeDraft(path: string): { readonly folder: string; remove(): void } {
  const lock = lockDataFolder(path);
  const folder = join(path, 'data');
  rmSync(folder, { recursive: true, force: true });
  return {
    folder,
    remove() {
      rmSync(path, { recursive: true, force: true });
      lock.release();
    },
  };
}

async function recover(folder: string, context: CommandContext): Promise<NounsCheck> {
  const foreign = checkSchemas(folder);
  if (foreign.length > 0) throw new BackupArchiveError(foreign.join('; '));
  const warn = (message: string): void => context.printError(`${message}\n`);
  // As after a crash: the journal is replayed, and what was open is closed free of charge.
  // Migrations need no backup before them: the one that is being restored is that.
  const ledger = await openEmbeddedLedger({ folder, warn, beforeOpening: async () => void planUpgrade(folder) });
  await ledger.shutDown();
  await openNouns(folder).close();
  return checkNouns(folder);
}

/** Pages that SQLite cannot read are the archive's fault: its sums are right, so they were so when it was made. */
async function readable<T>(read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof Error) || error.name !== 'SQLiteError') throw error;
    throw new BackupArchiveError(`its files cannot be read (${error.message})`);
  }
}

/**
 * Everything in it is on the disk before it gets its name. Returns where the folder before it is now. Without its lock
 * the folder was absent or empty: whoever has begun to use it meanwhile keeps it.
 */
function place(restored: string, dataFolder: string, locked: boolean): string | undefined {
  const owner = statSync(dataFolder, { throwIfNoEntry: false });
  const paths = readdirSync(restored, { recursive: true, encoding: 'utf8' }).map((name) => join(restored, name));
  for (const path of [...paths, restored]) {
    // Restored by root, the folder still belongs to whom it belonged before.
    if (owner !== undefined && process.getuid?.() === 0) chownSync(path, owner.uid, owner.gid);
    syncPath(path);
  }
  const parent = dirname(dataFolder);
  const aside = locked ? asidePath(dataFolder) : undefined;
  if (aside !== undefined) renameSync(dataFolder, aside);
  try {
    renameSync(restored, dataFolder);
  } catch (error) {
    if (aside !== undefined) renameSync(aside, dataFolder);
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ENOTEMPTY' || code === 'EEXIST') {
      throw new UsageError(`--data: somebody has begun to use ${dataFolder} meanwhile; stop what serves from it, and see `
        + 'what is to be kept');
    }
    if (code !== 'EBUSY' && code !== 'EXDEV') throw error;
    throw new UsageError(`--data: ${dataFolder} is where a disk is mounted; name a folder on that disk`);
  }
  diskFiles.syncFolderNow(parent);
  return aside;
}

function syncPath(path: string): void {
  const file = openSync(path, 'r');
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

function asidePath(dataFolder: string): string {
  const time = new Date(systemClock.now()).toISOString().replace(/[-:.]/g, '');
  return `${dataFolder}.replaced-${time}`;
}

interface Placed {
  readonly manifest: BackupManifest;
  readonly nouns: NounsCheck;
  readonly aside: string | undefined;
  readonly dataFolder: string;
}

/** What a person has to know and to do, now that the past is the present. */
function nextSteps({ manifest, nouns, aside, dataFolder }: Placed, { environment }: CommandContext): readonly string[] {
  const has = (name: string): boolean => existsSync(join(dataFolder, name));
  const lines = [
    `restored to ${dataFolder}, as it stood ${manifest.takenAt} (Tollgate ${manifest.tollgate})`,
    'What happened after that is not in it: calls, payments and refunds since then are to be booked by hand; API keys '
      + 'made since then are gone, and those deleted since then work again.',
  ];
  if (aside !== undefined) lines.push(`The folder that was there is now ${aside}`);
  if (!has('operator-key') && environment.operatorKey === undefined) {
    lines.push('No operator key is in it: the next start makes a new one and prints it, unless TOLLGATE_OPERATOR_KEY is set.');
  }
  if (nouns.sealedCredentials > 0 && !has('master-key') && environment.masterKey === undefined) {
    lines.push(`${nouns.sealedCredentials} stored credentials are sealed, and the master key is not in it: put the file `
      + `${join(dataFolder, 'master-key')} back or set TOLLGATE_MASTER_KEY, or the gateway does not start.`);
  }
  if (process.getuid?.() === 0) lines.push('You are root: see that the folder belongs to the user that the gateway runs as.');
  return [...lines, `Next: tollgate serve --data ${dataFolder}`];
}
