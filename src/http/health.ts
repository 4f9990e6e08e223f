// What load balancers and people without a key may ask: does the process live, should it get traffic, is the
// service up. Public, so it names no upstream, no version and no reason.

import { Elysia } from 'elysia';
import { newId } from '../core/ids.ts';
import { dataHeaders, problemResponse } from './problem.ts';

export interface PublicHealthServices {
  /** True while the ledger can write. */
  readonly moneyAvailable: () => boolean;
  /** True once the process was told to stop: no new traffic should come. */
  readonly shuttingDown: () => boolean;
  /** Answers `/metrics`, which is for operators: it would tell everybody which models there are, and how busy. */
  readonly metrics: (request: Request) => Promise<Response>;
}

const reply = (status: 200 | 503, body: Readonly<Record<string, string>>): Response =>
  new Response(JSON.stringify(body), { status, headers: { ...dataHeaders, 'content-type': 'application/json' } });

export function publicHealthRoutes(services: PublicHealthServices) {
  return (
    new Elysia({ name: 'public-health' })
      // Also the end of every path that no face has: the framework's own words would name it.
      .onError(({ code }) =>
        code === 'NOT_FOUND'
          ? problemResponse('not_found', { message: 'There is nothing at this path.' }, newId('req'))
          : problemResponse('internal_error', { message: 'Tollgate failed to serve this request.' }, newId('req')),
      )
      // Lives: answers whatever else is broken, so that nobody restarts a process for the sake of its disk.
      .get('/healthz', () => reply(200, { status: 'ok' }), {
        detail: { tags: ['Health'], summary: 'The process lives' },
      })
      .get(
        '/readyz',
        () => {
          if (services.shuttingDown()) return reply(503, { status: 'shutting-down' });
          return services.moneyAvailable() ? reply(200, { status: 'ok' }) : reply(503, { status: 'money-unavailable' });
        },
        { detail: { tags: ['Health'], summary: 'Send traffic here' } },
      )
      .get('/metrics', ({ request }) => services.metrics(request), {
        detail: { tags: ['Health'], summary: 'Counters and gauges in the text format of Prometheus' },
      })
      .get(
        '/status',
        () => {
          const working = services.moneyAvailable() && !services.shuttingDown();
          return reply(200, { service: 'tollgate', status: working ? 'operational' : 'degraded' });
        },
        { detail: { tags: ['Health'], summary: 'How the service is doing' } },
      )
  );
}
