// Whom a Gemini-shaped failure is to be blamed on. Source: Gemini API, "Troubleshooting", and google.rpc.Code. Total:
// never throws.

import type { FaultClass, UpstreamFailure } from 'tollgate/plugin';
import { statedError } from './stated-error.ts';

/** Sentences before anything is quoted: names and values of the request are repeated, and may be any words. */
const keyDead =
  /^(?:api key (?:not valid|not found|expired|invalid)|[^"'`]*\b(?:(?:enable|requires) billing|billing (?:is )?(?:not enabled|disabled))\b)/;
const modelUnknown = /\bmodels?\/|is not found for api version|\bmodel\b/;

export function classifyGemini(failure: UpstreamFailure): FaultClass {
  const { status } = failure;
  const { code, type, message } = statedError(failure.body);
  if (status >= 500) return 'unavailable';
  if (status === 401 || status === 402 || status === 403) return 'credential';
  if (status === 408 || status === 409 || status === 425 || status === 429) return 'rate-limit';
  if (status === 404) return modelUnknown.test(message) ? 'model' : 'request';
  if (status === 407 || status === 421) return 'unavailable';
  // A dead key comes as a 400.
  if (status >= 400) return keyDead.test(message) ? 'credential' : 'request';
  if (type === 'resource_exhausted' || code === '429') return 'rate-limit';
  if (type === 'unauthenticated' || type === 'permission_denied') return 'credential';
  return type === 'invalid_argument' ? 'request' : 'unavailable';
}
