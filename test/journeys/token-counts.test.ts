// Counts of input tokens, as agents ask for them before they call: passed on where the vendor counts, near the truth
// where we do, in the form of the official protocols, and for nothing.

import Anthropic from '@anthropic-ai/sdk';
import { GoogleGenAI } from '@google/genai';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { GoogleGenAI as GoogleGenAI2 } from 'genai-2';
import { countTokens } from 'gpt-tokenizer/encoding/o200k_base';
import { allow, definePolicy, fromEnvironment, Type } from '../../src/plugin/index.ts';
import { anthropic, gemini, simulator } from '../../plugins/index.ts';
import { openHolds } from '../pipeline/stage.ts';
import { field, simulatorModel, startTestGateway, testConfig, type TestGateway } from '../support/gateway.ts';

setDefaultTimeout(60_000);

/** The newer asks under /v1, the older under /v1beta. */
const googleClients = [
  [3, GoogleGenAI],
  [2, GoogleGenAI2],
] as const;

const credential = 'sk-of-the-house-alone-4711';
const prose = 'The gateway counts what a request would cost before anybody pays for it. '.repeat(20);

interface Asked {
  readonly path: string;
  readonly headers: Headers;
  readonly body: string;
}

let gateway: TestGateway;
let asked: Asked[] = [];
let answer: () => Response;
let vendor: ReturnType<typeof Bun.serve>;

beforeAll(async () => {
  vendor = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    async fetch(request) {
      const { pathname, search } = new URL(request.url);
      asked.push({ path: pathname + search, headers: request.headers, body: await request.text() });
      return answer();
    },
  });
  const counting = { baseUrl: `http://127.0.0.1:${vendor.port}/v1`, addresses: 'any' } as const;
  const keyed = { ...counting, credential: fromEnvironment('VENDOR_KEY') };
  gateway = await startTestGateway({
    environment: { VENDOR_KEY: credential },
    config: testConfig({
      providers: [simulator(), anthropic(), gemini()],
      upstreams: [
        { name: 'simulator', provider: 'simulator', baseUrl: 'simulator:', addresses: 'any' },
        { ...keyed, name: 'claude', provider: 'anthropic' },
        { ...keyed, name: 'google', provider: 'gemini' },
        { ...keyed, name: 'forbidden', provider: 'anthropic' },
      ],
      policies: [notForbidden()],
      terms: [],
      models: [
        simulatorModel('here'),
        simulatorModel('embeds', { operations: ['embeddings'], outputTokensMax: 0 }),
        priced('claude', 'claude', 'claude-own-name'),
        priced('forbidden', 'forbidden', 'claude-own-name'),
        priced('team/gemini', 'google', 'gemini-own-name'),
        simulatorModel('hidden', { groups: ['inner-circle'] }),
      ],
      groups: [{ name: 'inner-circle' }],
    }),
  });
});
afterAll(async () => {
  await gateway.stop();
  await vendor.stop(true);
});

const rates = {
  input: 1n,
  cacheRead: 1n,
  cacheWrite5m: 1n,
  cacheWrite1h: 1n,
  audioInput: 1n,
  output: 1n,
  reasoning: 1n,
  toolCalls: 1n,
};
const priced = (name: string, upstream: string, model: string) =>
  simulatorModel(name, { operations: ['chat'], price: { currency: 'USD', rates }, offers: [{ upstream, model }] });

/** Denies one upstream to everybody. */
const notForbidden = definePolicy({
  name: 'not-forbidden',
  version: '1.0.0',
  summary: 'One upstream is for nobody',
  options: Type.Object({}),
  create: () => ({
    gates: ['use'],
    asks: 'upstream',
    clauses: ['A1'],
    onFailure: 'deny',
    deadlineMs: 1_000,
    judge: ({ upstream }) => (upstream?.name === 'forbidden' ? denial : allow),
  }),
});

const denial = {
  verdict: 'deny',
  code: 'policy_refused',
  clause: 'A1',
  message: 'Not there.',
  remedy: '',
  link: undefined,
} as const;

beforeEach(() => {
  asked = [];
  answer = () => new Response('nobody asked for this', { status: 500 });
});

/** Every call of this file is for nothing: no record, no hold, no money. */
afterEach(async () => {
  expect((await gateway.admin('GET', '/usage?limit=1')).body['items']).toEqual([]);
  expect(openHolds(gateway)).toBe(0);
});

const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
  fetch(`${gateway.url}${path}`, {
    method: 'POST',
    headers: { 'x-api-key': gateway.apiKey, 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
const messages = '/v1/messages/count_tokens';
const verb = (model: string) => `/v1beta/models/${model}:countTokens`;
const turns = (text: string) => [{ role: 'user' as const, content: text }];
const contents = (text: string) => [{ role: 'user', parts: [{ text }] }];

function near(count: unknown, text: string): void {
  const truth = countTokens(text);
  expect(count).toBeGreaterThanOrEqual(truth);
  expect(count).toBeLessThanOrEqual(Math.ceil(truth * 1.25) + 10);
}

describe('an upstream that counts', () => {
  test('is asked under its own name for the model and with our credential, and its answer passed on', async () => {
    answer = () => Response.json({ input_tokens: 4_711, context_management: { original_input_tokens: 9 } });
    const body = { model: 'claude', messages: turns('hi'), system: 'be brief' };
    const reply = await post(messages, body, { 'anthropic-version': '2023-06-01', 'anthropic-beta': 'a-beta' });
    expect(reply.status).toBe(200);
    expect(reply.headers.get('x-request-id')).toStartWith('req_');
    expect(await reply.json()).toEqual({ input_tokens: 4_711, context_management: { original_input_tokens: 9 } });
    expect(asked.map(({ path }) => path)).toEqual(['/v1/messages/count_tokens']);
    const headers = asked[0]?.headers;
    expect(headers?.get('x-api-key')).toBe(credential);
    expect(headers?.get('anthropic-beta')).toBe('a-beta');
    expect(JSON.stringify([...(headers ?? [])])).not.toContain(gateway.apiKey);
    expect(JSON.parse(asked[0]?.body ?? '')).toEqual({ ...body, model: 'claude-own-name' });
  });

  test.each(googleClients)('is asked in the form of Gemini, by its official client %d', async (_major, Client) => {
    answer = () => Response.json({ totalTokens: 815, promptTokensDetails: [{ modality: 'TEXT', tokenCount: 815 }] });
    const client = new Client({ apiKey: gateway.apiKey, httpOptions: { baseUrl: gateway.url } });
    const { totalTokens } = await client.models.countTokens({ model: 'team/gemini', contents: 'hi' });
    expect(totalTokens).toBe(815);
    expect(asked.map(({ path }) => path)).toEqual(['/v1/models/gemini-own-name:countTokens']);
    expect(asked[0]?.headers.get('x-goog-api-key')).toBe(credential);
  });

  test.each(['generateContentRequest', 'generate_content_request'])(
    'never hears the public name, which Gemini writes into %s, too',
    async (wrapper) => {
      answer = () => Response.json({ totalTokens: 3 });
      const inner = (model: string) =>
        `{"${wrapper}": {"contents":[{"role":"user","parts":[{"text":"hi"}]}], "model" : "models/${model}"}}`;
      const reply = await post(verb('team/gemini'), inner('team/gemini'));
      expect(await reply.json()).toEqual({ totalTokens: 3 });
      expect(asked.map(({ body }) => body)).toEqual([inner('gemini-own-name')]);
    },
  );

  test.each([
    ['fails', () => new Response('no', { status: 500 })],
    ['is out of money', () => Response.json({ error: {} }, { status: 401 })],
    ['answers with a web page', () => new Response('<html>')],
    ['tells no count', () => Response.json({ input_tokens: 'many' })],
    ['repeats our credential', () => Response.json({ input_tokens: 3, seen: credential })],
  ])('and %s leaves it to us', async (_what, said) => {
    answer = said;
    const reply = await post(messages, { model: 'claude', messages: turns(prose) });
    const text = await reply.text();
    expect(reply.status).toBe(200);
    expect(text).not.toContain(credential);
    near(field(JSON.parse(text), 'input_tokens'), prose);
    expect(asked).toHaveLength(1);
  });

  test('is not shown a prompt that a policy keeps from it', async () => {
    const reply = await post(messages, { model: 'forbidden', messages: turns(prose) });
    expect(reply.status).toBe(200);
    near(field(await reply.json(), 'input_tokens'), prose);
    expect(asked).toEqual([]);
  });
});

describe('where no upstream counts', () => {
  test('the official Anthropic client reads our count, near the truth', async () => {
    const client = new Anthropic({ apiKey: gateway.apiKey, baseURL: gateway.url });
    const plain = await client.messages.countTokens({ model: 'here', messages: turns(prose) });
    near(plain.input_tokens, prose);
    const more = await client.messages.countTokens({
      model: 'here',
      messages: [{ role: 'user', content: [{ type: 'text', text: prose }] }],
      system: [{ type: 'text', text: prose }],
      tools: [{ name: 'look', description: prose, input_schema: { type: 'object' } }],
    });
    expect(more.input_tokens).toBeGreaterThanOrEqual(3 * countTokens(prose));
    expect(more.input_tokens).toBeLessThanOrEqual(3 * Math.ceil(countTokens(prose) * 1.25) + 40);
  });

  test.each(googleClients)('the official Gemini client %d reads it, too', async (_major, Client) => {
    const client = new Client({ apiKey: gateway.apiKey, httpOptions: { baseUrl: gateway.url } });
    const { totalTokens } = await client.models.countTokens({ model: 'here', contents: prose });
    near(totalTokens, prose);
    const wrapped = await post(verb('here'), {
      generateContentRequest: { model: 'models/here', contents: contents(prose) },
    });
    near(field(await wrapped.json(), 'totalTokens'), prose);
  });

  test('a picture is taken for a picture, not for its letters', async () => {
    const source = { type: 'base64', media_type: 'image/png', data: 'A'.repeat(200_000) };
    const body = { model: 'here', messages: [{ role: 'user', content: [{ type: 'image', source }] }] };
    const count = Number(field(await (await post(messages, body)).json(), 'input_tokens'));
    expect(count).toBeGreaterThan(500);
    expect(count).toBeLessThan(3_000);
    const parts = [{ inlineData: { mimeType: 'image/png', data: source.data } }];
    const inGemini = await (await post(verb('here'), { contents: [{ role: 'user', parts }] })).json();
    expect(Math.abs(Number(field(inGemini, 'totalTokens')) - count)).toBeLessThan(10);
  });

  test('fifty at once are all counted', async () => {
    const texts = Array.from({ length: 50 }, (_, at) => `${prose} number ${at}`);
    const replies = await Promise.all(texts.map((text) => post(messages, { model: 'here', messages: turns(text) })));
    expect(replies.map(({ status }) => status)).toEqual(texts.map(() => 200));
    for (const [at, reply] of replies.entries()) near(field(await reply.json(), 'input_tokens'), texts[at] ?? '');
  });
});

describe('a count is refused', () => {
  const anthropicCases: readonly (readonly [what: string, body: unknown, status: number, says: string])[] = [
    ['without a model', { messages: turns('hi') }, 400, 'model: '],
    ['with a model that is no text', { model: 7, messages: turns('hi') }, 400, 'model: '],
    ['without messages', { model: 'here' }, 400, 'messages: '],
    ['with messages that are no list', { model: 'here', messages: 'hi' }, 400, 'messages: '],
    ['with a body that is no JSON', '{"model":"here",', 400, 'JSON'],
    ['with an empty body', '', 400, 'empty'],
    ['for a model that nobody has', { model: 'nobody', messages: turns('hi') }, 404, 'model: '],
    ['for a model of another group', { model: 'hidden', messages: turns('hi') }, 404, 'model: '],
    ['for a model that does not chat', { model: 'embeds', messages: turns('hi') }, 400, 'model: '],
  ];
  test.each(anthropicCases)('%s, in Anthropic’s form', async (_what, body, status, says) => {
    const reply = await post(messages, body);
    expect(reply.status).toBe(status);
    const type = status === 404 ? 'not_found_error' : 'invalid_request_error';
    const said: unknown = await reply.json();
    expect(said).toMatchObject({ type: 'error', error: { type } });
    expect(field(said, 'error', 'message')).toContain(says);
  });

  test.each([
    ['without contents', verb('here'), {}, 400, 'contents'],
    ['with contents that are no list', verb('here'), { generateContentRequest: { contents: 'x' } }, 400, 'contents'],
    ['for a model that nobody has', verb('nobody'), { contents: contents('hi') }, 404, 'model'],
  ])('%s, in Gemini’s form', async (_what, path, body, code, named) => {
    const reply = await post(path, body);
    expect(reply.status).toBe(code);
    const said: unknown = await reply.json();
    expect(said).toMatchObject({
      error: { code, status: code === 404 ? 'NOT_FOUND' : 'INVALID_ARGUMENT', message: expect.any(String) },
    });
    expect(JSON.stringify(field(said, 'error', 'details'))).toContain(`"field":"${named}"`);
  });

  test('to a key without the right, and to no key', async () => {
    const { apiKey } = await gateway.fundedKey(0n, { models: ['embeds'] });
    const body = { model: 'here', messages: turns('hi') };
    const limited = await post(messages, body, { 'x-api-key': apiKey });
    expect(limited.status).toBe(403);
    expect(await limited.json()).toMatchObject({ type: 'error', error: { type: 'permission_error' } });
    const nobody = await post(messages, body, { 'x-api-key': 'tg_nobody' });
    expect(nobody.status).toBe(401);
    expect(await nobody.json()).toMatchObject({ type: 'error', error: { type: 'authentication_error' } });
    const gemini401 = await post(verb('here'), { contents: contents('hi') }, { 'x-api-key': 'tg_nobody' });
    expect(await gemini401.json()).toMatchObject({ error: { code: 401, status: 'UNAUTHENTICATED' } });
  });

  test('to nobody for want of money: it costs none', async () => {
    const { apiKey } = await gateway.fundedKey(0n);
    const reply = await post(messages, { model: 'here', messages: turns('hi') }, { 'x-api-key': apiKey });
    expect(reply.status).toBe(200);
  });
});
