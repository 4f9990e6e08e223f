// Errors of ours as Anthropic's clients expect them. Source: Anthropic, "Errors".

import { errorTable } from '../../core/errors.ts';
import type { ErrorCode, ErrorDetails } from '../../core/errors.ts';
import type { UpstreamErrorText } from '../../plugin/conversation-reply.ts';
import type { RenderedError } from '../../plugin/protocol.ts';

const typeOf = (status: number, own: string): string => {
  switch (status) {
    case 400:
    case 415:
    case 422:
      return 'invalid_request_error';
    case 401:
      return 'authentication_error';
    case 402:
      return 'billing_error';
    case 403:
    case 451:
    case 428:
      return 'permission_error';
    case 404:
      return 'not_found_error';
    case 413:
      return 'request_too_large';
    case 429:
      return own === 'insufficient_quota' ? 'billing_error' : 'rate_limit_error';
    case 503:
    case 529:
      return 'overloaded_error';
    case 504:
      return 'timeout_error';
    default:
      return status >= 500 ? 'api_error' : 'invalid_request_error';
  }
};

/** `code` and what goes with it are ours; its clients pass over what they do not know. `detail` is for the log. */
export function errorJson(code: ErrorCode, details: ErrorDetails, requestId: string): string {
  const { status, type } = errorTable[code];
  const { message, field, clause, link } = details;
  return JSON.stringify({
    type: 'error',
    error: { type: typeOf(status, type), message, code, param: field, clause, link },
    request_id: requestId === '' ? null : requestId,
  });
}

/** Clients take it for the end of the stream. */
export const errorEvent = (code: ErrorCode, details: ErrorDetails, requestId: string): string =>
  `event: error\ndata: ${errorJson(code, details, requestId)}\n\n`;

export function renderError(code: ErrorCode, details: ErrorDetails, requestId: string): RenderedError {
  const { status, retry } = errorTable[code];
  const headers: [string, string][] = [
    ['content-type', 'application/json'],
    ['request-id', requestId],
  ];
  if (retry && details.retryAfterSeconds !== undefined) {
    headers.push(['retry-after', String(Math.max(0, Math.ceil(details.retryAfterSeconds)))]);
  }
  // Clients retry every 429 unless told not to; waiting does not bring money back.
  if (!retry && status === 429) headers.push(['x-should-retry', 'false']);
  return { status, headers, body: errorJson(code, details, requestId) };
}

export const renderRefusal = (status: number, { message, code }: UpstreamErrorText, requestId: string): string =>
  JSON.stringify({ type: 'error', error: { type: typeOf(status, ''), message, code }, request_id: requestId });
