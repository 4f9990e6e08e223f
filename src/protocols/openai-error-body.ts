// Errors of ours as OpenAI's clients expect them: their body, their types, and the headers by which they
// decide on a retry.

import { errorTable } from '../core/errors.ts';
import type { ErrorCode, ErrorDetails } from '../core/errors.ts';
import type { UpstreamErrorText } from '../plugin/conversation-reply.ts';
import type { RenderedError } from '../plugin/protocol.ts';

const encoder = new TextEncoder();

/** `detail` stays out: it is for the log. */
function errorObject(code: ErrorCode, details: ErrorDetails): string {
  const { message, field, clause, link } = details;
  return JSON.stringify({
    error: { message, type: errorTable[code].type, param: field ?? null, code, clause, link },
  });
}

export function renderOpenAiError(code: ErrorCode, details: ErrorDetails): RenderedError {
  const { status, retry } = errorTable[code];
  const headers: [string, string][] = [['content-type', 'application/json']];
  if (retry && details.retryAfterSeconds !== undefined) {
    headers.push(['retry-after', String(Math.max(0, Math.ceil(details.retryAfterSeconds)))]);
  }
  // Clients retry every 429 unless told not to; waiting does not bring money back.
  if (!retry && status === 429) headers.push(['x-should-retry', 'false']);
  return { status, headers, body: errorObject(code, details) };
}

/** One event; clients take the `error` member for the end of the stream. */
export const openAiErrorEvent = (code: ErrorCode, details: ErrorDetails): string =>
  `data: ${errorObject(code, details)}\n\n`;

export const renderOpenAiStreamError = (code: ErrorCode, details: ErrorDetails): Uint8Array =>
  encoder.encode(openAiErrorEvent(code, details));

/** The words of an upstream of another protocol. */
export function renderOpenAiRefusal(status: number, { message, type, code, param }: UpstreamErrorText): string {
  const kind = type ?? (status === 404 ? 'not_found_error' : 'invalid_request_error');
  return JSON.stringify({ error: { message, type: kind, param: param ?? null, code: code ?? null } });
}
