// Attacks on the way to an upstream and back, through a whole gateway: cases C1, C5 and C11 of the attack
// catalogue. A canary listens where a client would like the gateway to go: it must not hear a byte. Nothing of
// an upstream's head but its content type comes back.

import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { fromEnvironment, type GatewayConfig } from '../../src/plugin/index.ts';
import { startUpstream, type FakeUpstream } from '../pipeline/transport/fake-upstream.ts';
import { simulatorModel, startTestGateway, testConfig, type TestGateway } from '../support/gateway.ts';
import { chatBody, reply, requestBytes, type Reply } from './raw-http.ts';

const CREDENTIAL = 'canary-upstream-credential-4711';

const answerText = JSON.stringify({
  id: 'x',
  object: 'chat.completion',
  choices: [{ index: 0, message: { role: 'assistant', content: 'hi' }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
});
const streamText = [
  'data: {"id":"x","choices":[{"index":0,"delta":{"content":"hi"}}]}',
  'data: {"id":"x","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}',
  'data: {"id":"x","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}',
  'data: [DONE]',
  '',
].join('\n\n');

/** What the raw upstream says next: status line, header lines, body. */
let say: { status: string; headers: readonly string[]; body: string } = {
  status: '200 OK',
  headers: [],
  body: answerText,
};
let upstream: FakeUpstream;
let canary: FakeUpstream;
let gateway: TestGateway;

beforeAll(async () => {
  canary = startUpstream({
    onRequest: (socket) => void socket.write('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n'),
  });
  upstream = startUpstream({
    onRequest(socket) {
      const lines = [`HTTP/1.1 ${say.status}`, ...say.headers, `content-length: ${Buffer.byteLength(say.body)}`];
      socket.write(`${lines.join('\r\n')}\r\n\r\n${say.body}`);
    },
  });
  const upstreams: GatewayConfig['upstreams'] = [
    {
      name: 'raw',
      provider: 'openai-compatible',
      baseUrl: `http://127.0.0.1:${upstream.port}/v1`,
      addresses: 'any',
      credential: fromEnvironment('CANARY'),
    },
  ];
  gateway = await startTestGateway({
    config: testConfig({ upstreams, models: [simulatorModel('sim/fast', { offers: [{ upstream: 'raw' }] })] }),
    environment: { CANARY: CREDENTIAL },
  });
});
afterAll(async () => {
  await gateway.stop();
  upstream.stop();
  canary.stop();
});

const ask = (body: string, headers: readonly string[] = [], path = '/v1/chat/completions'): Promise<Reply> => {
  const own = ['host: 127.0.0.1', `authorization: Bearer ${gateway.apiKey}`, 'content-type: application/json'];
  return reply(gateway.serving.server.port, requestBytes(`POST ${path} HTTP/1.1`, [...own, ...headers], body));
};
const json = ['content-type: application/json'];

describe('C1: a client says where to go', () => {
  test('in the body, in headers, in the query, in the model: the canary hears nothing', async () => {
    say = { status: '200 OK', headers: json, body: answerText };
    const there = `http://127.0.0.1:${canary.port}/v1`;
    const bodies = [
      'base_url',
      'api_base',
      'baseUrl',
      'api_host',
      'endpoint',
      'url',
      'host',
      'upstream',
      'proxy',
      'custom_llm_provider',
      'webhook_url',
      'callback',
    ].map((name) =>
      chatBody('x', {
        [name]: there,
        api_key: 'sk-other',
        headers: { authorization: 'Bearer evil' },
        extra_headers: { host: 'evil' },
      }),
    );
    for (const body of bodies) expect((await ask(body)).status).toBe(200);
    const names = [
      'x-base-url',
      'x-api-base',
      'x-forwarded-host',
      'x-forwarded-server',
      'x-upstream-url',
      'x-portkey-custom-host',
      'x-portkey-provider',
      'helicone-target-url',
      'x-host',
      'x-original-host',
      'x-rewrite-url',
      'x-envoy-original-dst-host',
      'x-target',
      'forwarded',
      'x-http-host-override',
      'x-proxy-url',
    ];
    expect(
      (
        await ask(
          chatBody('x'),
          names.map((name) => `${name}: ${name === 'forwarded' ? `host=127.0.0.1:${canary.port}` : there}`),
        )
      ).status,
    ).toBe(200);
    expect(
      (await ask(chatBody('x'), [], `/v1/chat/completions?base_url=${encodeURIComponent(there)}&api-base=${there}`))
        .status,
    ).toBe(200);
    for (const model of [
      there,
      `sim/fast@${there}`,
      `//127.0.0.1:${canary.port}/`,
      'sim/fast?x',
      'sim/fast#',
      '../sim/fast',
      'raw/sim/fast',
      'sim/fast\n',
      'SIM/FAST',
      'sim/fast ',
    ]) {
      expect([model, (await ask(chatBody('x', { model }))).status]).toEqual([model, 404]);
    }
    for (const content of [
      there,
      [
        { type: 'image_url', image_url: { url: `${there}/image.png` } },
        { type: 'text', text: 'look' },
      ],
    ]) {
      expect((await ask(chatBody('x', { messages: [{ role: 'user', content }] }))).status).toBe(200);
    }
    expect(canary.accepted).toBe(0);
    for (const { head } of upstream.requests) {
      expect(head).toStartWith('POST /v1/chat/completions HTTP/1.1\r\n');
      expect(head.toLowerCase()).toContain(`host: 127.0.0.1:${upstream.port}`);
      expect(head).not.toContain(String(canary.port));
      expect(head).toContain(`Bearer ${CREDENTIAL}`);
      expect(head).not.toContain('evil');
    }
  });
});

describe('C5: an upstream redirects', () => {
  test.each([
    '301 Moved',
    '302 Found',
    '303 See Other',
    '305 Use Proxy',
    '307 Temporary',
    '308 Permanent',
    '300 Choices',
    '304 Not Modified',
  ])('%s is followed by nobody, here or at the client', async (status) => {
    for (const location of [
      `http://127.0.0.1:${canary.port}/`,
      `//127.0.0.1:${canary.port}/`,
      '/v1/again',
      'file:///etc/hostname',
      'http://169.254.169.254/',
      `http://127.0.0.1:${upstream.port}/v1/chat/completions`,
    ]) {
      const before = upstream.requests.length;
      say = {
        status,
        headers: [`location: ${location}`, `refresh: 0;url=${location}`],
        body: status.startsWith('304') ? '' : 'moved',
      };
      const answer = await ask(chatBody('x'));
      expect([answer.status, answer.headers.has('location'), answer.headers.has('refresh')]).toEqual([
        502,
        false,
        false,
      ]);
      expect(answer.body).not.toContain('127.0.0.1');
      // At most once more, to the same place.
      expect(upstream.requests.length - before).toBeLessThanOrEqual(2);
    }
    expect(canary.accepted).toBe(0);
  });
});

describe('C11: what an upstream writes into its head', () => {
  const hostile = [
    'set-cookie: session=evil; Path=/',
    'set-cookie: other=evil',
    'location: https://evil.test/',
    'content-security-policy: default-src *',
    'strict-transport-security: max-age=0',
    'www-authenticate: Basic realm="evil"',
    'proxy-authenticate: Basic',
    'authorization: Bearer evil',
    'x-api-key: evil',
    'access-control-allow-origin: *',
    'access-control-allow-credentials: true',
    'x-request-id: evil',
    'server: evil',
    'via: evil',
    'alt-svc: h3=":443"',
    'refresh: 0;url=https://evil.test/',
    'link: <https://evil.test/>',
    'x-frame-options: ALLOWALL',
    'content-disposition: attachment; filename=evil',
    'cache-control: public, max-age=9',
    'etag: evil',
    'clear-site-data: "*"',
    'nel: {}',
    'report-to: {}',
    'openai-organization: evil',
    'x-ratelimit-remaining-requests: 1',
    'cf-ray: evil',
    'content-location: /evil',
    'service-worker-allowed: /',
    'sourcemap: /evil',
    'x-should-retry: true',
  ];
  const closedList = [
    'content-type',
    'x-request-id',
    'date',
    'content-length',
    'transfer-encoding',
    'cache-control',
    'connection',
    'keep-alive',
    'retry-after',
  ];

  test.each([
    ['an answer', { status: '200 OK', headers: [...json, ...hostile], body: answerText }, false, 200],
    [
      'a stream',
      { status: '200 OK', headers: ['content-type: text/event-stream', ...hostile], body: streamText },
      true,
      200,
    ],
    [
      'a refusal',
      {
        status: '400 Bad Request',
        headers: [...json, ...hostile],
        body: '{"error":{"message":"no","type":"invalid_request_error"}}',
      },
      false,
      400,
    ],
    [
      'a failure',
      { status: '500 Oops', headers: [...json, ...hostile], body: '{"error":{"message":"boom"}}' },
      false,
      502,
    ],
    [
      'a refused credential',
      {
        status: '401 Unauthorized',
        headers: [...json, ...hostile],
        body: '{"error":{"message":"Incorrect API key provided"}}',
      },
      false,
      503,
    ],
  ] as const)('of %s stays here', async (_, said, stream, status) => {
    say = said;
    const answer = await ask(chatBody('x', { stream }));
    expect(answer.status).toBe(status);
    for (const name of answer.headers.keys()) expect(closedList).toContain(name);
    expect([...answer.headers].flat().join('\n')).not.toContain('evil');
    expect(answer.headers.get('x-request-id')).toMatch(/^req_[0-9a-f]{32}$/);
    expect(answer.headers.get('cache-control') ?? 'no-cache').toContain('no-');
    if (status >= 500)
      for (const word of ['boom', 'Incorrect', CREDENTIAL, String(upstream.port)])
        expect(answer.body).not.toContain(word);
  });

  test('a web page never comes back, whatever status it has', async () => {
    for (const status of [
      '200 OK',
      '400 Bad Request',
      '403 Forbidden',
      '404 Not Found',
      '500 Oops',
      '502 Bad Gateway',
    ]) {
      for (const type of [
        'text/html',
        'text/html; application/json',
        'image/svg+xml',
        'application/javascript',
        'application/xhtml+xml',
      ]) {
        say = { status, headers: [`content-type: ${type}`], body: '<html><script>evil()</script></html>' };
        const answer = await ask(chatBody('x'));
        expect(answer.headers.get('content-type')).toStartWith('application/json');
        expect(answer.body).not.toContain('evil()');
      }
    }
  });
});
