// Backs up a data folder that nobody serves: the caller holds its lock.

import { rmSync } from 'node:fs';
import { writeBackupFile, type BackupFile } from './backup-file.ts';
import { compressed } from './compress.ts';
import { repacked, secretsIn } from './repack.ts';
import { snapshotFolder } from './snapshot-folder.ts';
import { takeSnapshot } from './snapshot.ts';
import { openArchive } from './write-archive.ts';

export interface FolderBackup {
  readonly dataFolder: string;
  readonly path: string;
  /** Our own. */
  readonly version: string;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** Whether the key files of the folder go into it. */
  readonly secrets: boolean;
  readonly compress: boolean;
  /** It is our own, inside the data folder: another file under that name may go. */
  readonly replaces?: boolean;
  /** For tests. */
  readonly freeBytes?: (path: string) => number;
}

/** Throws SnapshotError, BackupFileExistsError, or what the disk says; then there is nothing at the path. */
export async function backUpFolder(backup: FolderBackup): Promise<BackupFile> {
  const { dataFolder, path, secrets, replaces = false } = backup;
  const snapshot = takeSnapshot({
    dataFolder, workFolder: snapshotFolder(dataFolder), journalEnd: undefined, tollgate: backup.version,
    takenAt: new Date(backup.now).toISOString(), archiveBeside: replaces,
    ...(backup.freeBytes === undefined ? {} : { freeBytes: backup.freeBytes }),
  });
  try {
    const archive = openArchive(snapshot.workFolder, snapshot.manifest);
    try {
      const chunks = repacked(archive.chunks(), secrets ? secretsIn(dataFolder) : undefined);
      return await writeBackupFile(path, backup.compress ? compressed(chunks) : chunks, { replaces });
    } finally {
      archive.close();
    }
  } finally {
    rmSync(snapshot.workFolder, { recursive: true, force: true });
  }
}
