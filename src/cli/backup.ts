// `tollgate backup`: one file with everything, checked while it is written. A gateway that serves is asked for it over
// its own admin API and goes on serving; of a folder that nobody serves it is made here, with the folder's lock held.

import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { systemClock } from '../core/clock.ts';
import { backUpFolder } from '../store/backup/back-up-folder.ts';
import { BackupFileExistsError, writeBackupFile, type BackupFile } from '../store/backup/backup-file.ts';
import { compressed } from '../store/backup/compress.ts';
import { repacked, secretsIn } from '../store/backup/repack.ts';
import { DataFolderInUseError, type DataFolderLock } from '../store/data-folder-lock.ts';
import { ledgerDatabasePath } from '../store/schema/ledger.ts';
import { serveSettings, UsageError } from './arguments.ts';
import { findRunning } from './running-file.ts';
import type { CommandContext } from './serve.ts';
import { lockUnserved } from './unserved-folder.ts';
import { version } from './version.ts';

interface BackupSettings {
  readonly dataFolder: string;
  readonly path: string;
  readonly secrets: boolean;
}

export async function backupCommand(argv: readonly string[], context: CommandContext): Promise<number> {
  const settings = settingsOf(argv, context);
  const startedMs = performance.now();
  const lock = await lockOf(settings.dataFolder);
  const file = lock === undefined ? await ofRunning(settings, context) : await ofFolder(settings, lock);
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  context.print(`${[
    `${file.path}: ${file.size} bytes, whole and checked, in ${seconds} s`,
    `taken ${lock === undefined ? 'while the gateway serves' : 'of a folder that nobody serves'}`,
    `SHA-256 ${file.sha256}`,
    settings.secrets
      ? 'It holds the operator key and the master key as far as they are files of the data folder: keep it as you keep those.'
      : 'It holds neither the operator key nor the master key: keep those elsewhere.',
    'Also in it: hashes of API keys, sealed credentials, names and addresses of people.',
  ].join('\n')}\n`);
  return 0;
}

function settingsOf(argv: readonly string[], context: CommandContext): BackupSettings {
  const { values } = parsed(argv);
  const { dataFolder } = serveSettings(
    values.data === undefined ? [] : ['--data', values.data], context.environment);
  if (values.out === undefined) throw new UsageError('--out: name the file that the backup is to become');
  const path = resolve(values.out);
  if (existsSync(path)) throw new BackupFileExistsError(path);
  if (!existsSync(dirname(path))) throw new UsageError(`--out: the folder ${dirname(path)} does not exist`);
  const folder = resolve(dataFolder);
  if (!existsSync(ledgerDatabasePath(folder))) throw new UsageError(`--data: ${folder} holds no ledger`);
  return { dataFolder: folder, path, secrets: values['without-secrets'] !== true };
}

function parsed(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      options: { data: { type: 'string' }, out: { type: 'string' }, 'without-secrets': { type: 'boolean' } },
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

/** Undefined: another process has it. */
async function lockOf(dataFolder: string): Promise<DataFolderLock | undefined> {
  try {
    return await lockUnserved(dataFolder);
  } catch (error) {
    if (error instanceof DataFolderInUseError) return undefined;
    throw error;
  }
}

async function ofFolder(settings: BackupSettings, lock: DataFolderLock): Promise<BackupFile> {
  try {
    return await backUpFolder({ ...settings, version, now: systemClock.now(), compress: true });
  } finally {
    lock.release();
  }
}

/** The archive without secrets, over HTTP; they are added here, where the folder itself may be read. */
async function ofRunning(settings: BackupSettings, context: CommandContext): Promise<BackupFile> {
  const { dataFolder, path, secrets } = settings;
  const running = findRunning(dataFolder);
  if (running === undefined) {
    throw new UsageError(`the process that uses ${dataFolder} does not serve: it is starting, ending, or another command; `
      + 'try again in a moment');
  }
  const key = context.environment.operatorKey ?? keyFileOf(dataFolder);
  if (key === undefined) {
    throw new UsageError(`the operator key of the gateway is needed: ${dataFolder} has no file of it; set TOLLGATE_OPERATOR_KEY`);
  }
  const reply = await ask(running.url, key);
  if (!reply.ok || reply.body === null) {
    throw new UsageError(`the gateway at ${running.url} refused: ${await refusal(reply)}`);
  }
  const chunks = repacked(reply.body, secrets ? secretsIn(dataFolder) : undefined);
  return writeBackupFile(path, compressed(chunks));
}

async function ask(url: string, key: string): Promise<Response> {
  try {
    return await fetch(`${url}/admin/v1/backups`, {
      method: 'POST', headers: { authorization: `Bearer ${key}` }, redirect: 'manual', proxy: false, timeout: false,
      // Its certificate names its public host, and we ask by address: that it is the one is known from the folder.
      tls: { rejectUnauthorized: false },
    });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new UsageError(`the gateway at ${url} cannot be reached (${why})`);
  }
}

function keyFileOf(dataFolder: string): string | undefined {
  const file = join(dataFolder, 'operator-key');
  return existsSync(file) ? readFileSync(file, 'utf8').trim() : undefined;
}

async function refusal(reply: Response): Promise<string> {
  const body: unknown = await reply.json().catch(() => undefined);
  const detail = typeof body === 'object' && body !== null && 'detail' in body ? body.detail : undefined;
  return typeof detail === 'string' ? detail : `status ${reply.status}`;
}
