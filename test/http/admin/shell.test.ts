// The shell answers every class of failure as problem+json and repeats no value that was sent.

import { describe, expect, test } from 'bun:test';
import { Type } from '@sinclair/typebox';
import { Elysia } from 'elysia';
import fc from 'fast-check';
import { bounds } from '../../../src/core/bounds.ts';
import { TollgateError } from '../../../src/core/errors.ts';
import { strict } from '../../../src/http/admin/schemas.ts';
import { adminHarness, keys } from './admin-harness.ts';

const CANARY = 'canary-7f3a91';
const itemBody = strict({
  count: Type.Integer({ minimum: 1, maximum: 9 }),
  colour: Type.Optional(Type.Union([Type.Literal('red'), Type.Literal('blue')])),
  names: Type.Optional(Type.Array(strict({ name: Type.String({ maxLength: 3 }) }))),
  flag: Type.Optional(Type.Boolean()),
});

/** A resource that fails in every way. */
function oddRoutes() {
  return new Elysia({ name: 'odd' })
    .post('/items', ({ body }) => ({ count: body.count }), { body: itemBody, detail: { summary: 'Item' } })
    .get('/leaks', () => ({ id: '1', credential: CANARY }), { response: { 200: strict({ id: Type.String() }) } })
    .get('/throws', () => {
      throw new Error(`broken at ${CANARY}`);
    })
    .get('/rejects', async () => {
      throw new TypeError(CANARY);
    })
    .get('/throws-text', () => {
      throw CANARY as unknown as Error;
    })
    .get('/refuses', () => {
      throw new TollgateError('terms_required', {
        message: 'Accept first.',
        clause: 'T-3',
        link: '/terms',
        detail: CANARY,
      });
    })
    .get('/busy', () => {
      throw new TollgateError('rate_limited', { message: 'Wait.', retryAfterSeconds: 1.2 });
    });
}

const harness = () => adminHarness([oddRoutes()]);

describe('errors', () => {
  const cases: readonly (readonly [
    name: string,
    call: readonly [method: string, path: string, options?: Parameters<ReturnType<typeof harness>['call']>[2]],
    expected: { status: number; code: string; field?: string },
  ])[] = [
    ['no such path', ['GET', '/admin/v1/nothing'], { status: 404, code: 'not_found' }],
    ['wrong method', ['PUT', '/admin/v1/items'], { status: 405, code: 'method_not_allowed' }],
    ['preflight', ['OPTIONS', '/admin/v1/items'], { status: 405, code: 'method_not_allowed' }],
    [
      'wrong type',
      ['POST', '/admin/v1/items', { body: { count: CANARY } }],
      { status: 400, code: 'invalid_request', field: 'count' },
    ],
    [
      'number as text',
      ['POST', '/admin/v1/items', { body: { count: '5' } }],
      { status: 400, code: 'invalid_request', field: 'count' },
    ],
    [
      'out of range',
      ['POST', '/admin/v1/items', { body: { count: 10 } }],
      { status: 400, code: 'invalid_request', field: 'count' },
    ],
    ['missing', ['POST', '/admin/v1/items', { body: {} }], { status: 400, code: 'invalid_request', field: 'count' }],
    [
      'unknown field',
      ['POST', '/admin/v1/items', { body: { count: 1, role: CANARY } }],
      { status: 400, code: 'invalid_request', field: 'role' },
    ],
    [
      'prototype field',
      ['POST', '/admin/v1/items', { body: '{"count":1,"__proto__":{"x":1}}' }],
      { status: 400, code: 'invalid_request' },
    ],
    [
      'deep field',
      ['POST', '/admin/v1/items', { body: { count: 1, names: [{ name: 'a' }, { name: CANARY }] } }],
      { status: 400, code: 'invalid_request', field: 'names[1].name' },
    ],
    [
      'not an option',
      ['POST', '/admin/v1/items', { body: { count: 1, colour: CANARY } }],
      { status: 400, code: 'invalid_request', field: 'colour' },
    ],
    [
      'not JSON',
      ['POST', '/admin/v1/items', { body: `{"count": ${CANARY}` }],
      { status: 400, code: 'invalid_request' },
    ],
    [
      'not UTF-8',
      ['POST', '/admin/v1/items', { body: new Uint8Array([0x22, 0xff, 0x22]) }],
      { status: 400, code: 'invalid_request' },
    ],
    [
      'byte order mark',
      ['POST', '/admin/v1/items', { body: '\ufeff{"count":1}' }],
      { status: 400, code: 'invalid_request' },
    ],
    [
      'name twice',
      ['POST', '/admin/v1/items', { body: '{"count":1,"count":2}' }],
      { status: 400, code: 'invalid_request' },
    ],
    ['no body', ['POST', '/admin/v1/items'], { status: 400, code: 'invalid_request' }],
    ['a list', ['POST', '/admin/v1/items', { body: '[]' }], { status: 400, code: 'invalid_request' }],
    [
      'a form',
      [
        'POST',
        '/admin/v1/items',
        { body: 'count=1', headers: { 'content-type': 'application/x-www-form-urlencoded' } },
      ],
      { status: 415, code: 'encoding_unsupported', field: 'content-type' },
    ],
    [
      'compressed',
      ['POST', '/admin/v1/items', { body: '{}', headers: { 'content-encoding': 'gzip' } }],
      { status: 415, code: 'encoding_unsupported', field: 'content-encoding' },
    ],
    [
      'too large',
      ['POST', '/admin/v1/items', { body: `"${'x'.repeat(bounds.adminBodyBytes)}"` }],
      { status: 413, code: 'body_too_large' },
    ],
    ['too deep', ['POST', '/admin/v1/items', { body: '['.repeat(100_000) }], { status: 400, code: 'invalid_request' }],
    [
      'unknown query field',
      ['GET', `/admin/v1/health?debug=${CANARY}`],
      { status: 400, code: 'invalid_request', field: 'debug' },
    ],
    ['a reply with a field too many', ['GET', '/admin/v1/leaks'], { status: 500, code: 'internal_error' }],
    ['a defect', ['GET', '/admin/v1/throws'], { status: 500, code: 'internal_error' }],
    ['a rejection', ['GET', '/admin/v1/rejects'], { status: 500, code: 'internal_error' }],
    ['a thrown text', ['GET', '/admin/v1/throws-text'], { status: 500, code: 'internal_error' }],
    ['a refusal with its clause', ['GET', '/admin/v1/refuses'], { status: 428, code: 'terms_required' }],
    ['a refusal with a delay', ['GET', '/admin/v1/busy'], { status: 429, code: 'rate_limited' }],
  ];

  test.each(cases.map(([name, call, expected]) => ({ name, call, expected })))('$name', async ({ call, expected }) => {
    const { call: ask } = harness();
    const answer = await ask(...call);
    expect(answer.status).toBe(expected.status);
    expect(answer.headers.get('content-type')).toBe('application/problem+json');
    expect(answer.json).toMatchObject({
      status: expected.status,
      code: expected.code,
      type: `urn:tollgate:error:${expected.code}`,
    });
    expect(answer.json['field']).toBe(expected.field);
    expect(answer.json['requestId']).toMatch(/^req_[0-9a-f]{32}$/);
    expect(answer.headers.get('x-request-id')).toBe(String(answer.json['requestId']));
    expect(answer.text).not.toContain(CANARY);
    expect(answer.headers.get('access-control-allow-origin')).toBeNull();
    expect(answer.headers.get('cache-control')).toBe('no-store');
  });

  test('a refusal carries clause and link, and its private detail is only logged', async () => {
    const { call, log } = harness();
    const { json } = await call('GET', '/admin/v1/refuses');
    expect(json).toMatchObject({ clause: 'T-3', link: '/terms', detail: 'Accept first.' });
    expect(log).toContainEqual({
      event: 'admin_refused',
      fields: { requestId: json['requestId'], code: 'terms_required', detail: CANARY },
    });
  });

  test('a defect is logged with the id that the caller got', async () => {
    const { call, log } = harness();
    const { json } = await call('GET', '/admin/v1/throws');
    expect(log.find((line) => line.event === 'admin_failed')?.fields['requestId']).toBe(json['requestId']);
  });

  test('a wrong method says which are right, a delay says how long', async () => {
    const { call } = harness();
    expect((await call('DELETE', '/admin/v1/items')).headers.get('allow')).toBe('POST');
    expect((await call('DELETE', '/admin/v1/health')).headers.get('allow')).toBe('GET, HEAD');
    expect((await call('GET', '/admin/v1/busy')).headers.get('retry-after')).toBe('2');
  });

  test('rules are said in words', async () => {
    const { call } = harness();
    const detail = async (body: unknown) => (await call('POST', '/admin/v1/items', { body })).json['detail'];
    expect(await detail({ count: 10 })).toBe('count: must be less than or equal to 9.');
    expect(await detail({ count: 1, colour: 'x' })).toBe('colour: must be one of "red", "blue".');
    expect(await detail({})).toBe('count: is required.');
    expect(await detail({ count: 1, flag: 1 })).toBe('flag: must be a boolean.');
  });

  test('no body that is wrong is ever repeated, and none is a 500', async () => {
    const { call } = harness();
    await fc.assert(
      fc.asyncProperty(fc.jsonValue(), fc.string({ minLength: 1, maxLength: 60 }), async (value, name) => {
        const answer = await call('POST', '/admin/v1/items', {
          body: { [name]: CANARY, nested: value, count: CANARY },
        });
        expect(answer.status).toBe(400);
        expect(answer.text).not.toContain(CANARY);
      }),
      { numRuns: 100 },
    );
  });

  test('a key is not repeated when it is sent as the name of a field', async () => {
    const { call } = harness();
    const { text } = await call('POST', '/admin/v1/items', { body: { count: 1, [keys.api]: 1 } });
    expect(text).not.toContain(keys.api);
  });
});

test('success carries the headers of data', async () => {
  const { headers } = await harness().call('GET', '/admin/v1/health');
  expect(headers.get('x-content-type-options')).toBe('nosniff');
  expect(headers.get('cache-control')).toBe('no-store');
  expect(headers.get('x-request-id')).toMatch(/^req_/);
  expect(headers.get('content-security-policy')).toContain("default-src 'none'");
});
