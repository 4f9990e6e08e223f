// dispatch: tries the plan in order until one answers. Retries happen here and nowhere else: before the first byte,
// within a budget, with full jitter where the same upstream is asked again.

import type { ErrorDetails, ErrorCode, TollgateError } from '../core/errors.ts';
import { bounds } from '../core/bounds.ts';
import type { Offer } from '../domain/catalog/catalog.ts';
import { startAttempt } from './attempt.ts';
import type { AttemptRecord, AttemptResult } from './attempt-result.ts';
import type { Routed } from './exchange.ts';
import type { Opening } from './running.ts';
import type { PipelineServices } from './services.ts';

/** Longest wait before the same upstream is asked again; the real one is a random part of it. */
const AGAIN_WAIT_MS = 250;
/** Longest wait that a client is told. */
export const RETRY_AFTER_MAX_SECONDS = 300;

type Answer = Extract<AttemptResult, { kind: 'reply' | 'stream' | 'refused' }>;

export interface Answered<A extends Answer = Answer> {
  readonly kind: 'answered';
  readonly answer: A;
  readonly offer: Offer;
  readonly attempts: readonly AttemptRecord[];
}

export type Unanswered =
  | {
      readonly kind: 'failed';
      readonly attempts: readonly AttemptRecord[];
      readonly code: ErrorCode;
      readonly details: ErrorDetails;
    }
  /** `offer`: the one that was being asked; undefined if none was, so that nothing was caused there. */
  | { readonly kind: 'client-left'; readonly attempts: readonly AttemptRecord[]; readonly offer: Offer | undefined };

export type Dispatched = Answered | Unanswered;

export async function dispatch(services: PipelineServices, routed: Routed, opening: Opening): Promise<Dispatched> {
  const attempts: AttemptRecord[] = [];
  services.retryBudget.request();
  let last: Extract<AttemptResult, { kind: 'failed' }> | undefined;
  let unwritable: TollgateError | undefined;
  let offer: Offer | undefined;
  for (let index = 0; index < bounds.attemptsMax; index += 1) {
    const candidate = candidateAt(routed.plan, index);
    if (candidate === undefined) break;
    if (attempts.length > 0 && !mayRetry(services, last, candidate === offer)) continue;
    if (attempts.length === 0 && candidate === offer) break;
    if (candidate === offer) await Bun.sleep(services.chance() * AGAIN_WAIT_MS);
    if (opening.left) break;
    offer = candidate;
    const attempt = startAttempt(services, routed, candidate);
    opening.attempt = attempt;
    const result = await attempt.result;
    opening.attempt = undefined;
    if (result.kind === 'unwritable') {
      unwritable = result.error;
      continue;
    }
    attempts.push(result.record);
    if (result.kind === 'client-left') return { kind: 'client-left', attempts, offer: candidate };
    if (result.kind !== 'failed') return { kind: 'answered', answer: result, offer: candidate, attempts };
    last = result;
  }
  if (!opening.left && last === undefined && unwritable !== undefined)
    return { kind: 'failed', attempts, code: unwritable.code, details: unwritable.details };
  if (opening.left || last === undefined) return { kind: 'client-left', attempts, offer: undefined };
  return { kind: 'failed', attempts, ...failure(last) };
}

/** The plan in its order; where it is a single upstream, that one may be asked twice. */
function candidateAt(plan: readonly Offer[], index: number): Offer | undefined {
  return plan.length === 1 && index === 1 ? plan[0] : plan[index];
}

function mayRetry(
  services: PipelineServices,
  last: Extract<AttemptResult, { kind: 'failed' }> | undefined,
  same: boolean,
): boolean {
  if (last === undefined || last.fault === 'timeout' || last.fault === 'loop') return false;
  if (same && !last.again) return false;
  return services.retryBudget.take();
}

/** What the client hears: never an address, never the upstream's own words about our credential. */
function failure(last: Extract<AttemptResult, { kind: 'failed' }>): { code: ErrorCode; details: ErrorDetails } {
  switch (last.fault) {
    case 'timeout':
      return {
        code: 'upstream_timeout',
        details: { message: 'The upstream did not answer in time. Nothing was charged.' },
      };
    case 'loop':
      return {
        code: 'loop_detected',
        details: {
          message:
            'An upstream of this model points back at a gateway that this request has passed already. Nothing was charged.',
        },
      };
    case 'rate-limit': {
      const seconds = Math.min(RETRY_AFTER_MAX_SECONDS, Math.ceil((last.retryAfterMs ?? 5_000) / 1000));
      return {
        code: 'no_upstream',
        details: {
          message: 'The upstreams of this model are at their limits. Nothing was charged; try again later.',
          retryAfterSeconds: Math.max(1, seconds),
        },
      };
    }
    case 'credential':
    case 'model':
      return {
        code: 'no_upstream',
        details: {
          message: 'No upstream can serve this model at the moment. Nothing was charged.',
          retryAfterSeconds: 60,
        },
      };
    case 'request':
    case 'unavailable':
    case 'transport':
      return {
        code: 'upstream_failed',
        details: { message: 'The upstream failed before it answered. Nothing was charged; try again.' },
      };
  }
}
