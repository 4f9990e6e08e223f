// An error inside a stream of responses: an event of its own form. Source: OpenAI API reference, "Streaming events".

import type { ErrorCode, ErrorDetails } from '../../core/errors.ts';

export const streamErrorJson = (code: ErrorCode, { message, field }: ErrorDetails, sequence: number): string =>
  JSON.stringify({ type: 'error', code, message, param: field ?? null, sequence_number: sequence });
