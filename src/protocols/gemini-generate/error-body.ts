// Errors as Gemini's clients expect them: Google's status words, and details by which they decide on a retry. Source:
// Google, "Errors" (AIP-193) and google.rpc.Code.

import { errorTable } from '../../core/errors.ts';
import type { ErrorCode, ErrorDetails } from '../../core/errors.ts';
import type { JsonObject, JsonValue } from '../../plugin/conversation.ts';
import type { UpstreamErrorText } from '../../plugin/conversation-reply.ts';
import type { RenderedError } from '../../plugin/protocol.ts';
import { isObject, listOf, numberOf, objectOf, stringOf } from '../json-fields.ts';

/** Gemini's clients know no `x-should-retry`. They give up at once where they are told to wait this long. */
const waitForMoneySeconds = 86_400;

function statusWord(status: number): string {
  switch (status) {
    case 400:
    case 413:
    case 415:
    case 421:
    case 422:
      return 'INVALID_ARGUMENT';
    case 401:
      return 'UNAUTHENTICATED';
    case 402:
    case 403:
    case 451:
      return 'PERMISSION_DENIED';
    case 404:
      return 'NOT_FOUND';
    case 405:
      return 'UNIMPLEMENTED';
    case 409:
      return 'ABORTED';
    case 426:
    case 428:
    case 508:
      return 'FAILED_PRECONDITION';
    case 429:
      return 'RESOURCE_EXHAUSTED';
    case 499:
      return 'CANCELLED';
    case 502:
    case 503:
    case 529:
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
  return JSON.stringify({
    error: {
      code: status,
      message: details.message,
      status: statusWord(status),
      details: detailsOf(code, details, requestId),
    },
  });
}

function detailsOf(code: ErrorCode, details: ErrorDetails, requestId: string): readonly JsonObject[] {
  const { field, clause, link, message } = details;
  const list: JsonObject[] = [
    {
      '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
      reason: code.toUpperCase(),
      domain: 'tollgate',
      metadata: { code, field, clause, link },
    },
  ];
  if (requestId !== '') list.push({ '@type': 'type.googleapis.com/google.rpc.RequestInfo', requestId });
  if (field !== undefined)
    list.push({
      '@type': 'type.googleapis.com/google.rpc.BadRequest',
      fieldViolations: [{ field, description: message }],
    });
  if (link !== undefined)
    list.push({
      '@type': 'type.googleapis.com/google.rpc.Help',
      links: [{ description: clause === undefined ? 'Read on' : `Clause ${clause}`, url: link }],
    });
  const seconds = waitOf(code, details);
  if (seconds !== undefined)
    list.push({ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: `${seconds}s` });
  return list;
}

function waitOf(code: ErrorCode, { retryAfterSeconds }: ErrorDetails): number | undefined {
  const { status, retry } = errorTable[code];
  if (!retry) return status === 429 ? waitForMoneySeconds : undefined;
  return retryAfterSeconds === undefined ? undefined : Math.max(0, Math.ceil(retryAfterSeconds));
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

export const errorEvent = (code: ErrorCode, details: ErrorDetails, requestId: string): string =>
  `data: ${errorJson(code, details, requestId)}\n\n`;

/** The words of an upstream of another protocol. */
export function renderRefusal(status: number, { message, type, code, param }: UpstreamErrorText): string {
  const metadata = { type, code, field: param };
  const said = Object.values(metadata).some((each) => each !== undefined);
  const info = {
    '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
    reason: 'UPSTREAM_REFUSED',
    domain: 'tollgate',
    metadata,
  };
  return JSON.stringify({
    error: { code: status, message, status: statusWord(status), details: said ? [info] : [] },
  });
}

export function errorWords(value: JsonValue | undefined): UpstreamErrorText {
  if (typeof value === 'string') return { message: value };
  const error = objectOf(value);
  const code = numberOf(error['code']);
  const violation = listOf(error['details'])
    .flatMap((detail) => listOf(objectOf(detail)['fieldViolations']))
    .find(isObject);
  return {
    message: stringOf(error['message']) ?? 'The upstream gave no reason.',
    type: stringOf(error['status']),
    code: code === undefined ? stringOf(error['code']) : String(code),
    param: stringOf(violation?.['field']),
  };
}

/** The words of an error body, which is a list of one where a stream was asked for. */
export function readError(body: JsonValue): UpstreamErrorText | undefined {
  const [first] = Array.isArray(body) ? body : [body];
  const error = objectOf(first)['error'];
  if (typeof error === 'string' && error !== '') return { message: error };
  return isObject(error) && stringOf(error['message']) !== undefined ? errorWords(error) : undefined;
}
