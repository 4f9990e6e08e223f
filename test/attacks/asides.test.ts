// What is asked beside generating, for nothing: kept replies and counts of tokens, by callers and upstreams that mean
// no good. Deadlines are short here; what the upstream does is set for each call.

import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { fromEnvironment } from '../../src/plugin/index.ts';
import { anthropic, openAiCompatible } from '../../plugins/index.ts';
import { eventually, openHolds, quickDeadlines } from '../pipeline/stage.ts';
import { exchange } from '../simulator/raw-client.ts';
import {
  field,
  simulatorModel,
  startTestGateway,
  testConfig,
  textField,
  type TestGateway,
} from '../support/gateway.ts';
import { repliesIn } from './raw-http.ts';

setDefaultTimeout(60_000);

const credential = 'sk-of-the-house-alone-4711';

let gateway: TestGateway;
/** What the next call is answered with, as bytes; the connection is closed after `close`. Undefined: nothing, ever. */
let answer: { readonly bytes: string; readonly close?: boolean } | undefined;
let asked: string[] = [];
/** Connections that are open on the upstream's side with a call that is not answered. */
const hanging = new Set<object>();

const json = (status: string, body: string, more = '', length = body.length) =>
  `HTTP/1.1 ${status}\r\ncontent-type: application/json\r\n${more}content-length: ${length}\r\n\r\n${body}`;

const upstream = Bun.listen<{ text: string }>({
  hostname: '127.0.0.1',
  port: 0,
  socket: {
    open(socket) {
      socket.data = { text: '' };
    },
    data(socket, chunk) {
      socket.data.text += chunk.toString('latin1');
      const { text } = socket.data;
      const headEnd = text.indexOf('\r\n\r\n');
      if (headEnd < 0) return;
      const length = Number(/content-length: (\d+)/.exec(text)?.[1] ?? 0);
      if (text.length < headEnd + 4 + length) return;
      socket.data.text = '';
      asked.push(text.slice(0, text.indexOf('\r\n')));
      if (answer === undefined) return void hanging.add(socket);
      socket.write(answer.bytes);
      if (answer.close === true) socket.end();
    },
    close: (socket) => void hanging.delete(socket),
    error: (socket) => void hanging.delete(socket),
  },
});

beforeAll(async () => {
  const where = {
    baseUrl: `http://127.0.0.1:${upstream.port}/v1`,
    addresses: 'any',
    credential: fromEnvironment('HOUSE_KEY'),
  } as const;
  gateway = await startTestGateway({
    environment: { HOUSE_KEY: credential },
    surroundings: { deadlines: { ...quickDeadlines, responseHeadMs: 1_000, silenceMs: 1_000, totalMs: 3_000 } },
    config: testConfig({
      providers: [openAiCompatible({ chat: ['openai-responses'] }), anthropic()],
      upstreams: [
        { ...where, name: 'keeping', provider: 'openai-compatible' },
        { ...where, name: 'counting', provider: 'anthropic' },
      ],
      models: [
        simulatorModel('keeps', { operations: ['chat'], offers: [{ upstream: 'keeping' }] }),
        simulatorModel('counts', { operations: ['chat'], price: { currency: 'USD', rates }, offers }),
      ],
    }),
  });
});
afterAll(async () => {
  await gateway.stop();
  upstream.stop(true);
});
beforeEach(() => {
  asked = [];
  answer = undefined;
});

const offers = [{ upstream: 'counting' }];
const rates = {
  input: 1n,
  cacheRead: 1n,
  cacheWrite5m: 1n,
  cacheWrite1h: 1n,
  output: 1n,
  toolCalls: 1n,
};

let made = 0;
async function keptId(): Promise<string> {
  const id = `resp_${(made += 1)}`;
  const output = '[{"type":"message","content":[{"type":"output_text","text":"x"}]}]';
  const usage = '{"input_tokens":1,"output_tokens":1}';
  answer = { bytes: json('200 OK', `{"id":"${id}","status":"completed","output":${output},"usage":${usage}}`) };
  const reply = await gateway.client('/responses', { model: 'keeps', input: 'x', max_output_tokens: 5 });
  expect([reply.status, textField(await reply.json(), 'id')]).toEqual([200, id]);
  asked = [];
  answer = undefined;
  return id;
}

const ask = (path: string, method = 'GET', signal?: AbortSignal) =>
  fetch(`${gateway.url}/v1/responses/${path}`, {
    method,
    redirect: 'manual',
    headers: { authorization: `Bearer ${gateway.apiKey}` },
    ...(signal === undefined ? {} : { signal }),
  });

/** With a path that no client library would send. */
async function askRaw(path: string) {
  const { host, port } = new URL(gateway.url);
  const owner = `authorization: Bearer ${gateway.apiKey}`;
  const head = [`GET ${path} HTTP/1.1`, `host: ${host}`, owner, 'connection: close'];
  const { until } = exchange(Number(port), Buffer.from(`${head.join('\r\n')}\r\n\r\n`, 'latin1'));
  const { raw } = await until(() => false);
  return repliesIn(raw, true)[0];
}

describe('the upstream that keeps a reply', () => {
  const refused: readonly (readonly [string, NonNullable<typeof answer>])[] = [
    ['sends it elsewhere', { bytes: json('302 Found', '{"id":"x"}', 'location: http://169.254.169.254/\r\n') }],
    ['says that nothing changed', { bytes: 'HTTP/1.1 304 Not Modified\r\n\r\n' }],
    ['has no content', { bytes: 'HTTP/1.1 204 No Content\r\n\r\n' }],
    ['breaks off where the part is JSON, too', { bytes: json('200 OK', '[1]', '', 900), close: true }],
    ['falls silent where the part is JSON, too', { bytes: json('200 OK', '[1]', '', 900) }],
    ['breaks off in its chunks', { bytes: 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n', close: true }],
    ['sends a page', { bytes: 'HTTP/1.1 200 OK\r\ncontent-length: 13\r\n\r\n<html></html>' }],
    ['sends more than anybody reads', { bytes: json('200 OK', `"${'x'.repeat(65 * 1024 * 1024)}"`) }],
    ['shows our credential', { bytes: json('404 Not Found', `{"error":{"message":"no ${credential}"}}`) }],
  ];
  test.each(refused)('%s: it did not answer, and the reply stays', async (_, bytes) => {
    const id = await keptId();
    answer = bytes;
    const reply = await ask(id);
    expect([reply.status, reply.headers.get('location')]).toEqual([502, null]);
    expect(await reply.text()).not.toContain(credential);
    answer = { bytes: json('200 OK', `{"id":"${id}"}`) };
    expect((await ask(id)).status).toBe(200);
  });

  test('never answers: the caller is told, and no call stays open', async () => {
    const id = await keptId();
    expect((await ask(id, 'DELETE')).status).toBe(502);
    await eventually('the call is over', () => hanging.size === 0);
  });

  test('never answers, and the caller leaves: the call is over at once', async () => {
    const id = await keptId();
    const leaving = new AbortController();
    const startedMs = performance.now();
    const reply = ask(id, 'GET', leaving.signal).catch(() => 'left');
    await eventually('the call has come', () => hanging.size === 1);
    leaving.abort();
    expect(await reply).toBe('left');
    await eventually('the call is over', () => hanging.size === 0);
    expect(performance.now() - startedMs).toBeLessThan(900);
  });
});

describe('a caller of kept replies', () => {
  test('names what is no id: it is what is unknown, and no upstream hears of it', async () => {
    const shape = (text: string) => text.replaceAll(/req_[0-9a-f]{32}/g, 'REQ');
    const never = shape((await askRaw('/v1/responses/resp_never'))?.body ?? '');
    expect(never).toContain('not_found');
    const names = ['%2F%2F', '..%2F..%2Fmodels', '%ff%fe', '\u00e4\u00f6', '%ED%A0%80', '%E2%80%AE'];
    for (const name of [...names, 'x'.repeat(8_000), '%25%32%65', 'resp_1%20']) {
      for (const suffix of ['', '/input_items']) {
        const reply = await askRaw(`/v1/responses/${name}${suffix}`);
        expect([name, reply?.status, shape(reply?.body ?? '')]).toEqual([name, 404, never]);
      }
    }
    const paths = ['.', '..', '%2e', '%2e%2e', '%2E.', 'a/b', '', '//', '../models/../responses'];
    for (const name of [...paths, '%00', 'a%00b', '%zz', 'resp_1;resp_2']) {
      const reply = await askRaw(`/v1/responses/${name}/input_items`);
      expect([name, [400, 404, 405].includes(reply?.status ?? 0)]).toEqual([name, true]);
    }
    expect((await askRaw(`/v1/responses/${'x'.repeat(1024 * 1024)}`))?.status ?? 431).toBeGreaterThanOrEqual(400);
    expect(asked).toEqual([]);
  });

  test('asks as often as the key may ask for anything', async () => {
    const id = await keptId();
    const { body } = await gateway.admin('GET', '/api-keys');
    const key = Array.isArray(body['items']) ? field(body['items'][0], 'accountId') : undefined;
    const made = await gateway.admin('POST', '/api-keys', {
      accountId: key,
      name: 'slow',
      limits: { requestsPerMinute: 2 },
    });
    expect([made.status, made.body['error']]).toEqual([201, undefined]);
    answer = { bytes: json('200 OK', `{"id":"${id}"}`) };
    const headers = { authorization: `Bearer ${textField(made.body, 'key')}` };
    const statuses: number[] = [];
    for (let call = 0; call < 4; call++) {
      const reply = await fetch(`${gateway.url}/v1/responses/${call === 3 ? 'never' : id}`, { headers });
      statuses.push(reply.status);
    }
    expect(statuses).toEqual([200, 200, 429, 429]);
    expect(asked.length).toBe(2);
  });
});

const count = (key = gateway.apiKey, more: object = {}, init: RequestInit = {}) =>
  fetch(`${gateway.url}/v1/messages/count_tokens`, {
    method: 'POST',
    body: JSON.stringify({ model: 'counts', messages: [{ role: 'user', content: 'one two three' }], ...more }),
    ...init,
    headers: { 'x-api-key': key, 'content-type': 'application/json', ...init.headers },
  });

describe('a vendor that counts', () => {
  test('never answers: we count', async () => {
    const reply = await count();
    expect([reply.status, await reply.json()]).toEqual([200, { input_tokens: 5 }]);
    await eventually('the call is over', () => hanging.size === 0);
  });

  test.each([
    ['breaks off where the part is JSON, too', { bytes: json('200 OK', '{"input_tokens":99}', '', 900), close: true }],
    ['sends more than anybody reads', { bytes: json('200 OK', `{"input_tokens":99}${' '.repeat(100_000)}`) }],
  ])('%s: we count', async (_, bytes) => {
    answer = bytes;
    expect(await (await count()).json()).toEqual({ input_tokens: 5 });
  });

  test('never answers, and the caller leaves: the call is over at once', async () => {
    const leaving = new AbortController();
    const startedMs = performance.now();
    const reply = count(gateway.apiKey, {}, { signal: leaving.signal }).catch(() => 'left');
    await eventually('the call has come', () => hanging.size === 1);
    leaving.abort();
    expect(await reply).toBe('left');
    await eventually('the call is over', () => hanging.size === 0);
    expect(performance.now() - startedMs).toBeLessThan(900);
  });
});

describe('a caller of counts', () => {
  test('asks for very many at once: they are refused beyond a share, and others are served', async () => {
    const other = await gateway.fundedKey(0n);
    const many = Array.from({ length: 80 }, () => count());
    await eventually('the share is taken', () => hanging.size === 64);
    const others = count(other.apiKey);
    await eventually('the other is asked about', () => hanging.size === 65);
    const replies = await Promise.all(many);
    const refusals = replies.filter(({ status }) => status === 429);
    expect([refusals.length, replies.filter(({ status }) => status === 200).length]).toEqual([16, 64]);
    expect(refusals[0]?.headers.get('retry-after')).toBe('1');
    expect((await others).status).toBe(200);
    expect((await count()).status).toBe(200);
  });

  test('sends what is no count: refused in the form of the protocol, and nothing is held', async () => {
    answer = { bytes: json('200 OK', '{"input_tokens":99}') };
    const bodies = [
      ['', 400],
      ['[]', 400],
      ['{"model":"counts"', 400],
      ['{"model":"counts","model":"other","messages":[{}]}', 400],
      [`{"model":"counts","messages":${'['.repeat(5_000)}${']'.repeat(5_000)}}`, 400],
      [`{"model":"${'m'.repeat(100_000)}","messages":[{}]}`, 400],
      ['{"model":7,"messages":[{}]}', 400],
    ] as const;
    for (const [body, status] of bodies) {
      const reply = await count(gateway.apiKey, {}, { body });
      const text = await reply.text();
      expect([body.slice(0, 40), reply.status]).toEqual([body.slice(0, 40), status]);
      expect(textField(JSON.parse(text), 'request_id')).toBe(reply.headers.get('x-request-id') ?? '');
      expect(text.length).toBeLessThan(1_000);
    }
    const odd = { 'content-encoding': 'gzip' };
    expect((await count(gateway.apiKey, {}, { headers: odd })).status).toBe(415);
    expect(asked).toEqual([]);
    expect(openHolds(gateway)).toBe(0);
    expect(gateway.log.filter((line) => line.includes('defect'))).toEqual([]);
  });
});
