// What a caller writes where names stand: paths, headers, tools, members of schemas, metadata. No name reaches an
// object's ancestors, a header or a log, and what two parsers could read in two ways goes to no upstream.

import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { fromEnvironment } from '../../src/plugin/index.ts';
import { plainLine } from '../../src/plugin/protocol.ts';
import { protocolOf } from '../../src/protocols/protocols.ts';
import { anthropic, gemini, openAiCompatible } from '../../plugins/index.ts';
import { openHolds } from '../pipeline/stage.ts';
import { exchange } from '../simulator/raw-client.ts';
import { field, simulatorModel, startTestGateway, testConfig, type TestGateway } from '../support/gateway.ts';
import { repliesIn, type Reply } from './raw-http.ts';

setDefaultTimeout(60_000);

const chatProtocols = ['openai-chat', 'openai-responses', 'anthropic-messages', 'gemini-generate'] as const;
type ChatProtocol = (typeof chatProtocols)[number];

let gateway: TestGateway;
let asked: { readonly path: string; readonly headers: Headers; readonly body: string }[] = [];
let answer: () => Response = () => new Response('', { status: 500 });
const upstream = Bun.serve({
  port: 0,
  hostname: '127.0.0.1',
  async fetch(request) {
    const { pathname, search } = new URL(request.url);
    asked.push({ path: pathname + search, headers: request.headers, body: await request.text() });
    return answer();
  },
});

const rates = Object.fromEntries(
  ['input', 'cacheRead', 'cacheWrite5m', 'cacheWrite1h', 'audioInput', 'output', 'reasoning', 'toolCalls'].map(
    (kind) => [kind, 1n],
  ),
);

const upstreamOf = (model: string): string => chatProtocols.find((name) => name === model) ?? 'gemini-generate';

beforeAll(async () => {
  const where = {
    baseUrl: `http://127.0.0.1:${upstream.port}/v1`,
    addresses: 'any',
    credential: fromEnvironment('HOUSE_KEY'),
  } as const;
  const speaking = (chat: 'openai-chat' | 'openai-responses') => {
    return { ...openAiCompatible({ chat: [chat] }), name: chat };
  };
  gateway = await startTestGateway({
    environment: { HOUSE_KEY: 'sk-of-the-house-0815' },
    config: testConfig({
      providers: [speaking('openai-chat'), speaking('openai-responses'), anthropic(), gemini()],
      upstreams: [
        { ...where, name: 'openai-chat', provider: 'openai-chat' },
        { ...where, name: 'openai-responses', provider: 'openai-responses' },
        { ...where, name: 'anthropic-messages', provider: 'anthropic' },
        { ...where, name: 'gemini-generate', provider: 'gemini' },
      ],
      models: [...chatProtocols, 'a:b:c'].map((name) =>
        simulatorModel(name, {
          operations: ['chat'],
          price: { currency: 'USD', rates: { input: 1n, output: 1n, ...rates } },
          offers: [{ upstream: upstreamOf(name), model: 'own-name' }],
        }),
      ),
    }),
  });
});
afterAll(async () => {
  await gateway.stop();
  await upstream.stop(true);
});
beforeEach(() => {
  asked = [];
});

/** One call of a tool of that name, with those arguments, as each says it. */
const replies: Readonly<Record<ChatProtocol, (name: string, args: string) => string>> = {
  'openai-chat': (name, args) =>
    `{"choices":[{"index":0,"finish_reason":"tool_calls","message":{"role":"assistant","tool_calls":[{"id":"c1",` +
    `"type":"function","function":{"name":${JSON.stringify(name)},"arguments":${JSON.stringify(args)}}}]}}],` +
    `"usage":{"prompt_tokens":1,"completion_tokens":1}}`,
  'openai-responses': (name, args) =>
    `{"id":"resp_1","status":"completed","output":[{"type":"function_call","id":"f","call_id":"c1",` +
    `"name":${JSON.stringify(name)},"arguments":${JSON.stringify(args)}}],"usage":{"input_tokens":1,"output_tokens":1}}`,
  'anthropic-messages': (name, args) =>
    `{"id":"m","type":"message","role":"assistant","stop_reason":"tool_use","content":[{"type":"tool_use","id":"c1",` +
    `"name":${JSON.stringify(name)},"input":${args}}],"usage":{"input_tokens":1,"output_tokens":1}}`,
  'gemini-generate': (name, args) =>
    `{"candidates":[{"index":0,"finishReason":"STOP","content":{"parts":[{"functionCall":{"name":` +
    `${JSON.stringify(name)},"args":${args}}}]}}],"usageMetadata":{"promptTokenCount":1,"candidatesTokenCount":1}}`,
};

const schema = (name: string) =>
  `{"type":"object","properties":{${JSON.stringify(name)}:{"type":"string"}},"required":[${JSON.stringify(name)}]}`;
type Written = (model: string, name: string) => readonly [path: string, body: string];
const requests: Readonly<Record<ChatProtocol, Written>> = {
  'openai-chat': (model, name) => [
    '/v1/chat/completions',
    `{"model":"${model}","max_tokens":50,"messages":[{"role":"user","content":"x"}],` +
      `"metadata":{${JSON.stringify(name)}:"m"},"tools":[{"type":"function","function":{"name":${JSON.stringify(name)},"parameters":${schema(name)}}}]}`,
  ],
  'openai-responses': (model, name) => [
    '/v1/responses',
    `{"model":"${model}","max_output_tokens":50,"store":false,"input":"x","metadata":{${JSON.stringify(name)}:"m"},` +
      `"tools":[{"type":"function","name":${JSON.stringify(name)},"parameters":${schema(name)}}]}`,
  ],
  'anthropic-messages': (model, name) => [
    '/v1/messages',
    `{"model":"${model}","max_tokens":50,"messages":[{"role":"user","content":"x"}],` +
      `"tools":[{"name":${JSON.stringify(name)},"input_schema":${schema(name)}}]}`,
  ],
  'gemini-generate': (model, name) => [
    `/v1beta/models/${model}:generateContent`,
    `{"contents":[{"role":"user","parts":[{"text":"x"}]}],"generationConfig":{"maxOutputTokens":50},"tools":[{` +
      `"functionDeclarations":[{"name":${JSON.stringify(name)},"parametersJsonSchema":${schema(name)}}]}]}`,
  ],
};

const post = (path: string, body: string, headers: Record<string, string> = {}) =>
  fetch(`${gateway.url}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${gateway.apiKey}`, 'content-type': 'application/json', ...headers },
    body,
  });

async function postRaw(path: string, body: string, headers: readonly string[] = []): Promise<Reply | undefined> {
  const { host, port } = new URL(gateway.url);
  const head = [`POST ${path} HTTP/1.1`, `host: ${host}`, 'content-type: application/json', 'connection: close'];
  const lines = [...head, ...headers, `content-length: ${Buffer.byteLength(body)}`];
  const { until } = exchange(Number(port), Buffer.from(`${lines.join('\r\n')}\r\n\r\n${body}`, 'latin1'));
  const { raw } = await until(() => false);
  return repliesIn(raw, true)[0];
}

describe('a tool, its argument and a metadata key', () => {
  test.each(['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'valueOf'])(
    'called %p is carried like any other, in all pairs and both ways',
    async (name) => {
      for (const client of chatProtocols) {
        for (const target of chatProtocols) {
          const args = `{${JSON.stringify(name)}:"v"}`;
          answer = () =>
            new Response(replies[target](name, args), { headers: { 'content-type': 'application/json' } });
          const [path, body] = requests[client](target, name);
          const reply = await post(path, body);
          const text = await reply.text();
          expect([client, target, reply.status]).toEqual([client, target, 200]);
          const sent = asked.at(-1)?.body ?? '';
          const told = sent.split(JSON.stringify(name)).length - 1;
          // The tool, its member, and that it is required.
          expect([client, target, told >= 3]).toEqual([client, target, true]);
          const flat = text.replaceAll('\\', '');
          expect([client, target, flat.includes(`"name":"${name}"`)]).toEqual([client, target, true]);
          expect([client, target, flat.includes(`"${name}":"v"`)]).toEqual([client, target, true]);
        }
      }
      expect(Object.getOwnPropertyNames({})).toEqual([]);
      expect(field({}, 'v')).toBeUndefined();
      expect(gateway.log.filter((line) => line.includes('defect'))).toEqual([]);
    },
  );

  test('with half a character in its name is carried, or refused, but breaks nothing', async () => {
    for (const client of chatProtocols) {
      for (const target of chatProtocols) {
        answer = () => new Response(replies[target]('f', '{}'), { headers: { 'content-type': 'application/json' } });
        const [path, body] = requests[client](target, 'half');
        const reply = await post(path, body.replaceAll('half', '\\ud83d').replace('"x"', '"\\ud83d x \\udc00"'));
        expect([client, target, [200, 400].includes(reply.status)]).toEqual([client, target, true]);
        await reply.text();
        const sent = asked.at(-1)?.body ?? '';
        expect([client, target, sent.includes('\ufffd')]).toEqual([client, target, false]);
      }
    }
    expect(openHolds(gateway)).toBe(0);
  });
});

describe('a body that two parsers read in two ways', () => {
  const twice: Readonly<Record<ChatProtocol, readonly string[]>> = {
    'openai-chat': ['"model":"x"', '"max_tokens":1', '"stream":true', '"m\\u006fdel":"x"', '"Model":"x"'],
    'openai-responses': ['"model":"x"', '"max_output_tokens":1', '"stream":true', '"store":true', '"input":"y"'],
    'anthropic-messages': ['"model":"x"', '"max_tokens":1', '"stream":true', '"m\\u006fdel":"x"', '"MAX_TOKENS":1'],
    'gemini-generate': ['"generationConfig":{}', '"generation_config":{"maxOutputTokens":1}', '"contents":[]'],
  };
  test.each([...chatProtocols])('of %p goes to no upstream', async (client) => {
    for (const target of chatProtocols) {
      answer = () => new Response(replies[target]('f', '{}'), { headers: { 'content-type': 'application/json' } });
      for (const member of twice[client]) {
        const [path, body] = requests[client](target, 'f');
        const stream = member.includes('stream') ? body.replace('{', '{"stream":false,') : body;
        for (const written of [stream.replace('{', `{${member},`), stream.replace(/\}$/, `,${member}}`)]) {
          const reply = await post(path, written);
          expect([client, target, member, reply.status]).toEqual([client, target, member, 400]);
        }
      }
    }
    expect(asked).toEqual([]);
  });

  test.each([
    ['openai-chat', '"stream_options":{"include_usage":true,"include_usage":false},"stream":true'],
    ['gemini-generate', '"generationConfig":{"maxOutputTokens":5,"maxOutputTokens":16000}'],
    ['gemini-generate', '"generationConfig":{"maxOutputTokens":5,"max_output_tokens":16000}'],
    ['gemini-generate', '"generationConfig":{"maxOutputTokens":5,"maxOutput\\u0054okens":16000}'],
    ['gemini-generate', '"generationConfig":{"maxOutputTokens":5,"candidateCount":1,"candidate_count":8}'],
    ['gemini-generate', '"generationConfig":{"candidateCount":1,"candidateCount":8}'],
  ] as const)('of %p goes to no upstream, be it deeper: %s', async (client, member) => {
    const turns = '"contents":[{"parts":[{"text":"x"}]}]';
    const rest = client === 'gemini-generate' ? turns : '"model":"openai-chat","messages":[]';
    const reply = await post(requests[client](client, 'f')[0], `{${rest},${member}}`);
    expect(reply.status).toBe(400);
    expect(asked).toEqual([]);
  });

  test.each([
    ['{"max_tokens":5,"max_completion_tokens":9000}', 9_000],
    ['{"max_tokens":9000,"max_completion_tokens":5}', 9_000],
  ])('in limits of two names is held for the larger: %s', async (members, output) => {
    answer = () => new Response('{"error":{"message":"no"}}', { status: 400 });
    const [path, body] = requests['openai-chat']('openai-chat', 'f');
    const both = body.replace('"max_tokens":50', members.slice(1, -1));
    const facts = protocolOf('openai-chat').readRequest(Buffer.from(both), plainLine);
    expect(facts.outputLimit).toBe(output);
    expect((await post(path, both)).status).toBe(400);
  });
});

describe('a header that goes on', () => {
  const relayed = ['anthropic-beta', 'openai-beta', 'anthropic-version'];
  test.each(relayed)('%p is printable and short, or refused', async (name) => {
    answer = () => Response.json({ id: 'x' });
    const protocol = name === 'openai-beta' ? 'openai-chat' : 'anthropic-messages';
    const [path, body] = requests[protocol](protocol, 'f');
    const owner = `authorization: Bearer ${gateway.apiKey}`;
    const values = ['a'.repeat(9_000), 'b\u00e9ta', 'a\u0080b', 'a\tb\u007fc', '\u0001'];
    for (const value of values) {
      const reply = await postRaw(path, body, [owner, `${name}: ${value}`]);
      expect([value.slice(0, 5), reply?.status]).toEqual([value.slice(0, 5), 400]);
      expect(reply?.body ?? '').not.toContain('aaaaaaaaaa');
    }
    const huge = await postRaw(path, body, [owner, `${name}: ${'a'.repeat(65_536)}`]);
    expect([400, 431]).toContain(huge?.status ?? 431);
    const split = await postRaw(path, body, [owner, `${name}: a\rx-injected: 1`]);
    expect(split?.status ?? 400).toBe(400);
    expect(asked).toEqual([]);
  });
});

describe('the list of losses', () => {
  test('is made of names that a header carries, and ends', async () => {
    answer = () =>
      new Response(replies['anthropic-messages']('f', '{}'), { headers: { 'content-type': 'application/json' } });
    const odd = ['a\\r\\nset-cookie: x=1', 'b, c', '\\u2028', '\\ud800', 'e'.repeat(5_000), '__proto__', ''];
    const many = Array.from({ length: 500 }, (_, i) => `field${i}`);
    const members = [...odd, ...many].map((name) => `,"${name}":1`).join('');
    const [path, body] = requests['openai-chat']('anthropic-messages', 'f');
    const reply = await post(path, body.replace(/\}$/, `${members}}`));
    expect(reply.status).toBe(200);
    const losses = (reply.headers.get('x-tollgate-loss') ?? '').split(', ');
    expect(losses.length).toBe(64);
    for (const loss of losses) expect(loss).toMatch(/^[\w.:[\]-]{1,96}$/);
    expect(reply.headers.get('set-cookie')).toBeNull();
  });
});

describe('a path in Gemini\u2019s form', () => {
  const contents = '{"contents":[{"role":"user","parts":[{"text":"x"}]}],"generationConfig":{"maxOutputTokens":5}}';
  const key = () => [`x-goog-api-key: ${gateway.apiKey}`];

  test('names the model up to its last colon, escaped or not', async () => {
    answer = () =>
      new Response(replies['gemini-generate']('f', '{}'), { headers: { 'content-type': 'application/json' } });
    for (const model of ['a:b:c', 'a%3Ab%3Ac', '%61:b%3ac']) {
      const reply = await postRaw(`/v1beta/models/${model}:generateContent`, contents, key());
      expect([model, reply?.status]).toEqual([model, 200]);
      expect(asked.at(-1)?.path).toBe('/v1/models/own-name:generateContent');
    }
    const calls = asked.length;
    const never = ['a:b', 'a:b:c%3AgenerateContent', '../a:b:c', '..%2Fa:b:c', 'a%00:b', '%'];
    for (const model of [...never, 'constructor', '__proto__', 'a:b:c?x=']) {
      const reply = await postRaw(`/v1beta/models/${model}:generateContent`, contents, key());
      expect([model, [400, 404].includes(reply?.status ?? 0)]).toEqual([model, true]);
    }
    expect(asked.length).toBe(calls);
  });

  test('has its key in the query, which nobody else hears of', async () => {
    answer = () =>
      new Response(replies['gemini-generate']('f', '{}'), { headers: { 'content-type': 'application/json' } });
    const { apiKey } = gateway;
    const path = '/v1beta/models/a:b:c:generateContent';
    const served = [`?key=${apiKey}`, `?key=${apiKey}&key=${apiKey}`, `?alt=json&key=${apiKey}`, `?k%65y=${apiKey}`];
    for (const query of served) {
      const reply = await postRaw(path + query, contents);
      expect([query.length, reply?.status]).toEqual([query.length, 200]);
      expect(asked.at(-1)?.path).not.toContain(apiKey.slice(0, 12));
    }
    const refused = [
      [`?key=${apiKey}&key=other`, 400],
      [`?key=${apiKey},other`, 400],
      [`?key=`, 401],
      [`?KEY=${apiKey}`, 401],
      [`?key=${apiKey}x`, 401],
    ] as const;
    for (const [query, status] of refused) {
      const reply = await postRaw(path + query, contents);
      expect([query.length, [status, 401].includes(reply?.status ?? 0)]).toEqual([query.length, true]);
      expect(reply?.body ?? '').not.toContain(apiKey.slice(0, 12));
    }
    const beside = await postRaw(`${path}?key=${apiKey}`, contents, ['x-goog-api-key: tg_other']);
    expect([400, 401]).toContain(beside?.status ?? 0);
    const metrics = await fetch(`${gateway.url}/metrics`, {
      headers: { authorization: `Bearer ${gateway.operatorKey}` },
    });
    const told = [...gateway.log, await metrics.text(), JSON.stringify((await gateway.admin('GET', '/usage')).body)];
    expect(told.filter((text) => text.includes(apiKey.slice(0, 12)))).toEqual([]);
    expect(JSON.stringify(asked.map(({ headers, path: at }) => [at, ...headers]))).not.toContain(apiKey);
  });

  test('asks for a stream in two framings: one is served', async () => {
    const event = `data: ${replies['gemini-generate']('f', '{}')}\n\n`;
    answer = () => new Response(event, { headers: { 'content-type': 'text/event-stream' } });
    for (const query of ['?alt=sse&alt=json', '?alt=json&alt=sse', '?alt=sse&alt=sse', '?ALT=sse', '?alt=']) {
      const reply = await postRaw(`/v1beta/models/a:b:c:streamGenerateContent${query}`, contents, key());
      const isStream = reply?.headers.get('content-type')?.startsWith('text/event-stream') === true;
      expect([query, reply?.status, isStream]).toEqual([query, 200, query.startsWith('?alt=sse')]);
      expect(reply?.body.trimStart().startsWith(isStream ? 'data: ' : '[')).toBe(true);
      expect(asked.at(-1)?.path).toEndWith(isStream ? ':streamGenerateContent?alt=sse' : ':streamGenerateContent');
    }
  });
});
