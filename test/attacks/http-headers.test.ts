// Attacks by headers: cases A4, A11, A12, A14 and A15 of the attack catalogue. What a client says about who it
// is counts once or not at all; what goes on to an upstream is a closed list; what comes back holds nothing
// that was sent.

import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { newId } from '../../src/core/ids.ts';
import { startTestGateway, testConfig } from '../support/gateway.ts';
import { chatBody, reply, requestBytes } from './raw-http.ts';
import { startWatchedGateway, valuesOf, type WatchedGateway } from './watched-gateway.ts';

const UPSTREAM_KEY = 'canary-upstream-credential';

let watched: WatchedGateway;
beforeAll(async () => {
  watched = await startWatchedGateway({
    upstream: { credential: { fromEnvironment: 'CANARY' } },
    environment: { CANARY: UPSTREAM_KEY },
  });
});
afterAll(() => watched.stop());

const host = 'host: 127.0.0.1';
const json = 'content-type: application/json';
const bearer = (key: string) => `authorization: Bearer ${key}`;
const chat = (headers: readonly string[], content = 'hello', path = '/v1/chat/completions') =>
  reply(watched.port, requestBytes(`POST ${path} HTTP/1.1`, headers, chatBody(content)));
const lastSeen = () => {
  const last = watched.seen.at(-1);
  if (last === undefined) throw new Error('the upstream was not asked');
  return last;
};

describe('A4: who is it, said twice', () => {
  test('a repeated or contradicting credential is refused, and nobody wins', async () => {
    const key = watched.gateway.apiKey;
    const { apiKey: other } = await watched.gateway.fundedKey(1_000_000_000n);
    const before = watched.seen.length;
    const twice: readonly (readonly string[])[] = [
      [bearer(key), bearer(key)],
      [bearer(key), bearer(other)],
      [`x-api-key: ${key}`, `x-api-key: ${key}`],
      [`x-api-key: ${key}`, `X-API-KEY: ${other}`],
      [`authorization: Bearer ${key}, Bearer ${key}`],
      [`authorization: Bearer ${key},${other}`],
      [bearer(key), `x-api-key: ${other}`],
      [bearer(key), `api-key: ${other}`],
      [bearer(key), `x-goog-api-key: ${other}`],
      [`x-api-key: ${key}`, `api-key: ${other}`],
      [bearer(key), 'x-api-key: nonsense'],
      [bearer(key), 'x-api-key: '],
    ];
    for (const headers of twice) {
      const { status, body } = await chat([host, json, ...headers]);
      expect([headers, status]).toEqual([headers, 400]);
      expect(body).toContain('"ambiguous_credentials"');
    }
    for (const query of [`key=${key}&key=${other}`, `key=${other}`, 'key=', `k%65y=${other}`]) {
      expect((await chat([host, json, bearer(key)], 'x', `/v1/chat/completions?${query}`)).status).toBe(400);
    }
    expect(watched.seen.length).toBe(before);
  });

  test('the same key in several places is one key', async () => {
    const key = watched.gateway.apiKey;
    const everywhere = [bearer(key), `x-api-key: ${key}`, `api-key: ${key}`, `x-goog-api-key: ${key}`];
    expect((await chat([host, json, ...everywhere], 'x', `/v1/chat/completions?key=${key}`)).status).toBe(200);
  });

  test('a repeated operator key is refused', async () => {
    const operator = bearer(watched.gateway.operatorKey);
    const asked = await reply(
      watched.port,
      requestBytes('GET /admin/v1/accounts HTTP/1.1', [host, operator, operator]),
    );
    expect([asked.status, asked.body.includes('ambiguous_credentials')]).toEqual([400, true]);
  });

  test('a repeated content type is refused on every face', async () => {
    const types = [json, 'content-type: text/plain'];
    expect((await chat([host, bearer(watched.gateway.apiKey), ...types])).status).toBe(400);
    const account = JSON.stringify({ kind: 'person', name: 'x' });
    const headers = [host, bearer(watched.gateway.operatorKey), ...types];
    expect(
      (await reply(watched.port, requestBytes('POST /admin/v1/accounts HTTP/1.1', headers, account))).status,
    ).toBe(415);
  });
});

describe('A11: headers that should not reach an upstream', () => {
  /** All that ever leaves, whatever came in. */
  const closedList = [
    'accept',
    'accept-encoding',
    'authorization',
    'connection',
    'content-length',
    'content-type',
    'host',
    'openai-beta',
    'user-agent',
    'x-tollgate-hops',
  ];

  test('credentials, organisations, hop-by-hop and everything unknown stay here', async () => {
    const key = watched.gateway.apiKey;
    const answer = await chat([
      host,
      json,
      bearer(key),
      `x-api-key: ${key}`,
      `api-key: ${key}`,
      `x-goog-api-key: ${key}`,
      'openai-organization: org-evil',
      'openai-project: proj-evil',
      'cookie: session=1',
      'proxy-authorization: Basic eDp5',
      'x-forwarded-for: 10.0.0.1',
      'x-forwarded-host: evil.test',
      'forwarded: for=10.0.0.1;host=evil.test',
      'x-real-ip: 10.0.0.1',
      'via: 1.1 evil',
      'te: trailers',
      'keep-alive: timeout=99',
      'proxy-connection: keep-alive',
      'x-amz-security-token: evil',
      'x-http-method-override: DELETE',
      'x-original-url: /admin',
      'referer: https://evil.test/',
      'origin: https://evil.test',
      'anthropic-beta: x',
      'anthropic-version: 2023-06-01',
      'idempotency-key: i-1',
      'x-stainless-os: evil',
      'user-agent: evil/1',
      'accept: text/html',
      'accept-encoding: gzip',
      'openai-beta: assistants=v2',
      'connection: x-api-key, content-length, authorization, close',
    ]);
    expect(answer.status).toBe(200);
    const sent = lastSeen();
    for (const [name] of sent.headers) expect(closedList).toContain(name);
    expect(valuesOf(sent, 'authorization')).toEqual([`Bearer ${UPSTREAM_KEY}`]);
    expect(valuesOf(sent, 'content-type')).toEqual(['application/json']);
    expect(valuesOf(sent, 'content-length')).toHaveLength(1);
    expect(valuesOf(sent, 'openai-beta')).toEqual(['assistants=v2']);
    const everything = sent.headers.flat().join('\n');
    for (const canary of [key, 'evil', '10.0.0.1', 'session=1', 'eDp5']) expect(everything).not.toContain(canary);
    expect(new Set(sent.headers.map(([name]) => name)).size).toBe(sent.headers.length);
  });

  test('a header that the client names in `connection` is for us alone: it never goes on', async () => {
    const key = watched.gateway.apiKey;
    for (const connection of ['openai-beta', 'keep-alive, OpenAI-Beta', 'close,openai-beta , x']) {
      const before = watched.seen.length;
      const { status } = await chat([
        host,
        json,
        bearer(key),
        'openai-beta: assistants=v2',
        `connection: ${connection}`,
      ]);
      if (status !== 200) expect([status, watched.seen.length]).toEqual([400, before]);
      else expect([connection, valuesOf(lastSeen(), 'openai-beta')]).toEqual([connection, []]);
    }
  });

  test('values that are relayed end no line and begin no other header', async () => {
    const key = watched.gateway.apiKey;
    for (const value of ['a\tb', 'x'.repeat(8_000), 'a: b', 'a\\r\\nx-api-key: z']) {
      expect((await chat([host, json, bearer(key), `openai-beta: ${value}`])).status).toBe(200);
      for (const [name] of lastSeen().headers) expect(closedList).toContain(name);
    }
    // What could not be sent on is refused here: else it would be counted as the upstream's failure.
    const before = watched.seen.length;
    for (const value of ['caf\u00e9', 'x\x7f', '\x1b[31m', 'y'.repeat(9_000)]) {
      const { status } = await chat([host, json, bearer(key), `openai-beta: ${value}`]);
      expect([value.slice(0, 9), status]).toEqual([value.slice(0, 9), 400]);
    }
    expect(watched.seen.length).toBe(before);
    expect(watched.gateway.log.filter((line) => line.includes('attempt-failed'))).toEqual([]);
  });

  test('the path and query of a client never become part of the upstream address', async () => {
    const key = watched.gateway.apiKey;
    for (const path of [
      '/v1/chat/completions?api-version=evil&base_url=http://evil.test',
      '/openai/v1/chat/completions?x=/../../admin',
    ]) {
      expect((await chat([host, json, bearer(key)], 'x', path)).status).toBe(200);
      expect(lastSeen().target).toBe('/v1/chat/completions');
    }
  });
});

describe('A12: nothing that was sent comes back in a header', () => {
  test('request ids are our own, and no value is reflected', async () => {
    const canary = 'reflect-me-0123456789';
    const values = [canary, `${canary}\u00e9`, `${canary}${'z'.repeat(8_000)}`, `${canary}%0d%0aset-cookie:%20a=b`];
    for (const value of values) {
      const sent = ['x-request-id', 'x-correlation-id', 'traceparent', 'user-agent', 'origin', 'accept-language'].map(
        (name) => `${name}: ${value}`,
      );
      for (const [line, key] of [
        ['POST /v1/chat/completions', watched.gateway.apiKey],
        ['GET /v1/models', watched.gateway.apiKey],
        ['GET /admin/v1/accounts', watched.gateway.operatorKey],
        ['GET /terms', watched.gateway.apiKey],
        ['GET /healthz', ''],
        [`GET /${canary}`, ''],
        [`GET /v1/models/${canary}`, watched.gateway.apiKey],
      ] as const) {
        const body = line.startsWith('POST') ? chatBody('x', { model: `sim/${canary}` }) : '';
        const answer = await reply(
          watched.port,
          requestBytes(`${line} HTTP/1.1`, [host, json, bearer(key), ...sent], body),
        );
        expect([...answer.headers].flat().join('\n')).not.toContain('reflect-me');
        expect(answer.headers.has('set-cookie')).toBe(false);
        const id = answer.headers.get('x-request-id');
        if (id !== undefined) expect(id).toMatch(/^req_[0-9a-f]{32}$/);
      }
    }
  });

  test.each(['a\r\nset-cookie: x', 'a\nset-cookie: x', 'a\rset-cookie: x', 'a\0b'])(
    '%j is no header value',
    async (value) => {
      const { status, headers } = await reply(
        watched.port,
        requestBytes('GET /nowhere HTTP/1.1', [host, `x-note: ${value}`]),
      );
      expect(headers.has('set-cookie')).toBe(false);
      // A line feed alone begins a header of its own, in a request that asks for nothing.
      expect([400, 404]).toContain(status);
    },
  );
});

describe('A14: loops', () => {
  test('a request that has passed too many gateways is refused, and so is an odd count', async () => {
    const key = watched.gateway.apiKey;
    const before = watched.seen.length;
    for (const hops of ['3', '4', '999', '-1', 'x', '1, 1', '1.0', '0x1', '1e0', '99999999999']) {
      const { status, body } = await chat([host, json, bearer(key), `x-tollgate-hops: ${hops}`]);
      expect([hops, status, body.includes('"loop_detected"')]).toEqual([hops, 508, true]);
    }
    expect((await chat([host, json, bearer(key), 'x-tollgate-hops: 1', 'x-tollgate-hops: 0'])).status).toBe(508);
    expect(watched.seen.length).toBe(before);
    expect((await chat([host, json, bearer(key), 'x-tollgate-hops: 2'])).status).toBe(200);
    expect(valuesOf(lastSeen(), 'x-tollgate-hops')).toEqual(['3']);
  });

  test('two gateways that point at each other stop after a few hops, and nobody pays', async () => {
    const ends: Record<string, { url: string; key: string }> = {};
    let passed = 0;
    // Stands between them, because neither knows the other's port and key before it has started.
    const between = Bun.serve({
      hostname: '127.0.0.1',
      port: 0,
      async fetch(request) {
        passed += 1;
        const url = new URL(request.url);
        const end = ends[url.pathname.split('/')[1] ?? ''];
        if (end === undefined) return new Response(null, { status: 500 });
        const headers = new Headers(request.headers);
        headers.set('authorization', `Bearer ${end.key}`);
        headers.delete('host');
        return fetch(`${end.url}/v1/chat/completions`, { method: 'POST', headers, body: await request.bytes() });
      },
    });
    const pointingAt = (name: string) =>
      startTestGateway({
        config: testConfig({
          upstreams: [
            {
              name: 'simulator',
              provider: 'simulator',
              baseUrl: `http://127.0.0.1:${between.port}/${name}/v1`,
              addresses: 'any',
            },
          ],
        }),
      });
    const one = await pointingAt('two');
    const two = await pointingAt('one');
    try {
      ends['one'] = { url: one.url, key: one.apiKey };
      ends['two'] = { url: two.url, key: two.apiKey };
      const answer = await one.client('/chat/completions', JSON.parse(chatBody('round')));
      expect(answer.status).toBe(508);
      // Three gateways, of which each may ask once more.
      expect(passed).toBeLessThanOrEqual(14);
      for (const gateway of [one, two]) {
        const usage = await gateway.admin('GET', '/usage');
        const records = Array.isArray(usage.body['items']) ? usage.body['items'] : [];
        for (const record of records) expect(record).toMatchObject({ chargeNano: '0' });
      }
    } finally {
      await one.stop();
      await two.stop();
      await between.stop(true);
    }
  });
});

describe('A15: other origins', () => {
  test('no face allows any, with or without credentials, asked beforehand or not', async () => {
    const paths = [
      '/',
      '/v1/models',
      '/v1/chat/completions',
      '/admin/v1/accounts',
      '/admin/docs',
      '/terms',
      '/healthz',
      '/nowhere',
      `/admin/v1/accounts/${newId('acc')}`,
    ];
    for (const origin of ['null', 'https://evil.test', `http://127.0.0.1:${watched.port}`, 'http://localhost']) {
      for (const path of paths) {
        for (const method of ['OPTIONS', 'GET']) {
          const answer = await reply(
            watched.port,
            requestBytes(`${method} ${path} HTTP/1.1`, [
              host,
              `origin: ${origin}`,
              'access-control-request-method: POST',
              'access-control-request-headers: authorization',
              'cookie: a=b',
              bearer(path.startsWith('/admin') ? watched.gateway.operatorKey : watched.gateway.apiKey),
            ]),
          );
          expect([...answer.headers.keys()].filter((name) => name.startsWith('access-control-'))).toEqual([]);
        }
      }
    }
  });
});
