// SIGHUP: what can be read again is read again, one after the other. Before the start is over, and once the process is
// about to end, the signal does nothing but say so: it must never end the process.

import type { Log } from '../core/log.ts';

export interface Reloadable {
  /** For the log. */
  readonly name: string;
  /** Changes all or nothing. A rejection is logged; the others are reloaded all the same. */
  reload(): Promise<unknown>;
}

export interface Hangup {
  /** From now on the signal reloads these. */
  serving(reloadables: readonly Reloadable[]): void;
  /** From now on it is ignored. */
  ending(): void;
}

export function listenForHangup(log: Log): Hangup {
  let reloadables: readonly Reloadable[] | 'starting' | 'ending' = 'starting';
  let running: Promise<void> = Promise.resolve();
  const reloadAll = async () => {
    if (typeof reloadables === 'string') return;
    for (const { name, reload } of reloadables) {
      try {
        await reload();
      } catch (error) {
        log.warn('hangup', { message: `${name} was not reloaded`, detail: String(error) });
      }
    }
  };
  process.on('SIGHUP', () => {
    if (typeof reloadables === 'string') log.info('hangup', { message: `ignored: the process is ${reloadables}` });
    else running = running.then(reloadAll);
  });
  return {
    serving: (list) => void (reloadables = list),
    ending: () => void (reloadables = 'ending'),
  };
}
