// Idle connections of one upstream, last used first. Invariant: a connection in here is open, verified, in
// step with its upstream, and was dialled under the same address rule and TLS name as whoever takes it.

import type { Connection, Home } from './connection.ts';

export interface IdleLimits {
  /** Most idle connections kept for one upstream. */
  readonly idleMax: number;
  /** Longest time that one is kept without use. */
  readonly idleMs: number;
}

export interface ConnectionPool extends Home {
  /** An idle connection, or `undefined` if one must be dialled. */
  take(nowMs: number): Connection | undefined;
  /** Closes what has idled too long; false when none is left. */
  sweepIdle(nowMs: number): boolean;
  readonly idleCount: number;
  close(): void;
}

export function createConnectionPool(limits: IdleLimits, nowMs: () => number): ConnectionPool {
  // Oldest first: taken from the end, closed from the front.
  const idle: Connection[] = [];
  let closed = false;

  const outlived = (connection: Connection, now: number): boolean =>
    now - connection.idleSinceMs >= Math.min(limits.idleMs, connection.keepMs);

  return {
    nowMs,
    take(now) {
      for (let found = idle.pop(); found !== undefined; found = idle.pop()) {
        if (found.usable && !outlived(found, now)) return found;
        found.retire();
      }
      return undefined;
    },
    giveBack(connection) {
      if (closed || limits.idleMax === 0) return connection.retire();
      if (idle.length >= limits.idleMax) idle.shift()?.retire();
      idle.push(connection);
    },
    forget(connection) {
      const at = idle.lastIndexOf(connection);
      if (at >= 0) idle.splice(at, 1);
    },
    sweepIdle(now) {
      // A connection may outlive one that was given back later, where the upstream names different times: it
      // is closed when its turn comes, and `take` looks again.
      while (idle.length > 0 && outlived(idle[0]!, now)) idle.shift()?.retire();
      return idle.length > 0;
    },
    get idleCount() {
      return idle.length;
    },
    close() {
      closed = true;
      for (const connection of idle.splice(0)) connection.retire();
    },
  };
}
