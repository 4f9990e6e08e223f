// The shell of the admin API: every route that is handed to it is guarded, bounded, strict and answers errors as
// problem+json. The hooks hang on the routes, before any path is compared; a route that lacks them stops the start.

import { Elysia } from 'elysia';
import type { AnyElysia } from 'elysia';
import { bounds, deadlines } from '../../core/bounds.ts';
import { TollgateError } from '../../core/errors.ts';
import type { IdSource } from '../../core/ids.ts';
import type { Log } from '../../core/log.ts';
import { dataHeaders } from '../problem.ts';
import { createGuard } from './guard.ts';
import type { GuardServices } from './guard.ts';
import { createErrorReply } from './error-reply.ts';
import { idempotencyHooks } from './idempotency-hooks.ts';
import { rememberInput } from './idempotency.ts';
import type { IdempotencyStore } from './idempotency.ts';
import { readJsonBody } from './json-body.ts';
import { listRoutes } from './route-inventory.ts';

export const adminPrefix = '/admin/v1';

export interface AdminServices extends GuardServices {
  readonly newId: IdSource;
  readonly log: Log;
  readonly idempotency: IdempotencyStore;
}

export interface AdminAppOptions {
  /** Each an Elysia app whose paths are relative to `/admin/v1`. */
  readonly routes: readonly AnyElysia[];
  readonly services: AdminServices;
}

/**
 * The whole admin API below `/admin/v1`, to be used through `handle`. No CORS headers: only our own console
 * calls it.
 */
export function adminApp({ routes, services }: AdminAppOptions): AnyElysia {
  const guard = createGuard(services);
  const requestIds = new WeakMap<Request, string>();
  const requestIdOf = (request: Request): string => {
    const known = requestIds.get(request);
    if (known !== undefined) return known;
    const made = services.newId('req');
    requestIds.set(request, made);
    return made;
  };
  const idempotency = idempotencyHooks(services.idempotency);
  const errorReply = createErrorReply({
    log: services.log,
    requestIdOf,
    allowedMethods: (path) => allowedMethods(app, path),
  });

  const authorise = ({
    request,
    set,
  }: {
    readonly request: Request;
    readonly set: { headers: Record<string, unknown> };
  }): void => {
    guard(request, scopeFor(request));
    refuseRepeatedQuery(request.url);
    Object.assign(set.headers, dataHeaders, { 'x-request-id': requestIdOf(request) });
  };
  // Bodies are read before any other hook runs, so the guard is asked there first: strangers' bodies stay unread.
  const parse = async ({ request }: { readonly request: Request }): Promise<unknown> => {
    guard(request, scopeFor(request));
    const body = await readJsonBody(request, { bytesMax: bounds.adminBodyBytes, timeoutMs: deadlines.requestBodyMs });
    rememberInput(request, body.bytes);
    return body.value;
  };

  const app: AnyElysia = new Elysia({ name: 'admin', prefix: adminPrefix, normalize: false, strictPath: true })
    .onParse(parse)
    .onTransform(authorise)
    .onBeforeHandle(
      async ({ request, route }) => await idempotency.before(request, ownsItsKeys(app, request.method, route)),
    )
    .mapResponse(async ({ request, responseValue, set }) => await idempotency.after(request, responseValue, set))
    .onError(async ({ request, error, code, path }) => {
      await idempotency.failed(request, error);
      return errorReply(request, error, String(code), path);
    });
  for (const group of routes) app.use(group);
  refuseUnguarded(app, authorise);
  return app;
}

/** By the method alone: no GET of the admin API changes anything. */
const scopeFor = ({ method }: Request) => (method === 'GET' || method === 'HEAD' ? 'read' : 'admin');

/** Of two values for one name, readers take the first or the last: neither is taken here. */
function refuseRepeatedQuery(url: string): void {
  const start = url.indexOf('?');
  if (start < 0) return;
  const names = [...new URLSearchParams(url.slice(start)).keys()];
  if (new Set(names).size === names.length) return;
  throw new TollgateError('invalid_request', { message: 'The query names a field twice; name each once.' });
}

/** What cannot be guarded fails closed, at the start: it would be served to anybody. */
function refuseUnguarded(app: AnyElysia, authorise: unknown): void {
  if ((app.event.request ?? []).length > 0) {
    throw new Error(
      'a resource of the admin API has an onRequest hook: it would run, and could answer, before the guard',
    );
  }
  for (const { method, path, hooks } of app.routes) {
    const transforms: unknown = Reflect.get(hooks, 'transform');
    const guarded = Array.isArray(transforms) && transforms.some((hook: unknown) => hookFunction(hook) === authorise);
    if (!guarded || method === 'WS') throw new Error(`${method} ${path} cannot be guarded by the admin shell`);
  }
}

const hookFunction = (hook: unknown): unknown =>
  typeof hook === 'object' && hook !== null && 'fn' in hook ? hook.fn : hook;

function allowedMethods(app: AnyElysia, path: string): readonly string[] {
  const methods = listRoutes(app)
    .filter((route) => route.matches(path))
    .map((route) => route.method);
  return methods.includes('GET') ? [...methods, 'HEAD'] : methods;
}

/** Routes whose service keeps idempotency keys itself, durably, say so: `detail: { 'x-idempotency': 'own' }`. */
function ownsItsKeys(app: AnyElysia, method: string, path: string): boolean {
  return listRoutes(app).some(
    (route) => route.method === method && route.path === path && route.detail['x-idempotency'] === 'own',
  );
}
