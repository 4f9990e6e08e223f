// What an archive says of itself, in its first member: its form, what wrote it, which migrations ran on its files, and
// size and SHA-256 of every member in order. Nothing is read from an archive that its manifest does not announce.

import { fieldsOf, flagOf, integerOf, listOf, textOf, type Fields } from '../json-fields.ts';
import { JOURNAL_FORMAT } from '../journal-files.ts';
import type { AppliedMigration } from '../migrate.ts';

export const MANIFEST_NAME = 'manifest.json';
/** A manifest with ten thousand segments of the journal is below it. */
export const MANIFEST_BYTES_MAX = 2 * 1024 * 1024;
export const BACKUP_FORMAT = 1;

export const databaseNames = ['ledger.db', 'tollgate.db'] as const;
export type DatabaseName = (typeof databaseNames)[number];
/** Files of the data folder that open what others must not: whoever has them can act as the operator. */
export const secretNames = ['operator-key', 'master-key'] as const;

export interface BackupMember {
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** Lower-case hex. */
  readonly sha256: string;
}

export interface BackupManifest {
  /** Of the Tollgate that wrote it. */
  readonly tollgate: string;
  /** ISO 8601, in UTC. */
  readonly takenAt: string;
  /** Whether `operator-key` and `master-key` are in it where the data folder had them. */
  readonly withSecrets: boolean;
  readonly migrations: Readonly<Record<DatabaseName, readonly AppliedMigration[]>>;
  /** In the order in which they follow. */
  readonly members: readonly BackupMember[];
}

/** The archive is not one, is cut short, was changed, or is of another form. Written for the person at the terminal. */
export class BackupArchiveError extends Error {
  constructor(what: string) {
    super(`the backup cannot be used: ${what}. Nothing was restored`);
    this.name = 'BackupArchiveError';
  }
}

export const manifestText = (manifest: BackupManifest): string => `${JSON.stringify({
  format: 'tollgate-backup', version: BACKUP_FORMAT, journalFormat: JOURNAL_FORMAT, ...manifest,
}, undefined, 1)}\n`;

/** Throws BackupArchiveError. */
export function parseManifest(text: string): BackupManifest {
  let fields: Fields;
  try {
    fields = fieldsOf(JSON.parse(text), 'the manifest');
  } catch {
    throw new BackupArchiveError('its manifest is not JSON');
  }
  if (fields['format'] !== 'tollgate-backup') throw new BackupArchiveError('it is not a backup of Tollgate');
  const writer = typeof fields['tollgate'] === 'string' ? `Tollgate ${fields['tollgate'].slice(0, 40)}` : 'its writer';
  requireVersion(fields['version'], BACKUP_FORMAT, `its form is version ${shown(fields['version'])}`, writer);
  requireVersion(
    fields['journalFormat'], JOURNAL_FORMAT, `the form of its journal is version ${shown(fields['journalFormat'])}`, writer,
  );
  try {
    return checked(fields);
  } catch (error) {
    if (error instanceof BackupArchiveError) throw error;
    throw new BackupArchiveError(`its manifest is not as it was written (${error instanceof Error ? error.message : ''})`);
  }
}

const shown = (value: unknown): string => (typeof value === 'number' ? String(value) : 'unknown');

function requireVersion(found: unknown, known: number, what: string, writer: string): void {
  if (found !== known) {
    throw new BackupArchiveError(`${what}, and this Tollgate reads version ${known}; use ${writer} to restore it`);
  }
}

function checked(fields: Fields): BackupManifest {
  const migrations = fieldsOf(fields['migrations'], 'migrations');
  const applied = (name: DatabaseName): readonly AppliedMigration[] => listOf(migrations, name).map((each) => {
    const one = fieldsOf(each, 'a migration');
    return { name: textOf(one, 'name'), additive: flagOf(one, 'additive') };
  });
  const takenAt = textOf(fields, 'takenAt');
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(takenAt) || Number.isNaN(Date.parse(takenAt))) {
    throw new BackupArchiveError('its manifest does not say when it was taken');
  }
  const members = listOf(fields, 'members').map((each) => memberOf(fieldsOf(each, 'a member')));
  const names = new Set(members.map(({ name }) => name));
  if (names.size !== members.length) throw new BackupArchiveError('its manifest names a member twice');
  for (const name of databaseNames) {
    if (!names.has(name)) throw new BackupArchiveError(`its manifest names no ${name}`);
  }
  const withSecrets = flagOf(fields, 'withSecrets');
  return {
    tollgate: textOf(fields, 'tollgate'), takenAt, withSecrets, members,
    migrations: { 'ledger.db': applied('ledger.db'), 'tollgate.db': applied('tollgate.db') },
  };
}

/** A closed list: no other name ever becomes a path. */
const MEMBER_NAME = /^(?:ledger\.db|tollgate\.db|operator-key|master-key|journal\/\d{8}\.journal)$/;

function memberOf(fields: Fields): BackupMember {
  const name = textOf(fields, 'name');
  const size = integerOf(fields, 'size');
  const sha256 = textOf(fields, 'sha256');
  if (!MEMBER_NAME.test(name)) {
    throw new BackupArchiveError(`its manifest names ${JSON.stringify(name.slice(0, 60))}, which no backup holds`);
  }
  if (size < 0) throw new BackupArchiveError(`its manifest gives ${name} a size below zero`);
  if (!/^[0-9a-f]{64}$/.test(sha256)) throw new BackupArchiveError(`its manifest gives ${name} no SHA-256`);
  return { name, size, sha256 };
}
