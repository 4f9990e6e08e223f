// The simulator in each chat protocol, asked by clients of the others through a whole gateway: replies, streams,
// refusals, counts of tokens and lists of models are as the clients' SDKs type them. Needs no recordings.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { simulator } from '../../plugins/index.ts';
import { named, simulatorAddress } from '../../src/plugin/index.ts';
import { wrongInError, wrongInReply, wrongInStream } from '../protocols/described/emitted.ts';
import { wrongIn } from '../protocols/described/sdk-schemas.ts';
import type { WireType } from '../protocols/described/sdk-schemas.ts';
import { simulatorModel, startTestGateway, testConfig, type TestGateway } from '../support/gateway.ts';
import { chatProtocols } from './crossed/read-with-sdk.ts';
import type { ChatProtocol } from './crossed/read-with-sdk.ts';

setDefaultTimeout(60_000);

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startTestGateway({
    config: testConfig({
      providers: chatProtocols.map((protocol) => named(`of-${protocol}`, simulator({ protocols: [protocol] }))),
      upstreams: chatProtocols.map((protocol) => ({
        name: `at-${protocol}`,
        provider: `of-${protocol}`,
        baseUrl: simulatorAddress,
        addresses: 'any',
      })),
      models: chatProtocols.map((protocol) =>
        simulatorModel(protocol, {
          operations: ['chat'],
          price: { currency: 'USD', rates: { input: 1n, cacheRead: 1n, output: 1n, reasoning: 1n } },
          offers: [{ upstream: `at-${protocol}`, model: 'sim/fast' }],
        }),
      ),
    }),
  });
});
afterAll(() => gateway.stop());

const schema = { type: 'object', properties: { place: { type: 'string' } } };
const offered = { name: 'look', description: 'Looks.' };

interface Asked {
  readonly model: string;
  readonly text: string;
  readonly stream: boolean;
}

/** A call with one tool on offer, as a client of that protocol makes it. */
const requests: Readonly<Record<ChatProtocol, (asked: Asked) => { readonly path: string; readonly body: object }>> = {
  'openai-chat': ({ model, text, stream }) => ({
    path: '/v1/chat/completions',
    body: {
      model,
      messages: [{ role: 'user', content: text }],
      tools: [{ type: 'function', function: { ...offered, parameters: schema } }],
      ...(stream ? { stream, stream_options: { include_usage: true } } : {}),
    },
  }),
  'openai-responses': ({ model, text, stream }) => ({
    path: '/v1/responses',
    body: { model, input: text, stream, tools: [{ type: 'function', ...offered, parameters: schema, strict: false }] },
  }),
  'anthropic-messages': ({ model, text, stream }) => ({
    path: '/v1/messages',
    body: {
      model,
      stream,
      max_tokens: 100,
      messages: [{ role: 'user', content: text }],
      tools: [{ ...offered, input_schema: schema }],
    },
  }),
  'gemini-generate': ({ model, text, stream }) => ({
    path: `/v1beta/models/${model}:${stream ? 'streamGenerateContent?alt=sse' : 'generateContent'}`,
    body: {
      contents: [{ role: 'user', parts: [{ text }] }],
      tools: [{ functionDeclarations: [{ ...offered, parameters: schema }] }],
    },
  }),
};

async function send(path: string, body: unknown, apiKey = gateway.apiKey): Promise<{ status: number; text: string }> {
  const answer = await fetch(`${gateway.url}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  return { status: answer.status, text: await answer.text() };
}

/** The simulator echoes the last of them, calls what is told to call, and counts as it is bid. */
const prompts = ['alpha beta gamma', 'call look {"place":"sea"} call look', '[[sim: chunks=3 cached=1 reasoning=5]]'];

describe.each([...chatProtocols])('a client of %s', (client) => {
  test.each(chatProtocols.filter((each) => each !== client))('on an upstream of %s', async (model) => {
    for (const text of prompts) {
      for (const stream of [false, true]) {
        const { path, body } = requests[client]({ model, text, stream });
        const said = await send(path, body);
        expect([said.status, said.text.length > 0]).toEqual([200, true]);
        expect((stream ? wrongInStream : wrongInReply)(client, said.text)).toBe('');
        if (text.startsWith('call')) expect(said.text).toContain('look');
      }
    }
  });

  const whole = { model: 'openai-chat', text: 'hi', stream: false };
  test('that is refused', async () => {
    const { path, body } = requests[client](whole);
    const nobody = requests[client]({ ...whole, model: 'nobody' });
    for (const [at, sent, apiKey, status] of [
      [path, '{', gateway.apiKey, 400],
      [path, {}, gateway.apiKey, 400],
      [path, body, 'tg_nobody', 401],
      [nobody.path, nobody.body, gateway.apiKey, 404],
    ] as const) {
      const said = await send(at, sent, apiKey);
      expect([said.status, wrongInError(client, said.text)]).toEqual([status, '']);
    }
  });
});

test('Gemini’s array instead of events', async () => {
  const { body } = requests['gemini-generate']({ model: 'openai-chat', text: prompts[0] ?? '', stream: true });
  const said = await send('/v1beta/models/openai-chat:streamGenerateContent', body);
  const events: unknown = JSON.parse(said.text);
  if (!Array.isArray(events)) throw new Error(`no array: ${said.text}`);
  expect(events.map((each: unknown) => wrongIn('GeminiReply', each)).join('')).toBe('');
  expect(events.length).toBeGreaterThan(1);
});

test('counts of tokens', async () => {
  const contents = [{ role: 'user', parts: [{ text: 'hi' }] }];
  const messages = { model: 'openai-chat', messages: [{ role: 'user', content: 'hi' }] };
  const [ofMessages, ofGemini] = await Promise.all([
    send('/v1/messages/count_tokens', messages),
    send('/v1beta/models/openai-chat:countTokens', { contents }),
  ]);
  expect(wrongIn('MessagesCount', JSON.parse(ofMessages.text))).toBe('');
  expect(wrongIn('GeminiCount', JSON.parse(ofGemini.text))).toBe('');
  expect(JSON.parse(ofGemini.text)).toHaveProperty('totalTokens');
});

const asAnthropic = { 'anthropic-version': '2023-06-01' };
const lists: readonly (readonly [path: string, headers: Record<string, string>, type: WireType])[] = [
  ['/v1/models', {}, 'OpenAiModels'],
  ['/v1/models/openai-chat', {}, 'OpenAiModel'],
  ['/v1/models', asAnthropic, 'MessagesModels'],
  ['/v1/models/openai-chat', asAnthropic, 'MessagesModel'],
  ['/v1beta/models', {}, 'GeminiModels'],
  ['/v1beta/models?pageSize=1', {}, 'GeminiModels'],
  ['/v1beta/models/openai-chat', {}, 'GeminiModel'],
];
test.each(lists)('models at %s with %p are %s', async (path, headers, type) => {
  const answer = await fetch(`${gateway.url}${path}`, {
    headers: { authorization: `Bearer ${gateway.apiKey}`, ...headers },
  });
  expect(wrongIn(type, await answer.json())).toBe('');
});
