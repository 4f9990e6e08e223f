// An error inside a stream of responses: an event of its own form. Source: OpenAI API reference, "Streaming events".

import { errorTable } from '../../core/errors.ts';
import type { ErrorCode, ErrorDetails } from '../../core/errors.ts';
import type { JsonObject } from '../../plugin/conversation.ts';

/**
 * The words stand twice: as OpenAI describes the event, and in a member `error`, by which its own clients, and others,
 * tell an error from an event that they may pass over.
 */
export function streamErrorEvent(code: ErrorCode, details: ErrorDetails, sequence: number): string {
  const { message, field, clause, link } = details;
  const param = field ?? null;
  const error = { type: errorTable[code].type, code, message, param, clause, link };
  const body = { type: 'error', code, message, param, sequence_number: sequence, error };
  return `event: error\ndata: ${JSON.stringify(body)}\n\n`;
}

/** What a response says that failed: in words out of OpenAI's list, by which agents decide on a retry. */
export function failureOf(code: ErrorCode, { message }: ErrorDetails): JsonObject {
  switch (code) {
    case 'rate_limited':
    case 'concurrency_limited':
      return { code: 'rate_limit_exceeded', message };
    case 'budget_exhausted':
    case 'insufficient_balance':
      return { code: 'insufficient_quota', message };
    default:
      return { code: 'server_error', message };
  }
}
