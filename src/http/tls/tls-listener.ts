// The TLS port over its life. Bun's server cannot change its certificate, so each certificate has a server of its own:
// the new one shares the port first, then the old one stops at a moment in which no connection is being opened.
// Requests that run go on where they began. While a name is proven by TLS-ALPN a front takes the port, with a server
// behind it.

import type { CertificatePair } from './certificate-pair.ts';
import { startFront, type ChallengeCertificate, type Front } from './front.ts';
import { quietMoment } from './quiet-moment.ts';
import { TlsStartError } from './tls-settings.ts';
import type { OpenServer, OpenServerAt } from '../server.ts';

export interface TlsListener {
  readonly port: number;
  /** New connections meet this certificate from now on. Resolves when none meets another one any more. */
  use(pair: CertificatePair): Promise<void>;
  /** Resolves when every new connection that offers `acme-tls/1` for one of these names is shown what is given. */
  answerChallenges(challenges: ReadonlyMap<string, ChallengeCertificate>): Promise<void>;
  /** The front steps aside, unless it is all that there is. */
  endChallenges(): Promise<void>;
  stop(): Promise<void>;
  kill(): void;
}

export interface TlsListenerOptions {
  readonly host: string;
  readonly port: number;
  /** Undefined: connections are closed until `use` is called. */
  readonly pair: CertificatePair | undefined;
  readonly open: OpenServerAt;
  /** A validation could not be answered, or a server could not be stopped. */
  readonly onDefect: (error: unknown) => void;
  /** Handed in by tests. */
  readonly quiet?: (port: number) => Promise<boolean>;
  /** A predecessor holds the port and will let go of it: it need not be ours alone at the start. */
  readonly portShared?: boolean;
}

interface Stoppable {
  stop(): Promise<void>;
  kill(): void;
}

interface Holder extends Stoppable {
  readonly kind: 'server' | 'front';
  readonly port: number;
  /** Gives a front without a server behind it one. */
  fill(pair: CertificatePair): void;
}

const LOOPBACK = '127.0.0.1';

export async function startTlsListener(options: TlsListenerOptions): Promise<TlsListener> {
  const { host, open, quiet = quietMoment } = options;
  const wanted = options.portShared === true || options.port === 0 ? options.port : ownPort(host, options.port);
  const retiring = new Set<Stoppable>();
  const challenges = new Map<string, ChallengeCertificate>();
  let pair = options.pair;
  /** What holds the port: a server, or a front with perhaps a server behind it. */
  let holder: Holder;
  let ended = false;

  const server = (at: number, served: CertificatePair) => {
    const opened = open({ hostname: host, port: at, tls: { key: served.key, cert: served.cert }, reusePort: true });
    return {
      kind: 'server' as const,
      port: opened.port,
      fill: () => {},
      stop: () => opened.stop(),
      kill: () => opened.kill(),
    };
  };
  const front = async (at: number) => {
    const made: { front?: Front; behind?: OpenServer } = {};
    const fill = (served: CertificatePair) => {
      made.behind ??= open({
        hostname: LOOPBACK,
        port: 0,
        tls: { key: served.key, cert: served.cert },
        reusePort: false,
        clientOf: (source) => made.front?.addressOf(source),
      });
    };
    if (pair !== undefined) fill(pair);
    const behind = () => made.behind?.port;
    const started = await startFront({ host, port: at, behind, challenges, onDefect: options.onDefect });
    made.front = started;
    return {
      kind: 'front' as const,
      port: started.port,
      fill,
      async stop() {
        // What was passed on runs to its end; then nobody speaks to the server behind any more.
        await started.stop();
        await made.behind?.stop();
      },
      kill() {
        started.kill();
        made.behind?.kill();
      },
    };
  };
  const first = pair === undefined ? await front(wanted) : server(wanted, pair);
  holder = first;
  const { port } = first;

  /** The next one has the port already; the last lets go of it when nothing is on its way to it. */
  const replace = async (next: Holder): Promise<void> => {
    if (ended) return next.kill();
    const leaving = holder;
    holder = next;
    retiring.add(leaving);
    await quiet(port);
    if (!ended) leaving.stop().then(() => retiring.delete(leaving), options.onDefect);
  };
  /** One change of the port at a time, in the order of asking. */
  let last: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(change: () => Promise<T>): Promise<T> => {
    const turn = last.then(change, change);
    last = turn.catch(() => {});
    return turn;
  };

  return {
    port,
    use: (next) =>
      inTurn(async () => {
        if (ended) return;
        // Until the front lets go of the port, it is given its share of the connections too.
        holder.fill(next);
        const opened = server(port, next);
        pair = next;
        await replace(opened);
      }),
    answerChallenges: (asked) =>
      inTurn(async () => {
        challenges.clear();
        for (const [name, certificate] of asked) challenges.set(name, certificate);
        if (!ended && holder.kind !== 'front') await replace(await front(port));
      }),
    endChallenges: () =>
      inTurn(async () => {
        challenges.clear();
        if (!ended && holder.kind === 'front' && pair !== undefined) await replace(server(port, pair));
      }),
    async stop() {
      ended = true;
      const all = [holder.stop(), ...[...retiring].map((leaving) => leaving.stop())];
      await Promise.all(all);
    },
    kill() {
      ended = true;
      holder.kill();
      for (const leaving of retiring) leaving.kill();
    },
  };
}

/**
 * Sharing a port would also share it with a stranger's process of the same user, in silence: it must be ours alone
 * when we come. The port itself, for handing on.
 */
function ownPort(host: string, port: number): number {
  try {
    Bun.listen({ hostname: host, port, socket: { data() {} } }).stop(true);
    return port;
  } catch (error) {
    const reason = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
    throw new TlsStartError(
      `cannot listen on port ${port} of ${host} (${reason}); is it in use, or below 1024 and not allowed?`,
      {
        cause: error,
      },
    );
  }
}
