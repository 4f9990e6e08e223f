// Attacks on logs and by logs: cases F3 and F4 of the attack catalogue. Whatever text comes from outside, an
// event is one JSON line; and no secret or prompt that went through the gateway shows in a log, an error, an
// admin reply or a document.

import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { createLog } from '../../src/core/log.ts';
import { createRedactor, sha256Hex } from '../../src/core/secrets.ts';
import { listRoutes } from '../../src/http/admin/route-inventory.ts';
import { adminDocument, documentText } from '../../src/http/openapi/documents.ts';
import { deadlines } from '../../src/core/bounds.ts';
import { fromEnvironment, type GatewayConfig } from '../../src/plugin/index.ts';
import { refusedBaseUrl } from '../../src/simulator/addresses.ts';
import { faultModelNames } from '../../src/simulator/faults/index.ts';
import { startSimulator, type Simulator } from '../../src/simulator/server.ts';
import { startUpstream, type FakeUpstream } from '../pipeline/transport/fake-upstream.ts';
import { simulatorModel, startTestGateway, testConfig, textField, type TestGateway } from '../support/gateway.ts';
import { chatBody, reply, requestBytes } from './raw-http.ts';

const CREDENTIAL = 'canary/Upstream+credential="4711"';
const PROMPT = 'canary-prompt-that-nobody-else-may-read';
const POISON =
  'x"}\r\n{"level":"error","event":"forged"}\n\u001b[31mred\u001b[0m\u0007\u2028\u2029\u0085\u009b31m\\"\u0000\u202e';

/** Models whose faults end by themselves or by the short deadlines below, and bring no great many bytes. */
const faultModels = faultModelNames.filter((name) => !/^sim\/u(?:11|13|22|26|28)/.test(name));

let say = '';
let gateway: TestGateway;
let simulator: Simulator;
let raw: FakeUpstream;
beforeAll(async () => {
  simulator = startSimulator({ faults: true });
  raw = startUpstream({ onRequest: (socket) => void socket.end(Buffer.from(say, 'latin1')) });
  const upstreams: GatewayConfig['upstreams'] = [
    {
      name: 'simulator',
      provider: 'simulator',
      baseUrl: simulator.url,
      addresses: 'any',
      credential: fromEnvironment('CANARY'),
    },
    {
      name: 'raw',
      provider: 'openai-compatible',
      baseUrl: `http://127.0.0.1:${raw.port}/v1`,
      addresses: 'any',
      credential: fromEnvironment('CANARY'),
    },
    {
      name: 'refusing',
      provider: 'openai-compatible',
      baseUrl: await refusedBaseUrl(),
      addresses: 'any',
      credential: fromEnvironment('CANARY'),
    },
  ];
  const models = [
    simulatorModel('sim/fast'),
    ...faultModels.map((name) => simulatorModel(name)),
    simulatorModel('sim/raw', { offers: [{ upstream: 'raw' }] }),
    simulatorModel('sim/refusing', { offers: [{ upstream: 'refusing' }] }),
  ];
  gateway = await startTestGateway({
    config: testConfig({ upstreams, models }),
    environment: { CANARY: CREDENTIAL },
    surroundings: {
      deadlines: {
        ...deadlines,
        responseHeadMs: 400,
        silenceMs: 400,
        contentSilenceMs: 400,
        totalMs: 4_000,
        drainMs: 500,
      },
    },
  });
});
afterAll(async () => {
  await gateway.stop();
  simulator.close();
  raw.stop();
});

function linesAreSound(lines: readonly string[]): void {
  for (const line of lines) {
    expect(line.endsWith('\n')).toBe(true);
    // oxlint-disable-next-line no-control-regex
    expect(line.slice(0, -1)).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/);
    const entry: unknown = JSON.parse(line);
    expect(entry).toMatchObject({ at: expect.any(String), level: expect.any(String), event: expect.any(String) });
    expect(Object(entry)['event']).not.toBe('forged');
  }
}

describe('F3: text that would be a line of its own', () => {
  test('any fields at all make one line, which says what was given', () => {
    const lines: string[] = [];
    const log = createLog(
      { now: () => 0, monotonicMs: () => 0 },
      (line) => void lines.push(line),
      createRedactor().redact,
    );
    fc.assert(
      fc.property(
        fc.oneof(fc.string({ unit: 'binary' }), fc.constant(POISON)),
        fc.string({ unit: 'binary' }),
        (value, event) => {
          lines.length = 0;
          log.warn(event === 'forged' ? '' : event, { model: value, level: value, at: value });
          expect(lines).toHaveLength(1);
          expect(lines[0]?.split('\n')).toHaveLength(2);
          expect(() => JSON.parse(lines[0] ?? '')).not.toThrow();
        },
      ),
    );
  });

  test('poison in everything that a client, an operator and an upstream may say', async () => {
    const poison = encodeURIComponent(POISON);
    for (const model of [POISON, `sim/fast${POISON}`, 'sim/fast\n']) {
      expect((await gateway.client('/chat/completions', chatBody('x', { model }))).status).toBe(404);
    }
    await gateway.client(
      '/chat/completions',
      chatBody(POISON, { model: 'sim/u02', user: POISON, [POISON]: POISON }),
      { 'user-agent': 'x"}{"event":"forged"}\u0085\u009b' },
    );
    const name = await gateway.admin('POST', '/accounts', { kind: 'person', name: POISON });
    expect([201, 400]).toContain(name.status);
    const { accountId, apiKey } = await gateway.fundedKey(1_000_000n);
    for (const body of [
      { accountId, name: POISON },
      { accountId, name: 'k', group: POISON },
      { accountId, name: 'k', models: [POISON] },
    ]) {
      expect([201, 400, 404]).toContain((await gateway.admin('POST', '/api-keys', body)).status);
    }
    await gateway.admin('POST', `/accounts/${accountId}/top-ups`, {
      amountNano: '1',
      currency: 'USD',
      source: 'cash',
      reason: POISON,
      reference: POISON,
    });
    for (const path of [`/accounts/${poison}`, `/usage?model=${poison}`, `/${poison}`])
      await gateway.admin('GET', path);
    for (const path of [`/v1/models/${poison}`, `/terms/${poison}`, `/${poison}`, `/v1/${poison}?key=${apiKey}`])
      await (await fetch(`${gateway.url}${path}`)).text();
    const bare = POISON.replace(/[^\x20-\x7e]/g, '');
    for (const head of [
      `HTTP/1.1 200 ${POISON}`,
      `HTTP/1.1 ${bare}`,
      POISON,
      `HTTP/1.1 200 OK\r\n${bare}: x`,
      'HTTP/1.1 200 OK\r\ncontent-length: x"}{',
      `HTTP/1.1 200 OK\r\ntransfer-encoding: ${bare}`,
      `HTTP/1.1 200 OK\r\ncontent-type: application/json;${bare}`,
      `HTTP/1.1 500 ${bare}\r\nx: \x1b[31m`,
    ]) {
      say = `${head}\r\n\r\n${POISON}`;
      expect(
        (await gateway.client('/chat/completions', chatBody('x', { model: 'sim/raw' }))).status,
      ).toBeGreaterThanOrEqual(400);
    }
    expect(gateway.log.length).toBeGreaterThan(3);
    linesAreSound(gateway.log);
  }, 60_000);
});

describe('F4: canaries', () => {
  const heard: string[] = [];
  const secretsIn = (text: string, more: readonly string[] = []): readonly string[] => {
    const keys = [gateway.apiKey, gateway.operatorKey];
    const written = [
      CREDENTIAL,
      encodeURIComponent(CREDENTIAL),
      JSON.stringify(CREDENTIAL).slice(1, -1),
      btoa(CREDENTIAL).replace(/=+$/, ''),
    ];
    return [...written, ...keys.map((key) => key.slice(4, 36)), ...keys.map(sha256Hex), ...more].filter((secret) =>
      text.includes(secret),
    );
  };

  test('every fault of an upstream, streamed and not, tells a client no secret', async () => {
    for (const stream of [false, true]) {
      await Promise.all(
        faultModels.map(async (model) => {
          const response = await gateway.client(
            '/chat/completions',
            chatBody(PROMPT, { model, stream }),
            {},
            AbortSignal.timeout(10_000),
          );
          const text = await response.text().catch(() => 'cut');
          heard.push([...response.headers].flat().join('\n'), text);
          expect([model, response.status === 401 || response.status === 403]).toEqual([model, false]);
        }),
      );
    }
    expect(heard.flatMap((text) => secretsIn(text))).toEqual([]);
    for (const text of heard) expect(text).not.toMatch(/127\.0\.0\.1:\d/);
  }, 60_000);

  test('an upstream that repeats our credential is not passed on', async () => {
    for (const status of [
      '400 Bad Request',
      '401 Unauthorized',
      '403 Forbidden',
      '404 Not Found',
      '422 Unprocessable',
      '429 Too Many',
      '500 Oops',
      '302 Found',
    ]) {
      const message = `You sent authorization: Bearer ${CREDENTIAL} to us`;
      const body = JSON.stringify({ error: { message, type: 'invalid_request_error' } });
      const lines = [
        `HTTP/1.1 ${status}`,
        'content-type: application/json',
        `location: /?key=${encodeURIComponent(CREDENTIAL)}`,
        `content-length: ${Buffer.byteLength(body)}`,
      ];
      say = `${lines.join('\r\n')}\r\n\r\n${body}`;
      const response = await gateway.client('/chat/completions', chatBody(PROMPT, { model: 'sim/raw' }));
      const text = `${[...response.headers].flat().join('\n')}\n${await response.text()}`;
      expect([status, secretsIn(text)]).toEqual([status, []]);
    }
  });

  test('every error of our own tells no secret and no prompt', async () => {
    const { apiKey } = gateway;
    const answers = await Promise.all(
      [
        '{',
        `{"model":"${PROMPT}"}`,
        chatBody(PROMPT, { n: 0 }),
        chatBody(PROMPT, { model: 'sim/refusing' }),
        `${chatBody(PROMPT)}x`,
        `{"${PROMPT}":1,"${PROMPT}":2}`,
        chatBody(PROMPT, { max_tokens: PROMPT }),
      ].map(async (body) => (await gateway.client('/chat/completions', body)).text()),
    );
    const port = gateway.serving.server.port;
    for (const [line, headers] of [
      ['GET /nowhere', [`authorization: Bearer ${apiKey}`]],
      ['GET /v1/nowhere', [`x-api-key: ${apiKey}`]],
      [`GET /v1/models?key=${apiKey}x`, []],
      [`GET /${apiKey}`, []],
      [`GET /admin/v1/${gateway.operatorKey}`, []],
      [`GET /admin/v1/accounts/${gateway.operatorKey}`, [`authorization: Bearer ${gateway.operatorKey}`]],
      [`GET /v1/models/${apiKey}`, [`authorization: Bearer ${apiKey}`]],
      ['GET /admin/v1/accounts', [`authorization: Bearer ${apiKey}`]],
      ['GET /v1/models', [`authorization: Bearer ${apiKey}, ${gateway.operatorKey}`]],
      [`GET /terms/${apiKey}`, []],
      [`GET /admin/v1/usage?model=${apiKey}&x=1`, [`authorization: Bearer ${gateway.operatorKey}`]],
      [`GET /admin/v1/accounts?cursor=${gateway.operatorKey}`, [`authorization: Bearer ${gateway.operatorKey}`]],
    ] as const) {
      const answer = await reply(port, requestBytes(`${line} HTTP/1.1`, ['host: 127.0.0.1', ...headers]));
      answers.push(`${[...answer.headers].flat().join('\n')}\n${answer.body}`);
    }
    // The client wrote the names of the fields itself: a key that stands twice is named to it.
    const twice = answers.filter((text) => text.includes('stands twice'));
    expect(twice).toHaveLength(1);
    expect(answers.filter((text) => !twice.includes(text)).flatMap((text) => secretsIn(text, [PROMPT]))).toEqual([]);
  });

  test('log, admin replies, status pages and documents hold none', async () => {
    const { admin, terms } = await gateway.serving.gateway.describedApps();
    const texts = [...gateway.log, documentText(await adminDocument(admin, '0'))];
    const get = async (path: string) => {
      const response = await fetch(`${gateway.url}${path}`, {
        headers: { authorization: `Bearer ${gateway.operatorKey}` },
      });
      texts.push([...response.headers].flat().join('\n'), await response.text());
    };
    const accounts = await gateway.admin('GET', '/accounts');
    const account = textField(
      Array.isArray(accounts.body['items']) ? accounts.body['items'].at(-1) : undefined,
      'id',
    );
    for (const { method, path } of [...listRoutes(admin), ...(terms === undefined ? [] : listRoutes(terms))]) {
      if (method === 'GET') await get(path.replace(':id', account).replace(/:[a-zA-Z]+/g, 'default'));
    }
    const usage = await gateway.admin('GET', '/usage?limit=200');
    const items: readonly unknown[] = Array.isArray(usage.body['items']) ? usage.body['items'] : [];
    expect(items.length).toBeGreaterThan(100);
    texts.push(JSON.stringify(usage.body));
    for (const item of items.slice(0, 60)) await get(`/admin/v1/usage/${textField(item, 'requestId')}`);
    for (const path of [
      '/status',
      '/healthz',
      '/readyz',
      '/admin/docs',
      '/admin/docs/openapi.json',
      '/admin/docs/init.js',
      '/metrics',
      '/',
    ])
      await get(path);
    expect(texts.length).toBeGreaterThan(150);
    expect(texts.flatMap((text) => secretsIn(text, [PROMPT]))).toEqual([]);
    linesAreSound(gateway.log);
  });
});
