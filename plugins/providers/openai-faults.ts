// Whom an OpenAI-shaped failure is to be blamed on. The status decides; the error's own code overrides it
// where a vendor says more than the status does (an empty purse comes as 429, an unknown model as 404 or
// 400). Total: never throws.

import type { FaultClass, UpstreamFailure } from 'tollgate/plugin';
import { statedError } from './stated-error.ts';
import type { StatedError } from './stated-error.ts';

/** The credential is dead or out of money, whatever the status. */
const credentialCodes = new Set([
  'insufficient_quota',
  'billing_hard_limit_reached',
  'billing_not_active',
  'insufficient_balance',
  // Moonshot's, and Alibaba's.
  'exceeded_current_quota_error',
  'arrearage',
  'invalid_api_key',
  'account_deactivated',
  'organization_deactivated',
]);

const modelCodes = new Set(['model_not_found', 'model_not_available', 'unknown_model', 'deploymentnotfound']);

/** For bodies without a code: words by which vendors say that they do not know the model. */
const modelUnknown = [
  /\bmodels?\b[^\n]{0,300}?\b(?:not (?:be )?found|(?:does )?not exist|unknown|not supported|not available)\b/,
  /\b(?:unknown|no such|invalid) model\b/,
];

/**
 * A 403 that is about what stands in the request: a prompt that was flagged (xAI, OpenRouter), or too long (Together).
 * Taken for a dead credential it would take the upstream from everybody.
 */
const contentRefused = /usage guidelines|\bflagged\b|requires moderation|context length/;

/** A 400 by which nothing else can be meant: who asks could not bring it about by what stands in the request. */
const keyRefused = /^incorrect api key provided\b/;
const modelRefused = /^model [^\s]{1,200} is not supported\b/;

function classifyStatus(status: number, stated: StatedError): FaultClass {
  if (status === 403 && contentRefused.test(stated.message)) return 'request';
  if (status === 401 || status === 402 || status === 403) return 'credential';
  if (status === 408 || status === 409 || status === 425 || status === 429) return 'rate-limit';
  if (status === 404) return modelUnknown.some((words) => words.test(stated.message)) ? 'model' : 'request';
  if (status === 407 || status === 421) return 'unavailable'; // a proxy or a wrong host between us and the vendor
  if (status === 400 && keyRefused.test(stated.message)) return 'credential';
  if (status === 400 && modelRefused.test(stated.message)) return 'model';
  return status >= 400 && status <= 499 ? 'request' : 'unavailable';
}

/**
 * A reply that says 2xx and holds an error: the code may be a status (OpenRouter), the type is the next best.
 */
function classifyErrorInSuccess(stated: StatedError): FaultClass {
  const status = /^[45]\d\d$/.test(stated.code) ? Number(stated.code) : undefined;
  if (status !== undefined) return classifyStatus(status, stated);
  if (stated.type.startsWith('rate_limit') || stated.code.startsWith('rate_limit')) return 'rate-limit';
  if (stated.type === 'authentication_error' || stated.type === 'permission_error') return 'credential';
  if (stated.type === 'invalid_request_error') return 'request';
  return 'unavailable';
}

export function classifyOpenAi(failure: UpstreamFailure): FaultClass {
  const { status } = failure;
  const stated = statedError(failure.body);
  if (status >= 500) return 'unavailable'; // a broken upstream's word on the credential is not taken
  if (credentialCodes.has(stated.code) || credentialCodes.has(stated.type)) return 'credential';
  if (modelCodes.has(stated.code) || modelCodes.has(stated.type)) return 'model';
  return status >= 200 && status <= 299 ? classifyErrorInSuccess(stated) : classifyStatus(status, stated);
}
