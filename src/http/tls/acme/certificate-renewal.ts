// Keeps one certificate from an authority in force: the stored one at the start, a new one when a third of its life is
// left or the names changed, and after failures again, ever more slowly. Each try is written down before it is made.

import type { Chance, Clock, EpochMs } from '../../../core/clock.ts';
import type { Log } from '../../../core/log.ts';
import { readPair, type CertificatePair } from '../certificate-pair.ts';
import { oneLine, waitMs, type AcmeRefusal } from './acme-refusal.ts';
import { backoffMs, renewAt } from './acme-schedule.ts';
import { sameOrder, type AcmeOrderFor, type AcmeStore } from './acme-store.ts';

export interface IssueResult {
  readonly cert: string;
  readonly key: string;
}

/** One try at the authority. `refused` is its last "no", if it said one. */
export interface IssueTry {
  run(): Promise<IssueResult>;
  readonly refused: AcmeRefusal | undefined;
}

export interface RenewalOptions extends AcmeOrderFor {
  readonly store: AcmeStore;
  readonly clock: Clock;
  readonly chance: Chance;
  readonly log: Log;
  /** Told the private key that is live from now on. */
  readonly guardSecret: (secret: string) => void;
  /** Prepares a try; loads what a try needs. */
  readonly issue: () => Promise<IssueTry>;
  readonly use: (pair: CertificatePair) => Promise<void>;
}

export interface CertificateRenewal {
  /** The stored certificate, if it can be served. */
  readonly first: CertificatePair | undefined;
  /** When the authority is asked next. */
  readonly dueAt: EpochMs;
  /**
   * Asks the authority if it is time; true if it did. To be called often: a try that runs is not joined by a second.
   */
  tick(): Promise<boolean>;
}

export function openRenewal(options: RenewalOptions): CertificateRenewal {
  const { store, clock, chance, log, directory, domains } = options;
  const order = { directory, domains };
  const stored = store.certificate();
  if (stored !== undefined) options.guardSecret(stored.key);
  const reading = stored === undefined ? undefined : readPair(stored.cert, stored.key, clock.now());
  if (reading?.ok === false) log.warn('acme', { message: `the stored certificate ${reading.problem}` });
  const first = reading?.ok === true ? reading.pair : undefined;
  let failures = 0;
  let dueAt = first !== undefined && sameOrder(stored, order) ? renewAt(first, chance) : clock.now();
  const earlier = store.tries();
  if (earlier !== undefined && sameOrder(earlier, order)) {
    failures = earlier.failures;
    // A clock that was wrong for an hour must not put the next try off for years.
    dueAt = Math.max(dueAt, Math.min(earlier.nextTryAt, clock.now() + backoffMs(failures, WAIT_BELIEVED_MS, () => 1)));
  }
  let running = false;
  /** Issued and not served yet: tried at every tick, and said once. */
  let unserved: CertificatePair | undefined;
  let complaint: string | undefined;

  const failed = (error: unknown, refused: AcmeRefusal | undefined) => {
    const asked = waitMs(refused?.retryAfter, clock.now());
    dueAt = clock.now() + backoffMs(failures, asked, chance);
    store.saveTries({ ...order, failures, nextTryAt: dueAt });
    log.warn('acme', {
      message: `no certificate yet: ${oneLine(error instanceof Error ? error.message : String(error))}`,
      ...(refused === undefined ? {} : { refused: `${refused.type} (${refused.status}): ${refused.detail}` }),
      domains: domains.join(','),
      failures,
      nextTry: new Date(dueAt).toISOString(),
    });
  };

  const attempt = async (): Promise<void> => {
    failures += 1;
    // Counted before it is made: a process that dies of it does not repeat it at once.
    dueAt = clock.now() + backoffMs(failures, 0, chance);
    store.saveTries({ ...order, failures, nextTryAt: dueAt });
    let tried: IssueTry | undefined;
    let served: CertificatePair | undefined;
    try {
      tried = await options.issue();
      const issued = await tried.run();
      const read = readPair(issued.cert, issued.key, clock.now());
      if (!read.ok) throw new Error(`the certificate that was issued ${read.problem}`);
      options.guardSecret(issued.key);
      store.saveCertificate({ ...order, cert: issued.cert, key: issued.key });
      store.clearTries();
      failures = 0;
      dueAt = renewAt(read.pair, chance);
      log.info('acme', {
        message: 'a new certificate is here',
        domains: domains.join(','),
        until: new Date(read.pair.notAfter).toISOString(),
        renewal: new Date(dueAt).toISOString(),
      });
      served = read.pair;
    } catch (error) {
      failed(error, tried?.refused);
    }
    if (served === undefined) return;
    // What cannot be served now is stored all the same: asking for another one would change nothing.
    complaint = undefined;
    await serve(served);
  };
  const serve = async (pair: CertificatePair): Promise<void> => {
    unserved = pair;
    try {
      await options.use(pair);
      unserved = undefined;
    } catch (error) {
      const message = oneLine(`it cannot be served: ${String(error)}`);
      if (complaint !== message) log.error('acme', { message });
      complaint = message;
    }
  };

  return {
    first,
    get dueAt() {
      return dueAt;
    },
    async tick() {
      if (running) return false;
      running = true;
      try {
        if (clock.now() < dueAt) {
          if (unserved !== undefined) await serve(unserved);
          return false;
        }
        await attempt();
        return true;
      } finally {
        running = false;
      }
    },
  };
}

/** The longest wait that a stored try is believed: what an authority may ask for. */
const WAIT_BELIEVED_MS = 7 * 86_400_000;
