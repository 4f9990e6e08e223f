// What the ledger throws and logs.

import { TollgateError } from '../../core/errors.ts';
import type { RequestId } from '../../core/ids.ts';

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

export const refused = (code: 'invalid_request' | 'conflict', message: string): TollgateError =>
  new TollgateError(code, { message, field: 'currency' });

export const endedError = (requestId: RequestId): TollgateError =>
  new TollgateError('internal_error', { message: 'The request has ended.', detail: `${requestId} has no open hold` });
