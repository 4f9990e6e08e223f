// The one place where the admin API turns a failure into an answer. Known refusals say what they are;
// everything else says only that it failed, with the id under which the log tells why. No value that was sent
// is ever repeated.

import { NotFoundError, ParseError, ValidationError } from 'elysia';
import { TollgateError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import { problemResponse } from '../problem.ts';
import { validationDetails } from './validation-problem.ts';

export interface ErrorReplyServices {
  readonly log: Log;
  readonly requestIdOf: (request: Request) => string;
  /** Methods that some route takes at this path. */
  readonly allowedMethods: (path: string) => readonly string[];
}

export type ErrorReply = (request: Request, error: unknown, code: string, path: string) => Response;

export function createErrorReply({ log, requestIdOf, allowedMethods }: ErrorReplyServices): ErrorReply {
  const refuse = (error: TollgateError, requestId: string): Response => {
    if (error.details.detail !== undefined)
      log.warn('admin_refused', { requestId, code: error.code, detail: error.details.detail });
    return problemResponse(error.code, error.details, requestId);
  };
  const fail = (error: unknown, requestId: string): Response => {
    log.error('admin_failed', {
      requestId,
      error: error instanceof Error ? (error.stack ?? error.message) : typeof error,
    });
    return problemResponse(
      'internal_error',
      {
        message: `The gateway failed on this request; its log says why under request id ${requestId}.`,
      },
      requestId,
    );
  };
  return (request, error, _code, path) => {
    const requestId = requestIdOf(request);
    if (error instanceof TollgateError) return refuse(error, requestId);
    if (error instanceof ParseError) {
      if (error.cause instanceof TollgateError) return refuse(error.cause, requestId);
      return problemResponse(
        'invalid_request',
        { message: 'The body could not be read as JSON; send it again.' },
        requestId,
      );
    }
    if (error instanceof ValidationError) {
      // A reply that does not fit its own schema may hold what nobody should see: it is a defect, and stays here.
      if (error.type === 'response') {
        return fail(
          new Error(
            `the reply does not fit its schema at ${error.valueError?.path ?? '?'}: ${error.valueError?.message ?? ''}`,
          ),
          requestId,
        );
      }
      return problemResponse('invalid_request', validationDetails(error.type, error.valueError), requestId);
    }
    if (error instanceof NotFoundError) {
      const allowed = allowedMethods(path);
      if (allowed.length === 0)
        return problemResponse('not_found', { message: 'There is nothing at this path; see /admin/docs.' }, requestId);
      const allow = [...new Set(allowed)].join(', ');
      return problemResponse('method_not_allowed', { message: `This path takes ${allow}.` }, requestId, { allow });
    }
    return fail(error, requestId);
  };
}
