// Health for operators tells states by name only; public health tells yes or no.

import { describe, expect, test } from 'bun:test';
import { Elysia } from 'elysia';
import { healthRoutes } from '../../src/http/admin/routes/health.ts';
import { publicHealthRoutes } from '../../src/http/health.ts';
import { adminHarness } from './admin/admin-harness.ts';
import { startTestGateway, textField } from '../support/gateway.ts';
import { eventually } from '../pipeline/stage.ts';

test('the admin face tells version, money, store and upstreams', async () => {
  const { json } = await adminHarness().call('GET', '/admin/v1/health');
  expect(json).toEqual({
    status: 'ok',
    version: '1.2.3',
    startedAt: '2026-01-31T12:00:00.000Z',
    money: 'available',
    store: 'available',
    upstreams: [{ name: 'first', state: 'open', faultRate: 0, inFlight: 1, lastFault: null }],
  });
});

test('a gateway says since when it runs, not since when it was asked', async () => {
  const before = Date.now();
  const gateway = await startTestGateway();
  const after = Date.now();
  await eventually('a later millisecond', () => Date.now() > after);
  const startedAt = Date.parse(textField((await gateway.admin('GET', '/health')).body, 'startedAt'));
  await gateway.stop();
  expect(startedAt).toBeGreaterThanOrEqual(before);
  expect(startedAt).toBeLessThanOrEqual(after);
});

test.each([
  [{ money: true, store: true, stopping: false }, 'ok'],
  [{ money: false, store: true, stopping: false }, 'degraded'],
  [{ money: true, store: false, stopping: false }, 'degraded'],
  [{ money: true, store: true, stopping: true }, 'shutting-down'],
] as const)('%p is %s', async (state, expected) => {
  const app = new Elysia().use(
    healthRoutes({
      version: '1',
      startedAt: 0,
      moneyAvailable: () => state.money,
      shuttingDown: () => state.stopping,
      upstreams: { states: () => [] },
      askStore: async () => {
        if (!state.store) throw new Error('disk');
      },
    }),
  );
  const answer: unknown = await (await app.handle(new Request('http://localhost/health'))).json();
  expect(answer).toMatchObject({ status: expected });
});

describe('public health', () => {
  const ask = async (path: string, money: boolean, stopping: boolean) => {
    const app = publicHealthRoutes({
      moneyAvailable: () => money,
      shuttingDown: () => stopping,
      metrics: () => Promise.reject(new Error('not asked')),
    });
    const response = await app.handle(new Request(`http://localhost${path}`));
    return { status: response.status, body: (await response.json()) as unknown };
  };

  test('lives whatever is broken', async () => {
    expect((await ask('/healthz', false, true)).status).toBe(200);
  });

  test('is ready only while it can book money and is not stopping', async () => {
    expect((await ask('/readyz', true, false)).status).toBe(200);
    expect(await ask('/readyz', false, false)).toEqual({ status: 503, body: { status: 'money-unavailable' } });
    expect(await ask('/readyz', true, true)).toEqual({ status: 503, body: { status: 'shutting-down' } });
  });

  test('takes HEAD as it takes GET, and nothing else', async () => {
    const gateway = await startTestGateway();
    for (const path of ['/healthz', '/readyz', '/status']) {
      const [get, head, post] = await Promise.all(
        ['GET', 'HEAD', 'POST'].map((method) => fetch(`${gateway.url}${path}`, { method })),
      );
      expect([get?.status, head?.status, post?.status]).toEqual([200, 200, 404]);
      expect(await head?.text()).toBe('');
      expect(head?.headers.get('content-type')).toBe(get?.headers.get('content-type') ?? '');
      const text = (await get?.text()) ?? '';
      expect(text).not.toContain('0.1.0');
      expect(text).not.toContain('simulator');
    }
    await gateway.stop();
  });

  test('is not ready while it drains, as the load balancer sees it', async () => {
    const gateway = await startTestGateway();
    const stop = new AbortController();
    const stream = await gateway.client(
      '/chat/completions',
      { model: 'sim/echo', stream: true, messages: [{ role: 'user', content: '[[sim: chunks=500 gap=20]]' }] },
      {},
      stop.signal,
    );
    expect(stream.status).toBe(200);
    const face = await gateway.serving.gateway.faces.public();
    const ask = async () => (await face(new Request('http://localhost/readyz'))).status;
    expect(await ask()).toBe(200);
    const closing = gateway.serving.gateway.close();
    expect(await ask()).toBe(503);
    stop.abort();
    await closing;
    await gateway.stop();
  });

  test('has a status for people', async () => {
    expect((await ask('/status', true, false)).body).toEqual({ service: 'tollgate', status: 'operational' });
    expect((await ask('/status', false, false)).body).toEqual({ service: 'tollgate', status: 'degraded' });
  });
});
