// The terms face as a whole: the routes, and errors as problem+json with nothing in them that was sent.

import { Elysia } from 'elysia';
import type { AnyElysia } from 'elysia';
import { TollgateError } from '../../core/errors.ts';
import type { IdSource } from '../../core/ids.ts';
import type { Log } from '../../core/log.ts';
import { createErrorReply } from '../admin/error-reply.ts';
import { listRoutes } from '../admin/route-inventory.ts';
import { dataHeaders } from '../problem.ts';
import { termsRoutes, type TermsRouteServices } from './routes.ts';

export interface TermsAppServices extends TermsRouteServices {
  readonly newId: IdSource;
  readonly log: Log;
  /** Absolute form of a path on this gateway, by the configured public address. */
  absolute(path: string): string;
}

/** To be used through `handle`. */
export function termsApp(services: TermsAppServices): AnyElysia {
  const requestIds = new WeakMap<Request, string>();
  const requestIdOf = (request: Request): string => {
    const known = requestIds.get(request) ?? services.newId('req');
    requestIds.set(request, known);
    return known;
  };
  const errorReply = createErrorReply({
    log: services.log,
    requestIdOf,
    allowedMethods: (path) =>
      listRoutes(app)
        .filter((route) => route.matches(path))
        .map((route) => route.method),
  });
  const withAbsoluteLink = (error: unknown): unknown =>
    error instanceof TollgateError && error.details.link?.startsWith('/') === true
      ? new TollgateError(error.code, { ...error.details, link: services.absolute(error.details.link) })
      : error;
  const app: AnyElysia = new Elysia({ name: 'terms-face', normalize: false, strictPath: true })
    .onTransform(({ request, set }) => {
      Object.assign(set.headers, dataHeaders, { 'x-request-id': requestIdOf(request) });
    })
    .onError(({ request, error, code, path }) =>
      errorReply(request, withAbsoluteLink(error), String(code), path),
    )
    .use(termsRoutes(services));
  return app;
}
