// Requests that are running now: for deadlines that are swept rather than timed, and for a shutdown that drains.

import type { Clock } from '../core/clock.ts';
import type { Deadlines } from '../core/bounds.ts';
import type { StreamRelay } from './stream-relay.ts';

const SWEEP_EVERY_MS = 1_000;
/**
 * A request that is not answered within one to two of these is watched for its client's leaving. Asking every request
 * for its signal at once would cost more than all that the quick ones could lose.
 */
const WATCH_EVERY_MS = 40;

/** A request that is being opened: where an upstream is being asked, who can be told that nobody waits any more. */
export class Opening {
  readonly request: Request;
  /** The client left, or we shut down. */
  left = false;
  attempt: { abandon(): void } | undefined;
  sweeps = 0;
  /** Present once it is watched: it lasts longer than most. */
  onAbort: (() => void) | undefined;
  /** Its reply is a stream, which goes on when the opening is over. */
  streams = false;

  constructor(request: Request) {
    this.request = request;
  }

  leave(): void {
    this.left = true;
    this.attempt?.abandon();
  }
}

export interface RunningRequests {
  /** No new request is taken any more. */
  readonly stopping: boolean;
  readonly count: number;
  /** Requests between their body and their hold. */
  admitting: number;
  /** Set while the ledger is with another process, or on its way: where a request goes that holds no money yet. */
  elsewhere: Elsewhere | undefined;
  /** Of them, the streams that have begun. */
  readonly streams: number;
  enter(request: Request): Opening;
  leave(entry: Opening): void;
  enterStream(relay: StreamRelay, opening: Opening): void;
  leaveStream(relay: StreamRelay, request: Request): void;
  /** Refuses new requests, waits for the running ones, and after the deadline ends them as shut down. */
  drain(): Promise<void>;
}

/** Answers in place of this process. Resolves with undefined where this process is to go on after all. */
export type Elsewhere = (request: Request, peer: string, body: Uint8Array) => Promise<Response | undefined>;

/** The server's own deadline for connections without traffic, which knows nothing of upstreams that think. */
export interface IdleConnections {
  /** The request goes on: from here on its connection may be quiet, and our own deadlines hold. */
  mayBeQuiet(request: Request): void;
  /** Its reply is about to end: its connection is idle again, and must not be so for ever. */
  replyEnds(request: Request): void;
}

/** Only what lasts is told to the server: each word to it costs a quick request more than the watch does. */
export function createRunningRequests(
  clock: Clock,
  deadlines: Deadlines,
  connections: IdleConnections,
): RunningRequests {
  const opening = new Set<Opening>();
  const streams = new Set<StreamRelay>();
  let stopping = false;
  let empty: (() => void) | undefined;
  const sweep = setInterval(() => {
    for (const relay of streams) relay.sweep(deadlines);
  }, SWEEP_EVERY_MS);
  sweep.unref();
  let watcher: ReturnType<typeof setInterval> | undefined;
  const watch = () => {
    for (const entry of opening) {
      entry.sweeps += 1;
      if (entry.sweeps !== 2) continue;
      const { signal } = entry.request;
      entry.onAbort = () => entry.leave();
      connections.mayBeQuiet(entry.request);
      if (signal.aborted) entry.leave();
      else signal.addEventListener('abort', entry.onAbort, { once: true });
    }
    if (opening.size > 0) return;
    clearInterval(watcher);
    watcher = undefined;
  };
  const left = () => {
    if (opening.size + streams.size === 0) empty?.();
  };
  return {
    get stopping() {
      return stopping;
    },
    get count() {
      return opening.size + streams.size;
    },
    admitting: 0,
    elsewhere: undefined,
    get streams() {
      return streams.size;
    },
    enter(request) {
      const entry = new Opening(request);
      opening.add(entry);
      watcher ??= setInterval(watch, WATCH_EVERY_MS);
      return entry;
    },
    leave(entry) {
      opening.delete(entry);
      if (entry.onAbort !== undefined) {
        entry.request.signal.removeEventListener('abort', entry.onAbort);
        if (!entry.streams) connections.replyEnds(entry.request);
      }
      if (stopping) left();
    },
    enterStream(relay, entry) {
      streams.add(relay);
      entry.streams = true;
      connections.mayBeQuiet(entry.request);
    },
    leaveStream(relay, request) {
      streams.delete(relay);
      connections.replyEnds(request);
      if (stopping) left();
    },
    async drain() {
      stopping = true;
      const untilMs = clock.monotonicMs() + deadlines.drainMs;
      if (opening.size + streams.size > 0) {
        const { promise, resolve } = Promise.withResolvers<void>();
        empty = resolve;
        const timer = setTimeout(
          () => {
            for (const entry of opening) entry.leave();
            for (const relay of streams) relay.cut('shut-down');
          },
          Math.max(0, untilMs - clock.monotonicMs()),
        );
        await promise;
        clearTimeout(timer);
      }
      clearInterval(sweep);
      clearInterval(watcher);
    },
  };
}
