// A repeated POST does nothing twice and answers the same, without the secrets that were shown once.

import { expect, test } from 'bun:test';
import { Type } from '@sinclair/typebox';
import { Elysia, status } from 'elysia';
import { TollgateError } from '../../../src/core/errors.ts';
import { memoryIdempotencyStore } from '../../../src/http/admin/idempotency.ts';
import { strict } from '../../../src/http/admin/schemas.ts';
import { adminHarness, keys, standingClock } from './admin-harness.ts';

function makingRoutes() {
  const made: number[] = [];
  const gate = Promise.withResolvers<void>();
  let fail: Error | undefined;
  const routes = new Elysia({ name: 'making' })
    .post(
      '/things',
      ({ body, set }) => {
        if (fail !== undefined) throw fail;
        made.push(body.size);
        set.status = 201;
        return { id: `thing-${made.length}`, key: keys.api, list: [{ key: keys.api }] };
      },
      {
        body: strict({ size: Type.Integer() }),
        response: {
          201: strict({ id: Type.String(), key: Type.String(), list: Type.Array(strict({ key: Type.String() })) }),
        },
      },
    )
    .post('/others', () => status('Accepted', { id: made.push(0) }))
    .post('/closings', ({ set }) => {
      made.push(1);
      set.status = 204;
    })
    .post('/slow', async () => {
      await gate.promise;
      made.push(2);
      return { done: true };
    });
  return { routes, made, open: gate.resolve, failWith: (error: Error | undefined) => void (fail = error) };
}

const withKey = (key: string, body?: unknown) => ({ body, headers: { 'idempotency-key': key } });

test('the same key and request give the same answer once', async () => {
  const { routes, made } = makingRoutes();
  const { call } = adminHarness([routes]);
  const first = await call('POST', '/admin/v1/things', withKey('k1', { size: 4 }));
  const second = await call('POST', '/admin/v1/things', withKey('k1', { size: 4 }));
  expect(first.status).toBe(201);
  expect(second.status).toBe(201);
  expect(first.json['key']).toBe(keys.api);
  expect(second.json).toEqual({ id: 'thing-1', key: null, list: [{ key: null }] });
  expect(second.headers.get('idempotency-replayed')).toBe('true');
  expect(first.headers.get('idempotency-replayed')).toBeNull();
  expect(made).toEqual([4]);
});

test('another body or path under the same key is refused', async () => {
  const { routes, made } = makingRoutes();
  const { call } = adminHarness([routes]);
  await call('POST', '/admin/v1/things', withKey('k1', { size: 4 }));
  expect((await call('POST', '/admin/v1/things', withKey('k1', { size: 5 }))).json['code']).toBe(
    'idempotency_mismatch',
  );
  expect((await call('POST', '/admin/v1/others', withKey('k1', { size: 4 }))).status).toBe(422);
  expect(made).toEqual([4]);
});

test('statuses by words, empty answers and missing bodies repeat too', async () => {
  const { routes, made } = makingRoutes();
  const { call } = adminHarness([routes]);
  for (const path of ['/admin/v1/others', '/admin/v1/closings']) {
    const first = await call('POST', path, withKey(path));
    const second = await call('POST', path, withKey(path));
    expect([second.status, second.text]).toEqual([first.status, first.text]);
    expect(second.headers.get('idempotency-replayed')).toBe('true');
  }
  expect(made).toHaveLength(2);
});

test('while the first still runs the second is told so', async () => {
  const { routes, made, open } = makingRoutes();
  const { call } = adminHarness([routes]);
  const first = call('POST', '/admin/v1/slow', withKey('k1'));
  const second = await call('POST', '/admin/v1/slow', withKey('k1'));
  expect(second.json['code']).toBe('conflict');
  open();
  expect((await first).status).toBe(200);
  expect((await call('POST', '/admin/v1/slow', withKey('k1'))).json).toEqual({ done: true });
  expect(made).toEqual([2]);
});

test('a refusal frees the key, a defect keeps it', async () => {
  const { routes, made, failWith } = makingRoutes();
  const { call } = adminHarness([routes]);
  const ask = (key: string) => call('POST', '/admin/v1/things', withKey(key, { size: 1 }));
  failWith(new TollgateError('conflict', { message: 'Not now.' }));
  expect((await ask('k1')).status).toBe(409);
  failWith(undefined);
  expect((await ask('k1')).status).toBe(201);
  failWith(new Error('broken'));
  expect((await ask('k2')).status).toBe(500);
  failWith(undefined);
  const again = await ask('k2');
  expect(again.status).toBe(500);
  expect(again.json['code']).toBe('internal_error');
  expect(made).toEqual([1]);
});

test('a body that does not fit its schema takes no key', async () => {
  const { routes } = makingRoutes();
  const { call } = adminHarness([routes]);
  expect((await call('POST', '/admin/v1/things', withKey('k1', { size: 'x' }))).status).toBe(400);
  expect((await call('POST', '/admin/v1/things', withKey('k1', { size: 1 }))).status).toBe(201);
});

test.each(['', 'a b', 'a,b', 'x'.repeat(201), 'ü'])('the key %p is refused', async (key) => {
  const { routes, made } = makingRoutes();
  const { call } = adminHarness([routes]);
  const answer = await call('POST', '/admin/v1/things', withKey(key, { size: 1 }));
  expect(answer.status).toBe(400);
  expect(answer.json['field']).toBe('idempotency-key');
  expect(made).toEqual([]);
});

test('an answer is forgotten after a day', async () => {
  const clock = standingClock();
  const store = memoryIdempotencyStore(clock);
  await store.claim('k', 'input');
  await store.finish('k', { status: 201, contentType: 'application/json', body: '{}' });
  expect((await store.claim('k', 'input')).state).toBe('done');
  clock.move(24 * 3_600_000);
  expect((await store.claim('k', 'other')).state).toBe('claimed');
});

test('the memory is bounded, and what runs is not forgotten', async () => {
  const store = memoryIdempotencyStore(standingClock());
  await store.claim('running', 'input');
  for (let index = 0; index < 10_050; index++) {
    await store.claim(`k${index}`, 'input');
    await store.finish(`k${index}`, { status: 200, contentType: 'application/json', body: '{}' });
  }
  expect((await store.claim('running', 'input')).state).toBe('in-flight');
  expect((await store.claim('k10049', 'input')).state).toBe('done');
  expect((await store.claim('k0', 'other')).state).toBe('claimed');
});
