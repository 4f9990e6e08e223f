// How the embedded ledger is doing, for whoever watches it. Asked seldom: it looks at the disk.

import { diskFiles, segmentPath, type JournalFiles, type JournalPosition } from '../../store/journal-files.ts';
import { journalFolder } from '../../store/schema/ledger.ts';

export interface LedgerFigures {
  readonly openHolds: number;
  /** Bytes that the journal takes on the disk, zeros written ahead included. */
  readonly journalDiskBytes: number;
  /** Records that are not on the disk yet. */
  readonly waitingRecords: number;
  /** Records that are on the disk and not in the store yet. */
  readonly loaderLagRecords: number;
}

export function ledgerFigures(
  { folder, files = diskFiles }: { readonly folder: string; readonly files?: JournalFiles },
  journal: { readonly position: JournalPosition; readonly lastSequence: number },
  loaded: JournalPosition,
  openHolds: number,
): LedgerFigures {
  const durable = journal.position.sequence;
  return {
    openHolds,
    journalDiskBytes: bytesIn(journalFolder(folder), files),
    waitingRecords: journal.lastSequence - durable,
    loaderLagRecords: Math.max(0, durable - loaded.sequence),
  };
}

function bytesIn(folder: string, files: JournalFiles): number {
  let bytes = 0;
  for (const segment of files.segments(folder)) {
    try {
      const file = files.openForReading(segmentPath(folder, segment));
      try {
        bytes += files.size(file);
      } finally {
        files.close(file);
      }
    } catch {
      // Forgotten between listing and looking.
    }
  }
  return bytes;
}
