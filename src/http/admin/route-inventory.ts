// All routes of an app, as data: for the `allow` header of a wrong method, for what a route declares about
// itself, and for the test that calls each of them without a right to.

import type { AnyElysia } from 'elysia';

export interface RouteEntry {
  readonly method: string;
  /** As declared: `/admin/v1/accounts/:id`. */
  readonly path: string;
  /** What the route's `detail` says. */
  readonly detail: Readonly<Record<string, unknown>>;
  /** True for a path that this route's pattern covers. */
  matches(path: string): boolean;
}

const inventories = new WeakMap<AnyElysia, { readonly count: number; readonly routes: readonly RouteEntry[] }>();

export function listRoutes(app: AnyElysia): readonly RouteEntry[] {
  const known = inventories.get(app);
  if (known !== undefined && known.count === app.routes.length) return known.routes;
  const routes = app.routes.map(({ method, path, hooks }): RouteEntry => {
    const detail: unknown = typeof hooks === 'object' && hooks !== null ? Reflect.get(hooks, 'detail') : undefined;
    const segments = path.split('/');
    return {
      method,
      path,
      detail: typeof detail === 'object' && detail !== null ? { ...detail } : {},
      matches: (asked) => covers(segments, asked.split('/')),
    };
  });
  inventories.set(app, { count: app.routes.length, routes });
  return routes;
}

function covers(segments: readonly string[], asked: readonly string[]): boolean {
  return (
    segments.length === asked.length &&
    segments.every((segment, index) => segment === asked[index] || (segment.startsWith(':') && asked[index] !== ''))
  );
}
