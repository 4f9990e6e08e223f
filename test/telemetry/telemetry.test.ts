// A gateway that tells a collector of its requests: what the spans and metrics say, what they never say, and that no
// collector, however it behaves, makes a request wait or fail.

import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { join } from 'node:path';
import { startSimulator, type Simulator, type SimulatorRequest } from '../../src/simulator/server.ts';
import { simulatorModel, startTestGateway, testConfig, type TestGateway } from '../support/gateway.ts';
import { eventually } from '../pipeline/stage.ts';
import { startCollector, type FakeCollector } from './fake-collector.ts';
import type { ReadSpan } from './read-protobuf.ts';

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const parentSpanId = '00f067aa0ba902b7';
const traceparent = `00-${traceId}-${parentSpanId}-01`;
const PROMPT = 'a-prompt-that-stays-here';
const SECRET_HEADER = 'collector-secret-0123456789';

interface Stage {
  readonly gateway: TestGateway;
  readonly collector: FakeCollector;
  readonly seen: readonly SimulatorRequest[];
  /** Spans of requests so far; waits for so many. */
  spans(count: number): Promise<readonly ReadSpan[]>;
  chat(model: string, headers?: Record<string, string>, more?: object): Promise<Response>;
  stop(): Promise<void>;
}

async function startStage(environment: Record<string, string> = {}, argv: readonly string[] = []): Promise<Stage> {
  const collector = startCollector();
  const seen: SimulatorRequest[] = [];
  const simulator: Simulator = startSimulator({ faults: true, observe: (request) => void seen.push(request) });
  const gateway = await startTestGateway({
    config: testConfig({
      upstreams: ['first', 'second'].map((name, index) => ({
        name,
        priority: index + 1,
        provider: 'simulator',
        baseUrl: simulator.url,
        addresses: 'any' as const,
      })),
      models: ['sim/echo', 'sim/fast', 'sim/u02'].map((name) =>
        simulatorModel(name, { offers: [{ upstream: 'first' }, { upstream: 'second' }] }),
      ),
    }),
    environment: {
      OTEL_EXPORTER_OTLP_HEADERS: `x-collector=${SECRET_HEADER}`,
      OTEL_BSP_SCHEDULE_DELAY: '10',
      OTEL_METRIC_EXPORT_INTERVAL: '1000',
      ...environment,
    },
    argv: ['--otlp', collector.url, ...argv],
  });
  return {
    gateway,
    collector,
    seen,
    async spans(count) {
      await eventually(`${count} spans`, () => collector.spans.length >= count);
      return collector.spans;
    },
    chat: (model, headers = {}, more = {}) =>
      gateway.client('/chat/completions', { model, messages: [{ role: 'user', content: PROMPT }], ...more }, headers),
    async stop() {
      collector.answer = undefined;
      await gateway.stop();
      await collector.stop();
      simulator.close();
    },
  };
}

describe('spans', () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await startStage();
  });
  afterAll(() => stage.stop());

  test('of a call: a server span below the client, a client span below that', async () => {
    const before = Date.now();
    const response = await stage.chat('sim/fast', { traceparent });
    expect(response.status).toBe(200);
    const [server, client, ...others] = await stage.spans(2);
    expect(others).toEqual([]);
    expect(stage.collector.traces[0]).toMatchObject({
      resource: { 'service.name': 'tollgate', 'service.version': expect.any(String) },
      scope: 'tollgate',
    });
    expect(server).toMatchObject({ traceId, parentSpanId, name: 'chat sim/fast', kind: 'server', failed: false });
    expect(client).toMatchObject({ traceId, parentSpanId: server?.spanId, name: 'chat sim/fast', kind: 'client' });
    expect(server?.attributes).toEqual({
      'gen_ai.operation.name': 'chat',
      'gen_ai.provider.name': 'simulator',
      'gen_ai.request.model': 'sim/fast',
      'gen_ai.request.stream': false,
      'gen_ai.response.model': 'sim/fast',
      'gen_ai.usage.input_tokens': 6,
      'gen_ai.usage.output_tokens': 1,
      'http.request.method': 'POST',
      'http.response.status_code': 200,
      'tollgate.outcome': 'finished',
      'tollgate.request.id': response.headers.get('x-request-id') ?? '',
    });
    expect(client?.attributes).toEqual({
      'gen_ai.operation.name': 'chat',
      'gen_ai.provider.name': 'simulator',
      'gen_ai.request.model': 'sim/fast',
      'gen_ai.request.stream': false,
      'http.request.method': 'POST',
      'http.response.status_code': 200,
      'server.address': '127.0.0.1',
      'server.port': expect.any(Number),
      'tollgate.upstream': 'first',
    });
    for (const span of [server, client]) {
      expect(Number((span?.startNano ?? 0n) / 1_000_000n)).toBeGreaterThanOrEqual(before);
      expect(Number((span?.endNano ?? 0n) / 1_000_000n)).toBeLessThanOrEqual(Date.now() + 1);
      expect((span?.endNano ?? 0n) >= (span?.startNano ?? 1n)).toBe(true);
    }
  });

  test('of a call that failed at each upstream: one client span a try, each with its fault', async () => {
    const had = stage.collector.spans.length;
    expect((await stage.chat('sim/u02')).status).toBe(502);
    const spans = (await stage.spans(had + 3)).slice(had);
    const [server, ...attempts] = spans;
    expect(server).toMatchObject({ kind: 'server', parentSpanId: '', failed: true });
    expect(server?.attributes).toMatchObject({
      'error.type': 'upstream-failed',
      'http.response.status_code': 502,
      'tollgate.outcome': 'upstream-failed',
    });
    expect(server?.attributes).not.toHaveProperty(['gen_ai.usage.input_tokens']);
    expect(server?.attributes).not.toHaveProperty(['gen_ai.response.model']);
    expect(attempts.map(({ attributes }) => attributes['tollgate.upstream'])).toEqual(['first', 'second']);
    for (const attempt of attempts) {
      expect(attempt).toMatchObject({
        kind: 'client',
        traceId: server?.traceId,
        parentSpanId: server?.spanId,
        failed: true,
      });
      expect(attempt.attributes['error.type']).toEqual(expect.any(String));
    }
    expect(new Set(spans.map(({ spanId }) => spanId)).size).toBe(3);
  });

  test('of a stream: until its end, with the time to its first chunk', async () => {
    const had = stage.collector.spans.length;
    await (await stage.chat('sim/fast', {}, { stream: true })).text();
    const [server, client] = (await stage.spans(had + 2)).slice(had);
    expect(server?.attributes).toMatchObject({
      'gen_ai.request.stream': true,
      'gen_ai.response.time_to_first_chunk': expect.any(Number),
    });
    expect(client?.endNano).toBe(server?.endNano);
  });

  test('a parent that did not sample is followed; a malformed one is not, and harms nobody', async () => {
    const had = stage.collector.spans.length;
    await stage.chat('sim/fast', { traceparent: `00-${traceId}-${parentSpanId}-00` });
    await stage.chat('sim/fast', { traceparent: `00-${traceId}-${parentSpanId}-01-${'x'.repeat(5_000)}` });
    const [server] = (await stage.spans(had + 2)).slice(had);
    expect(stage.collector.spans.length).toBe(had + 2);
    expect([server?.traceId === traceId, server?.parentSpanId]).toEqual([false, '']);
  });

  test('upstreams are not told, the collector gets its header, and nothing tells of people or words', async () => {
    await eventually('metrics', () => stage.collector.metrics.size > 0);
    expect(stage.seen.length).toBeGreaterThan(0);
    const told = stage.seen.flatMap(({ headers }) => headers.map(([name]) => name));
    expect(told).not.toContain('traceparent');
    expect(stage.collector.requests.every(({ headers }) => headers.get('x-collector') === SECRET_HEADER)).toBe(true);
    const all = JSON.stringify([stage.collector.traces, [...stage.collector.metrics]], (_key, value: unknown) =>
      typeof value === 'bigint' ? String(value) : value,
    );
    for (const secret of [PROMPT, SECRET_HEADER, stage.gateway.apiKey, 'First account'])
      expect(all).not.toContain(secret);
    expect(all).not.toMatch(/\b(?:acc|key|usr)_[0-9a-f]{8}/);
  });

  test('metrics follow the conventions and count what was done', async () => {
    const had = stage.collector.metrics.get('gen_ai.server.request.duration')?.[0]?.count ?? 0;
    await (await stage.chat('sim/echo', {}, { stream: true })).text();
    await eventually('the next metrics', () =>
      (stage.collector.metrics.get('gen_ai.server.request.duration') ?? []).some(
        ({ attributes }) => attributes['gen_ai.request.model'] === 'sim/echo',
      ),
    );
    expect(had).toBeGreaterThan(0);
    expect([...stage.collector.metrics.keys()].toSorted()).toEqual([
      'gen_ai.client.token.usage',
      'gen_ai.server.request.duration',
      'gen_ai.server.time_to_first_token',
    ]);
    const points = [...stage.collector.metrics.values()].flat();
    for (const { attributes, count, buckets, bounds } of points) {
      expect(attributes).toMatchObject({ 'gen_ai.operation.name': 'chat', 'gen_ai.provider.name': 'simulator' });
      expect(buckets.reduce((sum, one) => sum + one, 0)).toBe(count);
      expect(buckets.length).toBe(bounds.length + 1);
    }
    const usage = stage.collector.metrics.get('gen_ai.client.token.usage') ?? [];
    const tokens = usage.filter(({ attributes }) => attributes['gen_ai.request.model'] === 'sim/echo');
    expect(tokens.map(({ attributes, sum }) => [attributes['gen_ai.token.type'], sum])).toEqual([
      ['input', 6],
      ['output', 1],
    ]);
  });
});

test('where the operator says so, each try tells its upstream of its own span', async () => {
  const stage = await startStage({}, ['--pass-trace-on']);
  try {
    await stage.chat('sim/u02', { traceparent });
    const spans = await stage.spans(3);
    const told = stage.seen.map(({ headers }) =>
      headers.filter(([name]) => name === 'traceparent').map(([, value]) => value),
    );
    const expected = spans.filter(({ kind }) => kind === 'client').map(({ spanId }) => [`00-${traceId}-${spanId}-01`]);
    expect(expected.length).toBe(2);
    expect(told).toEqual(expected);
  } finally {
    await stage.stop();
  }
});

describe('a collector that is down, slow, or hostile', () => {
  const bad: Readonly<Record<string, FakeCollector['answer']>> = {
    'never answers': () => new Promise<Response>(() => {}),
    refuses: () => new Response('no', { status: 400 }),
    'redirects to itself': (request) => new Response(null, { status: 308, headers: { location: request.url } }),
    'answers without end': () =>
      new Response(new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(65_536)) })),
  };

  test.each(Object.entries(bad))(
    '%s: every call is served and charged, and the gateway stops in time',
    async (_how, answer) => {
      const stage = await startStage({ OTEL_EXPORTER_OTLP_TIMEOUT: '300' });
      stage.collector.answer = answer;
      const statuses = await Promise.all(Array.from({ length: 40 }, async () => (await stage.chat('sim/fast')).status));
      expect(new Set(statuses)).toEqual(new Set([200]));
      const usage = await stage.gateway.admin('GET', '/usage?limit=200');
      expect(Array.isArray(usage.body['items']) ? usage.body['items'].length : 0).toBe(40);
      await eventually('it was asked', () => stage.collector.requests.length > 0);
      const startedMs = performance.now();
      await stage.gateway.stop();
      expect(performance.now() - startedMs).toBeLessThan(6_000);
      expect(stage.gateway.log.join('')).not.toContain(SECRET_HEADER);
      await stage.collector.stop();
    },
  );

  test('what it did not take shows in /metrics', async () => {
    const stage = await startStage();
    stage.collector.answer = bad['refuses'];
    await stage.chat('sim/fast');
    const dropped = async () => {
      const page = await fetch(`${stage.gateway.url}/metrics`, {
        headers: { authorization: `Bearer ${stage.gateway.operatorKey}` },
      });
      return /tollgate_spans_dropped_total\{because="refused"\} (\d+)/.exec(await page.text())?.[1];
    };
    await eventually('two spans are counted as dropped', async () => (await dropped()) === '2');
    await stage.stop();
  });
});

test('without a word from the operator nothing of it is loaded, with one it is', () => {
  const script = (argv: string) => `
    const { startTestGateway } = await import('./test/support/gateway.ts');
    const gateway = await startTestGateway({ argv: ${argv} });
    const body = { model: 'sim/fast', messages: [{ role: 'user', content: 'x' }] };
    if ((await gateway.client('/chat/completions', body)).status !== 200) throw new Error('not served');
    await gateway.stop();
    for (const name of Object.keys(require.cache)) console.log(name);
    process.exit(0);`;
  const loaded = (argv: string): readonly string[] => {
    const child = Bun.spawnSync([process.execPath, '-e', script(argv)], { cwd: join(import.meta.dir, '../..') });
    const names = child.stdout.toString().split('\n');
    expect(names.some((name) => name.endsWith('src/cli/watching.ts'))).toBe(true);
    return names.filter((name) => /\/src\/(?:telemetry|http\/metrics)\//.test(name));
  };
  expect(loaded('[]')).toEqual([]);
  expect(loaded("['--otlp', 'http://127.0.0.1:1']").length).toBeGreaterThan(5);
});
