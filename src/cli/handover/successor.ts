// The process that takes over: it is started by the one that serves, says when it could, gets the data folder, and from
// then on settles what still runs in the other one.

import { systemClock } from '../../core/clock.ts';
import type { RequestId } from '../../core/ids.ts';
import type { Log } from '../../core/log.ts';
import type { MovableLedger } from '../../domain/ledger/movable-ledger.ts';
import { readUsageRecord } from '../../domain/ledger/record-json.ts';
import { openEntrance, type Entrance } from '../../http/relay.ts';
import { planUpgrade } from '../../store/upgrade.ts';
import { UsageError } from '../arguments.ts';
import { PROTOCOL, readFromPredecessor, type FromPredecessor, type FromSuccessor } from './messages.ts';

/** The other process answers at once, or lets running admissions end first. */
const ANSWER_MAX_MS = 60_000;
/** More than the other process needs to leave once everything there is settled. */
const LEAVING_MS = 3_000;

export interface Succession {
  /** The port that the predecessor listens on. */
  readonly port: number;
  /** Says that the config is fine, and waits for the data folder. Resolves with the requests that run over there. */
  turn(dataFolder: string): Promise<ReadonlySet<string>>;
  /** We listen: from here on the predecessor sends everything here. */
  serves(ledger: MovableLedger, answer: (request: Request, peer: string) => Response | Promise<Response>): void;
  /** We do not get to serve, and why. */
  fails(message: string): void;
  /** Ends what still runs over there, which has so long for it, and resolves when it has ended: or it hangs. */
  predecessorEnds(drainMs: number): Promise<void>;
  /** False once it is gone. */
  readonly predecessorHere: boolean;
  /** True while the predecessor still listens on the port. */
  readonly portShared: boolean;
}

const isOf = <K extends FromPredecessor['kind']>(message: FromPredecessor, kind: K): message is Expected<K> =>
  message.kind === kind;

type Expected<K extends FromPredecessor['kind']> = Extract<FromPredecessor, { kind: K }>;

export async function succeed(version: string, log: Log): Promise<Succession> {
  if (process.send === undefined) throw new UsageError('TOLLGATE_HANDOVER is set, but no process hands over; unset it');
  const say = (message: FromSuccessor) => void process.send?.(message);
  let waiting: { heard(message: FromPredecessor): void; gone(): void } | undefined;
  const gone = Promise.withResolvers<void>();
  let ledger: MovableLedger | undefined;
  let adopted: ReadonlySet<RequestId> = new Set();
  let portShared = true;
  let here = true;
  let entrance: Entrance | undefined;
  process.on('message', (value) => {
    const message = readFromPredecessor(value);
    if (message === undefined) return;
    if (message.kind === 'port-free') portShared = false;
    else if (message.kind === 'close' || message.kind === 'extend') void settle(message);
    else waiting?.heard(message);
  });
  process.on('disconnect', () => {
    here = false;
    portShared = false;
    gone.resolve();
    waiting?.gone();
    // Nobody else has its secret.
    entrance?.close();
    closeLost();
  });
  const closeLost = () => {
    ledger?.closeLost(adopted, systemClock.now()).catch((error: unknown) =>
      log.error('handover', { message: `what ran in the process before this one is not settled: ${String(error)}` }),
    );
  };

  const settle = async (message: Expected<'close'> | Expected<'extend'>): Promise<void> => {
    const { call } = message;
    const answer = (reply: FromSuccessor) => {
      if (here) say(reply);
    };
    try {
      if (ledger === undefined) throw new Error('the ledger is not open yet');
      if (message.kind === 'close') {
        const result = await ledger.close(readUsageRecord(message.record));
        return answer({ kind: 'closed', call, lossNano: result.closed ? `${result.lossNano}` : null });
      }
      answer({ kind: 'extended', call, carried: await ledger.extendHold(message.requestId, BigInt(message.byNano)) });
    } catch (error) {
      answer({ kind: 'refused', call, message: error instanceof Error ? error.message : String(error) });
    }
  };

  const expect = <K extends 'plan' | 'yours'>(kind: K): Promise<Expected<K>> => {
    const { promise, resolve, reject } = Promise.withResolvers<Expected<K>>();
    const late = setTimeout(() => reject(new UsageError('the process that hands over does not answer')), ANSWER_MAX_MS);
    waiting = {
      heard(message) {
        if (!isOf(message, kind)) return;
        clearTimeout(late);
        resolve(message);
      },
      gone: () => reject(new UsageError('the process that hands over has gone')),
    };
    return promise;
  };

  const planned = expect('plan');
  say({ kind: 'hello', protocol: PROTOCOL, version });
  const { port, secret } = await planned;
  return {
    port,
    get portShared() {
      return portShared;
    },
    async turn(dataFolder) {
      // A folder that this version cannot open is found out while the other one still serves from it.
      planUpgrade(dataFolder);
      const yours = expect('yours');
      say({ kind: 'ready' });
      adopted = new Set((await yours).adopted);
      return adopted;
    },
    serves(owner, answer) {
      ledger = owner;
      if (!here) return closeLost();
      entrance = openEntrance(secret, answer);
      say({ kind: 'serving', entrancePort: entrance.port });
    },
    fails(message) {
      if (here) say({ kind: 'failed', message });
    },
    get predecessorHere() {
      return here;
    },
    async predecessorEnds(drainMs) {
      if (!here) return;
      say({ kind: 'stop' });
      const late = Promise.withResolvers<void>();
      const timer = setTimeout(late.resolve, drainMs + LEAVING_MS);
      await Promise.race([gone.promise, late.promise]);
      clearTimeout(timer);
      if (here) log.warn('handover', { message: 'the process before this one does not end; what runs there is not waited for' });
    },
  };
}
