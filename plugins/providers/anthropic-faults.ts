// Whom an Anthropic-shaped failure is to be blamed on. Source: Anthropic, "Errors". Total: never throws.

import type { FaultClass, UpstreamFailure } from 'tollgate/plugin';
import { statedError } from './stated-error.ts';

/** Sentences by which an empty purse comes as a 400. Fields of the request are named in others, by whatever name. */
const outOfMoney =
  /^(?:your|you have|this (?:organization|workspace))\b.*(?:credit balance is too low|\bbilling\b|spend limit|usage limits?\b)/;
const modelUnknown = /\bmodel\b/;

export function classifyAnthropic(failure: UpstreamFailure): FaultClass {
  const { status } = failure;
  const { type, message } = statedError(failure.body);
  if (status >= 500) return 'unavailable';
  if (status === 401 || status === 402 || status === 403) return 'credential';
  if (status === 408 || status === 409 || status === 425 || status === 429) return 'rate-limit';
  if (status === 404) return type === 'not_found_error' && modelUnknown.test(message) ? 'model' : 'request';
  if (status === 407 || status === 421) return 'unavailable';
  if (status >= 400) return outOfMoney.test(message) ? 'credential' : 'request';
  // A success that holds an error.
  switch (type) {
    case 'rate_limit_error':
      return 'rate-limit';
    case 'authentication_error':
    case 'permission_error':
    case 'billing_error':
      return 'credential';
    case 'invalid_request_error':
      return 'request';
    default:
      return 'unavailable';
  }
}
