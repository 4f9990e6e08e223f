// A collector that takes what it is sent and reads it, or behaves as badly as a test asks.

import { readMetrics, readTraces, type ReadPoint, type ReadSpan, type ReadTraces } from './read-protobuf.ts';

export interface FakeCollector {
  readonly url: string;
  readonly traces: readonly ReadTraces[];
  readonly spans: readonly ReadSpan[];
  /** The last of each metric. */
  readonly metrics: ReadonlyMap<string, readonly ReadPoint[]>;
  readonly requests: readonly { readonly path: string; readonly headers: Headers }[];
  /** From here on; undefined: take all. */
  answer: ((request: Request) => Response | Promise<Response>) | undefined;
  stop(): Promise<void>;
}

export function startCollector(): FakeCollector {
  const traces: ReadTraces[] = [];
  const metrics = new Map<string, readonly ReadPoint[]>();
  const requests: { path: string; headers: Headers }[] = [];
  const server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    idleTimeout: 0,
    async fetch(request) {
      const { pathname } = new URL(request.url);
      requests.push({ path: pathname, headers: request.headers });
      if (collector.answer !== undefined) return collector.answer(request);
      const body = await request.bytes();
      if (pathname.endsWith('/v1/traces')) traces.push(readTraces(body));
      else if (pathname.endsWith('/v1/metrics'))
        for (const [name, points] of readMetrics(body)) metrics.set(name, points);
      else return new Response(null, { status: 404 });
      return new Response(null, { status: 200 });
    },
  });
  const collector: FakeCollector = {
    url: `http://127.0.0.1:${server.port}`,
    traces,
    get spans() {
      return traces.flatMap((one) => one.spans);
    },
    metrics,
    requests,
    answer: undefined,
    stop: () => server.stop(true),
  };
  return collector;
}
