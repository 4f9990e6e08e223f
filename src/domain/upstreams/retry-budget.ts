// Retries are a share of requests, so that a storm of faults is not amplified: at most 20 % over the last ten seconds,
// and always a few, so that a quiet gateway may retry too.

import type { Clock } from '../../core/clock.ts';
import { bounds } from '../../core/bounds.ts';

const WINDOW_MS = 10_000;
const ALWAYS_ALLOWED = 10;

export interface RetryBudget {
  request(): void;
  /** Takes one retry if the budget has it. */
  take(): boolean;
}

export function createRetryBudget(clock: Clock): RetryBudget {
  let windowStartMs = clock.monotonicMs();
  let requests = 0;
  let retries = 0;
  let requestsBefore = 0;
  const roll = () => {
    const passedMs = clock.monotonicMs() - windowStartMs;
    if (passedMs < WINDOW_MS) return;
    requestsBefore = passedMs < 2 * WINDOW_MS ? requests : 0;
    requests = 0;
    retries = 0;
    windowStartMs += Math.floor(passedMs / WINDOW_MS) * WINDOW_MS;
  };
  return {
    request() {
      requests += 1;
    },
    take() {
      roll();
      const allowed = ALWAYS_ALLOWED + ((requests + requestsBefore) * bounds.retryBudgetPerMille) / 1000;
      if (retries >= allowed) return false;
      retries += 1;
      return true;
    },
  };
}
