// The process that goes: starts its successor, lets go of the books at a moment in which no hold is being placed, and
// stays until what runs here has ended. Whatever fails before the successor serves leaves everything as it was.

import type { Log } from '../../core/log.ts';
import type { Gateway } from '../../gateway.ts';
import { clientError } from '../../http/client-error.ts';
import { createRelay, type Relay } from '../../http/relay.ts';
import type { Traffic } from '../../http/traffic.ts';
import { createHttp1Transport } from '../../pipeline/transport/http1-transport.ts';
import { BooksLostError, HandoverError } from './handover-error.ts';
import { PROTOCOL } from './messages.ts';
import { sharedPort, type SharedPort } from './shared-port.ts';
import { startSuccessor, type SuccessorProcess } from './successor-process.ts';

/** From the start of the successor until it could take over. */
const READY_MAX_MS = 60_000;
/** For admissions and admin requests that run: what takes longer must not make everybody else wait. */
const QUIET_MAX_MS = 5_000;
/** From the free data folder until the successor listens: a change of the schema takes its time. */
const SERVING_MAX_MS = 30_000;
/** Connections whose handshake began before the successor listened finish it within this time. */
const LATE_CONNECTIONS_MS = 3_000;
/** More than the time after which the server closes idle connections: then no client has one any more. */
const IDLE_CONNECTIONS_MS = 65_000;
/** Requests that wait while nobody owns the books. */
const WAITING_MAX = 10_000;
const POLL_MS = 5;

export interface Going {
  readonly gateway: Pick<Gateway, 'ledger' | 'running' | 'settled' | 'holdConfig'>;
  readonly traffic: Traffic;
  readonly port: number;
  /** A plain port beside it. */
  readonly besides: number | undefined;
  readonly log: Log;
  /** The command line of a process that serves as this one does, the executable first. */
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** The process before this one: what runs there is settled by way of this one. */
  readonly predecessorHere: () => boolean;
  /** For tests: less than the time for which clients may hold connections that are idle. */
  readonly idleConnectionsMs?: number;
}

export interface HandedOver {
  readonly pid: number;
  readonly version: string;
  /** How long nobody owned the books: requests waited for so long at most. */
  readonly pauseMs: number;
  /** Resolves when nothing runs here any more and no client holds a connection; or the successor asks for our end. */
  readonly ended: Promise<void>;
  /** Resolves when no client waits here for a reply of the successor any more, or after that time. */
  relayed(withinMs: number): Promise<void>;
}

/** Resolves when the successor serves. Throws when it does not: then this process goes on serving. */
export async function handOver(going: Going): Promise<HandedOver> {
  const shared = await sharedPorts(going);
  if (shared === undefined) throw new HandoverError('this system cannot share a port between two processes');
  if (!going.gateway.ledger.available) throw new HandoverError('the ledger cannot be written; see the log');
  shared.share();
  const letReload = await going.gateway.holdConfig();
  try {
    const successor = startSuccessor(going.command, going.environment);
    try {
      const hello = await successor.says('hello', READY_MAX_MS);
      if (hello.protocol !== PROTOCOL)
        throw new HandoverError(`version ${hello.version} takes over in another way; restart instead`);
      const secret = Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString('hex');
      successor.tell({ kind: 'plan', port: going.port, secret });
      await successor.says('ready', READY_MAX_MS);
      const { relay, pauseMs } = await passOn(going, successor, shared, secret);
      const ended = leave(going, successor, shared, relay);
      const relayed = (withinMs: number) => relaysEnd(relay, withinMs);
      return { pid: successor.pid, version: hello.version, pauseMs, ended, relayed };
    } catch (error) {
      await successor.end();
      throw error;
    }
  } catch (error) {
    letReload();
    shared.keepAlone();
    throw error;
  }
}

async function sharedPorts({ port, besides }: Going): Promise<SharedPort | undefined> {
  const main = await sharedPort(port);
  const beside = besides === undefined ? undefined : await sharedPort(besides);
  if (main === undefined || beside === undefined) return main;
  const each = (does: (shared: SharedPort) => void) => () => [main, beside].forEach(does);
  return {
    share: each((shared) => shared.share()),
    keepAlone: each((shared) => shared.keepAlone()),
    giveToLast: each((shared) => shared.giveToLast()),
    letGo: each((shared) => shared.letGo()),
  };
}

/** From the last admission here to the first there. Requests wait meanwhile, and go on wherever the books end up. */
async function passOn(going: Going, successor: SuccessorProcess, shared: SharedPort, secret: string) {
  const { running, ledger } = going.gateway;
  const startedMs = performance.now();
  const where = Promise.withResolvers<Relay | undefined>();
  let waiting = 0;
  const way = async (request: Request, peer: string, body?: Uint8Array): Promise<Response | undefined> => {
    if (waiting >= WAITING_MAX)
      return clientError('shutting_down', { message: 'Too many requests wait here. Try again.', retryAfterSeconds: 1 });
    waiting += 1;
    const relay = await where.promise;
    waiting -= 1;
    return relay?.forward(request, peer, body);
  };
  const stay = () => {
    going.traffic.divert(undefined);
    running.elsewhere = undefined;
    where.resolve(undefined);
  };
  going.traffic.divert(way);
  running.elsewhere = way;
  try {
    // Of a reload, and of what the start changed, the successor must find all or nothing.
    await going.gateway.settled();
    await quiet(going);
    const adopted = await ledger.letGo();
    successor.tell({ kind: 'yours', adopted });
    const { entrancePort } = await successor.says('serving', SERVING_MAX_MS);
    // The last that may fail. A moment later the successor is the only one that can settle anything.
    shared.giveToLast();
    const onDefect = (reason: unknown) => going.log.error('defect', { detail: String(reason) });
    const relay = createRelay(createHttp1Transport({ onDefect }), entrancePort, secret);
    ledger.follow(successor.owner);
    where.resolve(relay);
    going.traffic.lastReplies(true);
    return { relay, pauseMs: Math.round(performance.now() - startedMs) };
  } catch (error) {
    try {
      if (!ledger.isHere) await takenBack(going, successor);
    } finally {
      stay();
    }
    throw error;
  }
}

async function takenBack({ gateway: { ledger } }: Going, successor: SuccessorProcess): Promise<void> {
  await successor.end();
  await ledger.takeBack().catch((reason: unknown) => {
    throw new BooksLostError(`the ledger could not be opened again: ${String(reason)}`);
  });
}

/** What is between its body and its hold, or in a face that may write, must end first: a matter of milliseconds. */
async function quiet({ gateway: { running }, traffic }: Going): Promise<void> {
  const untilMs = performance.now() + QUIET_MAX_MS;
  while (running.admitting > 0 || traffic.facesBusy > 0) {
    if (performance.now() > untilMs)
      throw new HandoverError(
        `${running.admitting} admissions and ${traffic.facesBusy} other requests did not end within ` +
          `${QUIET_MAX_MS / 1000} seconds; try again`,
      );
    await Bun.sleep(POLL_MS);
  }
}

async function leave(
  { gateway: { running }, log, predecessorHere, idleConnectionsMs = IDLE_CONNECTIONS_MS }: Going,
  successor: SuccessorProcess,
  shared: SharedPort,
  relay: Relay,
): Promise<void> {
  let asked = false;
  void successor.stops.then(() => (asked = true));
  const sinceMs = performance.now();
  const until = async (ended: () => boolean) => {
    while (!asked && !ended()) await Bun.sleep(100);
  };
  await until(() => performance.now() - sinceMs > LATE_CONNECTIONS_MS);
  if (!asked) {
    shared.letGo();
    successor.tell({ kind: 'port-free' });
  }
  const nothingRuns = () => running.count + relay.running === 0 && !predecessorHere();
  await until(() => nothingRuns() && performance.now() - sinceMs > idleConnectionsMs);
  log.info('handover', { message: 'nothing runs in the former process any more' });
  successor.letGo();
}

async function relaysEnd(relay: Relay, withinMs: number): Promise<void> {
  const untilMs = performance.now() + withinMs;
  while (relay.running > 0 && performance.now() < untilMs) await Bun.sleep(POLL_MS);
}
