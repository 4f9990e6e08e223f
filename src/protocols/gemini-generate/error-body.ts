// Errors of ours as Gemini's clients expect them: a status word of google.rpc beside the number, and what is ours in an
// ErrorInfo. Source: google.rpc.Code, google.rpc.ErrorInfo.

import { errorTable } from '../../core/errors.ts';
import type { ErrorCode, ErrorDetails } from '../../core/errors.ts';
import type { UpstreamErrorText } from '../../plugin/conversation-reply.ts';
import type { RenderedError } from '../../plugin/protocol.ts';

function word(status: number): string {
  switch (status) {
    case 401:
      return 'UNAUTHENTICATED';
    case 402:
    case 403:
    case 428:
    case 451:
      return 'PERMISSION_DENIED';
    case 404:
      return 'NOT_FOUND';
    case 409:
      return 'ABORTED';
    case 429:
      return 'RESOURCE_EXHAUSTED';
    case 499:
      return 'CANCELLED';
    case 503:
      return 'UNAVAILABLE';
    case 504:
      return 'DEADLINE_EXCEEDED';
    default:
      return status >= 500 ? 'INTERNAL' : 'INVALID_ARGUMENT';
  }
}

/** `detail` stays out: it is for the log. */
export function errorJson(code: ErrorCode, details: ErrorDetails, requestId: string): string {
  const { status } = errorTable[code];
  const { message, field, clause, link } = details;
  const metadata = { code, field, clause, link, requestId: requestId === '' ? undefined : requestId };
  const info = { '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason: code.toUpperCase(), metadata };
  return JSON.stringify({ error: { code: status, message, status: word(status), details: [info] } });
}

export function renderError(code: ErrorCode, details: ErrorDetails, requestId: string): RenderedError {
  const { status, retry } = errorTable[code];
  const headers: [string, string][] = [['content-type', 'application/json']];
  if (retry && details.retryAfterSeconds !== undefined) {
    headers.push(['retry-after', String(Math.max(0, Math.ceil(details.retryAfterSeconds)))]);
  }
  // Clients retry every 429 unless told not to; waiting does not bring money back.
  if (!retry && status === 429) headers.push(['x-should-retry', 'false']);
  return { status, headers, body: errorJson(code, details, requestId) };
}

export const renderRefusal = (status: number, { message, type }: UpstreamErrorText): string =>
  JSON.stringify({
    error: { code: status, message, status: type !== undefined && /^[A-Z_]+$/.test(type) ? type : word(status) },
  });
