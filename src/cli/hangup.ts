// SIGHUP: what can be read again is read again, one after the other. Before the start is over, and once the process is
// about to end, the signal does nothing but say so: it must never end the process. While another process is about to
// take over it waits, and goes to the one that serves in the end.

import type { Log } from '../core/log.ts';

export interface Reloadable {
  /** For the log. */
  readonly name: string;
  /** Changes all or nothing. A rejection is logged; the others are reloaded all the same. */
  reload(): Promise<unknown>;
}

export interface Hangup {
  /** From now on the signal reloads these, and `log` is told. */
  serving(reloadables: readonly Reloadable[], log: Log): void;
  /** From now on it waits for `serving` or `handedOver`. */
  handingOver(): void;
  /** From now on it is ignored. One that waited goes to that process. */
  handedOver(pid: number): void;
  /** From now on it is ignored. */
  ending(): void;
}

/** `startLog` is there before the secrets are known that must not be in it. */
export function listenForHangup(startLog: Log): Hangup {
  let log = startLog;
  let reloadables: readonly Reloadable[] | 'starting' | 'handing over' | 'ending' = 'starting';
  let waits = false;
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
    if (reloadables === 'handing over') waits = true;
    else if (typeof reloadables === 'string') log.info('hangup', { message: `ignored: the process is ${reloadables}` });
    else running = running.then(reloadAll);
  });
  const waited = (): boolean => {
    const found = waits;
    waits = false;
    return found;
  };
  return {
    serving(list, servingLog) {
      reloadables = list;
      log = servingLog;
      if (waited()) running = running.then(reloadAll);
    },
    handingOver: () => void (reloadables = 'handing over'),
    handedOver(pid) {
      reloadables = 'ending';
      if (waited()) process.kill(pid, 'SIGHUP');
    },
    ending: () => void (reloadables = 'ending'),
  };
}
