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
    const app = publicHealthRoutes({ moneyAvailable: () => money, shuttingDown: () => stopping });
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

  test('has a status for people', async () => {
    expect((await ask('/status', true, false)).body).toEqual({ service: 'tollgate', status: 'operational' });
    expect((await ask('/status', false, false)).body).toEqual({ service: 'tollgate', status: 'degraded' });
  });
});
