// Errors of every face but /v1 as problem+json (RFC 9457), always an explicit Response, so that the framework's
// own error bodies, which echo input, are never sent. Public text comes from the closed table's thrower;
// nothing else leaks.

import { errorTable } from '../core/errors.ts';
import type { ErrorCode, ErrorDetails } from '../core/errors.ts';

/** What a problem document holds. Absent members are left out. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly code: ErrorCode;
  readonly detail: string;
  readonly field?: string;
  readonly clause?: string;
  readonly link?: string;
  readonly problems?: ErrorDetails['problems'];
  readonly requestId: string;
}

export const problemContentType = 'application/problem+json';

/** Sent with every reply that holds data: nothing caches it, frames it, sniffs it or learns where it came from. */
export const dataHeaders = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
} as const;

/** `invalid_request` becomes `Invalid request`. */
const titleOf = (code: ErrorCode): string => code.charAt(0).toUpperCase() + code.slice(1).replaceAll('_', ' ');

export function problemOf(code: ErrorCode, details: ErrorDetails, requestId: string): Problem {
  return {
    type: `urn:tollgate:error:${code}`,
    title: titleOf(code),
    status: errorTable[code].status,
    code,
    detail: details.message,
    ...(details.field === undefined ? {} : { field: details.field }),
    ...(details.clause === undefined ? {} : { clause: details.clause }),
    ...(details.link === undefined ? {} : { link: details.link }),
    ...(details.problems === undefined ? {} : { problems: details.problems }),
    requestId,
  };
}

export function problemResponse(
  code: ErrorCode,
  details: ErrorDetails,
  requestId: string,
  extraHeaders: Readonly<Record<string, string>> = {},
): Response {
  const problem = problemOf(code, details, requestId);
  const headers: Record<string, string> = {
    ...dataHeaders,
    'content-type': problemContentType,
    'x-request-id': requestId,
    ...extraHeaders,
  };
  if (problem.status === 401) headers['www-authenticate'] = 'Bearer';
  if (details.retryAfterSeconds !== undefined)
    headers['retry-after'] = String(Math.max(1, Math.ceil(details.retryAfterSeconds)));
  return new Response(JSON.stringify(problem), { status: problem.status, headers });
}
