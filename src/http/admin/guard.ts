// Who may use an operator's face. The guard is handed to the routes themselves, never matched against a path,
// so that a path which the router reads otherwise than a filter would is still guarded. Every refusal looks
// alike.

import ipaddr from 'ipaddr.js';
import type { Clock } from '../../core/clock.ts';
import { TollgateError } from '../../core/errors.ts';
import { checkKeyFormat, sha256Hex } from '../../core/secrets.ts';
import type { Actor, OperatorScope } from './actor.ts';
import { knownActor, rememberActor } from './actor.ts';

/**
 * Operator keys by the lower-case hex SHA-256 of the whole key, in memory. A revoked or expired key is not
 * found.
 */
export interface OperatorKeys {
  find(sha256: string): { readonly id: string; readonly scopes: readonly OperatorScope[] } | undefined;
}

export interface GuardServices {
  readonly operatorKeys: OperatorKeys;
  readonly clock: Clock;
  /** The client's address after trusted proxies, as the server knows it. */
  readonly addressOf: (request: Request) => string;
}

/** Returns the actor or throws: 400 for several keys, 401 for none or a wrong one, 403 for a missing scope, 429. */
export type Guard = (request: Request, scope: OperatorScope) => Actor;

/** A person who mistypes stays below; a guessing program does not. */
const FAILURES_MAX = 20;
const FAILURE_WINDOW_MS = 60_000;
/** Peers that are counted at a time; the one that failed longest ago is forgotten first. */
const PEERS_MAX = 10_000;

export function createGuard(services: GuardServices): Guard {
  const failures = createFailureCounter(services.clock);
  return (request, scope) => {
    const actor = knownActor(request) ?? identify(services, failures, request);
    if (!opens(actor.scopes, scope)) {
      throw new TollgateError('forbidden', {
        message: `authorization: this operator key does not have the scope \`${scope}\`; use one that has it.`,
        field: 'authorization',
      });
    }
    rememberActor(request, actor);
    return actor;
  };
}

/** Whoever may do everything may look, too. */
const opens = (scopes: readonly OperatorScope[], scope: OperatorScope): boolean =>
  scopes.includes(scope) || scopes.includes('admin');

function identify(services: GuardServices, failures: FailureCounter, request: Request): Actor {
  const key = bearerOf(request.headers);
  // The hash and the look-up are done for every text, so that a refusal takes as long whatever was wrong with it.
  const found = services.operatorKeys.find(sha256Hex(key ?? ''));
  if (key !== undefined && found !== undefined) {
    return { id: found.id, scopes: found.scopes, name: `operator:${found.id}` };
  }
  // A right key is never held up by other people's wrong ones: at 190 bits of chance, counting protects our
  // time and our log, not the key, and refusing right keys would let anybody lock the operator out from behind
  // the same proxy.
  const waitMs = failures.count(services.addressOf(request));
  if (waitMs > 0) {
    throw new TollgateError('rate_limited', {
      message: 'authorization: too many wrong operator keys from your address; wait before you try again.',
      field: 'authorization',
      retryAfterSeconds: waitMs / 1000,
    });
  }
  throw new TollgateError('unauthenticated', { message: refusalOf(key), field: 'authorization' });
}

function refusalOf(key: string | undefined): string {
  if (key === undefined)
    return 'authorization: no operator key was sent; send one as `Authorization: Bearer <operator key>`.';
  if (checkKeyFormat(key) === 'api-key')
    return 'authorization: this is an API key; this address takes an operator key.';
  return 'authorization: this operator key is not valid; check it, or make another one.';
}

/** The server joins a repeated header with a comma, and no key of ours has one. */
function bearerOf(headers: Headers): string | undefined {
  const text = headers.get('authorization');
  if (text === null) return undefined;
  if (text.includes(',')) {
    throw new TollgateError('ambiguous_credentials', {
      message: 'authorization: sent more than once; send one operator key.',
      field: 'authorization',
    });
  }
  return /^bearer +([^\s]+)$/i.exec(text)?.[1];
}

interface FailureCounter {
  /** Counts one failure and returns how long this peer should wait; 0 while it is below the limit. */
  count(address: string): number;
}

function createFailureCounter(clock: Clock): FailureCounter {
  const windows = new Map<string, { readonly endsMs: number; failures: number }>();
  return {
    count(address) {
      const peer = networkOf(address);
      const nowMs = clock.monotonicMs();
      const known = windows.get(peer);
      const window =
        known !== undefined && known.endsMs > nowMs ? known : { endsMs: nowMs + FAILURE_WINDOW_MS, failures: 0 };
      window.failures += 1;
      windows.delete(peer);
      windows.set(peer, window);
      if (windows.size > PEERS_MAX) {
        for (const oldest of windows.keys()) {
          windows.delete(oldest);
          break;
        }
      }
      return window.failures > FAILURES_MAX ? window.endsMs - nowMs : 0;
    },
  };
}

/** One client owns a whole /64 of IPv6: it counts as one peer. */
function networkOf(address: string): string {
  if (!address.includes(':') || !ipaddr.IPv6.isValid(address)) return address;
  const parsed = ipaddr.IPv6.parse(address);
  return parsed.isIPv4MappedAddress() ? parsed.toIPv4Address().toString() : parsed.parts.slice(0, 4).join(':');
}
