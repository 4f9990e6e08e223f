// What an operator looks at first: the version that runs, whether money can be written, and each upstream's state.
// Names only: neither addresses nor credentials of upstreams are here.

import { Type } from '@sinclair/typebox';
import { Elysia } from 'elysia';
import type { UpstreamHealth } from '../../../domain/upstreams/health.ts';
import { strict, textOf } from '../schemas.ts';

export interface HealthRouteServices {
  readonly version: string;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  /** True while the ledger can write. */
  readonly moneyAvailable: () => boolean;
  /** Resolves when the store answers a trivial read; rejects when it does not. */
  readonly askStore: () => Promise<void>;
  readonly upstreams: Pick<UpstreamHealth, 'states'>;
  /** True once the process was told to stop. */
  readonly shuttingDown: () => boolean;
}

const healthSchema = strict(
  {
    status: Type.Union([Type.Literal('ok'), Type.Literal('degraded'), Type.Literal('shutting-down')]),
    version: Type.String(),
    startedAt: Type.String(),
    money: Type.Union([Type.Literal('available'), Type.Literal('unavailable')]),
    store: Type.Union([Type.Literal('available'), Type.Literal('unavailable')]),
    upstreams: Type.Array(
      strict({
        name: Type.String(),
        state: Type.Union([Type.Literal('open'), Type.Literal('probing'), Type.Literal('ejected')], {
          description: '`ejected`: out of rotation for a while; `probing`: its next request decides.',
        }),
        faultRate: Type.Number({ description: 'Moving average of failed attempts, 0 to 1.' }),
        inFlight: Type.Integer(),
        lastFault: Type.Union([Type.String(), Type.Null()]),
      }),
    ),
  },
  { title: 'Health' },
);

export function healthRoutes(services: HealthRouteServices) {
  return new Elysia({ name: 'admin-health', normalize: false }).get(
    '/health',
    async () => {
      const store = await services.askStore().then(
        () => 'available' as const,
        () => 'unavailable' as const,
      );
      const money = services.moneyAvailable() ? ('available' as const) : ('unavailable' as const);
      const working = store === 'available' && money === 'available';
      return {
        status: services.shuttingDown()
          ? ('shutting-down' as const)
          : working
            ? ('ok' as const)
            : ('degraded' as const),
        version: services.version,
        startedAt: textOf(services.startedAt),
        money,
        store,
        upstreams: services.upstreams.states().map(({ name, health, faultRate, inFlight, lastFault }) => ({
          name,
          state: health,
          faultRate,
          inFlight,
          lastFault: lastFault ?? null,
        })),
      };
    },
    {
      query: strict({}),
      response: { 200: healthSchema },
      detail: {
        tags: ['Health'],
        operationId: 'getHealth',
        summary: 'Version, store, money and upstreams of this process',
      },
    },
  );
}
