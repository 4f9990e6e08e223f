// The worker that loads the journal into `ledger.db`. It gets small messages saying how far the journal is durable and
// reads the records from the file itself: posting them would cost the JS thread more than the rows do.

import { getPriority, setPriority } from 'node:os';
import type { Database } from 'bun:sqlite';
import { newId } from '../core/ids.ts';
import type { JournalPosition } from './journal-files.ts';
import { LedgerLoad } from './ledger-load.ts';
import { openLedgerForLoading } from './schema/ledger.ts';

declare const self: Worker;

export type ToLoader =
  | ({ readonly kind: 'load'; readonly folder: string } & JournalPosition)
  | { readonly kind: 'close' };

export type FromLoader =
  | ({ readonly kind: 'loaded' } & JournalPosition)
  | { readonly kind: 'failed'; readonly message: string }
  | { readonly kind: 'closed' };

/**
 * Requests go before rows where both want the same core: a batch takes longer than a request may wait. No nicer than
 * this, or a gateway that is always busy would never load. Elsewhere than on Linux it would be the whole process's.
 */
const NICENESS = 5;

/** A courtesy: a process that was started nicer stays so, and loading does not depend on it. */
function beNice(): void {
  try {
    if (process.platform === 'linux' && getPriority(0) < NICENESS) setPriority(0, NICENESS);
  } catch {
    // Not allowed here.
  }
}

beNice();

let database: Database | undefined;
let load: LedgerLoad | undefined;

self.onmessage = (event: MessageEvent<ToLoader>): void => {
  const message = event.data;
  try {
    if (message.kind === 'close') {
      database?.close();
      database = undefined;
      return answer({ kind: 'closed' });
    }
    database ??= openLedgerForLoading(message.folder);
    load ??= new LedgerLoad(database, message.folder, newId);
    const { segment, offset, sequence } = load.load(message);
    answer({ kind: 'loaded', segment, offset, sequence });
  } catch (error) {
    // Half a batch was rolled back, and this instance may disagree with the file: a fresh worker takes over.
    database?.close();
    database = undefined;
    load = undefined;
    answer({ kind: 'failed', message: error instanceof Error ? error.message : String(error) });
  }
};

function answer(message: FromLoader): void {
  self.postMessage(message);
}
