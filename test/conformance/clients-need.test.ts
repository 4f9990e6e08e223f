// What every client needs of a gateway, whichever protocol it speaks: paths told apart, keys where it puts them, its
// version as data, an answer to what is not served. Each name begins with its row of the table.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { agents } from '../agents/agent-commands.ts';
import { field } from '../support/gateway.ts';
import { at, list } from './heard-replies.ts';
import { startScriptedGateway } from './scripted-gateway.ts';
import type { ScriptedGateway } from './scripted-gateway.ts';
import { chatReply, geminiReply, hello, messagesReply } from './scripted-replies.ts';
import { senders } from './sent-requests.ts';

setDefaultTimeout(60_000);

let stage: ScriptedGateway;
let ask: ReturnType<typeof senders>;
beforeAll(async () => {
  stage = await startScriptedGateway();
  ask = senders(stage);
});
afterAll(() => stage.stop());

const version = { 'anthropic-version': '2023-06-01' };
const contents = [{ role: 'user', parts: [{ text: 'Hello' }] }];
const geminiUsage = { promptTokenCount: 5, candidatesTokenCount: 1, totalTokenCount: 6 };
const messagesUsage = { input_tokens: 5, output_tokens: 1 };

describe('1.1 /v1/models and what is below it', () => {
  const forms = [
    ['OpenAI’s without any other header', {}, 'data', { object: 'list' }],
    ['Anthropic’s by anthropic-version', version, 'data', { has_more: false }],
    ['Gemini’s by x-goog-api-client', { 'x-goog-api-client': 'google-genai-sdk/3.1.0' }, 'models', {}],
    ['Gemini’s before Anthropic’s', { 'x-goog-api-client': 'x', ...version }, 'models', {}],
  ] as const;
  test.each(forms)('1.1 the list is %s', async (_name, headers, name, shape) => {
    const { status, body } = await stage.ask('/v1/models', { method: 'GET', headers });
    expect([status, body]).toMatchObject([200, shape]);
    expect(list(body, name).length).toBeGreaterThan(5);
  });

  test('1.1 the list is Gemini’s by x-goog-api-key, which is the only key then', async () => {
    const { body } = await stage.ask('/v1/models', {
      method: 'GET',
      headers: { 'x-goog-api-key': stage.gateway.apiKey },
    });
    expect(list(body, 'models').length).toBeGreaterThan(5);
  });

  test('1.1 a verb behind a colon is Gemini’s call, under both prefixes; an unknown verb has no path', async () => {
    stage.answer({ json: geminiReply(geminiUsage) });
    for (const prefix of ['/v1', '/v1beta']) {
      const { status, body } = await stage.ask(`${prefix}/models/gemini:generateContent`, { body: { contents } });
      expect([status, at(body, 'candidates', 0, 'finishReason')]).toEqual([200, 'STOP']);
      const unknown = await stage.ask(`${prefix}/models/gemini:paint`, { body: { contents } });
      expect([unknown.status, unknown.text.length > 0]).toEqual([404, true]);
    }
    expect((await stage.ask('/v1/models/gemini', { method: 'GET' })).body).toMatchObject({ id: 'gemini' });
  });
});

describe('1.2 keys', () => {
  const calls: readonly (readonly [path: string, body: object | undefined, answer: object])[] = [
    ['/v1/chat/completions', { model: 'chat', messages: hello }, chatReply({ prompt_tokens: 1, completion_tokens: 1 })],
    ['/v1/messages', { model: 'anthropic', messages: hello, max_tokens: 10 }, messagesReply(messagesUsage)],
    ['/v1beta/models/gemini:generateContent', { contents }, geminiReply(geminiUsage)],
    ['/v1/messages/count_tokens', { model: 'chat', messages: hello }, {}],
    [
      '/openai/deployments/chat/chat/completions',
      { messages: hello },
      chatReply({ prompt_tokens: 1, completion_tokens: 1 }),
    ],
    ['/v1/models', undefined, {}],
    ['/v1beta/models', undefined, {}],
  ];
  const places: readonly (readonly [place: string, of: (key: string) => Record<string, string>])[] = [
    ['Authorization: Bearer', (key) => ({ authorization: `Bearer ${key}` })],
    ['x-api-key', (key) => ({ 'x-api-key': key })],
    ['api-key', (key) => ({ 'api-key': key })],
    ['x-goog-api-key', (key) => ({ 'x-goog-api-key': key })],
  ];
  const method = (body: object | undefined) => (body === undefined ? 'GET' : 'POST');

  test.each(places.map((place) => [...place] as const))('1.2 in %s, on every path', async (_place, of) => {
    for (const [path, body, json] of calls) {
      stage.answer({ json });
      const good = await stage.ask(path, { method: method(body), body, headers: of(stage.gateway.apiKey) });
      expect([path, good.status]).toEqual([path, 200]);
      const bad = await stage.ask(path, { method: method(body), body, headers: of('tg_nobody') });
      expect([path, bad.status]).toEqual([path, 401]);
      expect(path === '/v1/models' || stage.last().headers.get('x-api-key') !== stage.gateway.apiKey).toBeTrue();
    }
  });

  test('1.2 in the query, on every path, and it goes no further', async () => {
    for (const [path, body, json] of calls) {
      stage.answer({ json });
      const before = stage.arrived.length;
      const good = await stage.ask(`${path}?key=${stage.gateway.apiKey}`, { method: method(body), body });
      expect([path, good.status]).toEqual([path, 200]);
      expect((await stage.ask(`${path}?key=tg_nobody`, { method: method(body), body })).status).toBe(401);
      for (const { path: arrived, headers } of stage.arrived.slice(before))
        expect(arrived + JSON.stringify([...headers])).not.toContain(stage.gateway.apiKey);
    }
  });

  test('1.2 nowhere: 401 in the form of who asks', async () => {
    const none = { headers: { authorization: '' } };
    expect((await stage.ask('/v1/messages', { ...none, body: {} })).body).toMatchObject({ type: 'error' });
    expect((await stage.ask('/v1beta/models/gemini:generateContent', { ...none, body: {} })).status).toBe(401);
  });
});

describe('1.3 anthropic-version is data', () => {
  test.each(['2026-10-21', '2023-06-01'])(
    '1.3 %s goes to Anthropic as the client sent it, with all that it sent',
    async (sent) => {
      const own = { temperature: 0.5, top_p: 0.9, top_k: 5 };
      const { arrived } = await ask.messages('anthropic', own, { 'anthropic-version': sent });
      expect(arrived?.headers.get('anthropic-version')).toBe(sent);
      expect(arrived?.body).toMatchObject(own);
    },
  );

  test('1.3 a client without one, and one of another protocol, are written for 2023-06-01', async () => {
    const crossed = await ask.chat('anthropic', { temperature: 0.5 });
    expect(crossed.arrived?.headers.get('anthropic-version')).toBe('2023-06-01');
    expect(crossed.body).toMatchObject({ temperature: 0.5 });
    const without = await ask.messages('anthropic', {});
    expect(without.arrived?.headers.get('anthropic-version')).toBe('2023-06-01');
  });

  test('1.3 what that version refuses is told to the client as Anthropic says it', async () => {
    const message = 'temperature: not supported in this version';
    stage.answer({ status: 400, json: { type: 'error', error: { type: 'invalid_request_error', message } } });
    const body = { model: 'anthropic', messages: hello, max_tokens: 10, temperature: 0.5 };
    const heard = await stage.ask('/v1/messages', { body, headers: { 'anthropic-version': '2026-10-21' } });
    expect([heard.status, at(heard.body, 'error', 'type')]).toEqual([400, 'invalid_request_error']);
    expect(at(heard.body, 'error', 'message')).toContain(message);
  });
});

describe('1.4 a websocket', () => {
  const upgrade = {
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
  };
  const paths = ['/v1/responses', '/openai/v1/responses', '/v1/realtime?model=gpt-realtime', '/v1beta/models'];
  test.each(paths)('1.4 on %s is answered 426 before anything else is looked at', async (path) => {
    for (const headers of [upgrade, { ...upgrade, authorization: 'Bearer tg_nobody' }]) {
      const heard = await stage.ask(path, { method: 'GET', headers });
      expect([heard.status, heard.headers.get('content-type')]).toEqual([426, 'application/json']);
    }
  });
});

test('1.5 role system among Anthropic’s messages, with output_config on the message, goes on as it came', async () => {
  const system = { role: 'system', content: [{ type: 'text', text: 'Be brief.' }], output_config: { effort: 'low' } };
  const messages = [...hello, { role: 'assistant', content: 'Yes?' }, system, { role: 'user', content: 'Go on' }];
  const own = await ask.messages('anthropic', { messages });
  expect(field(own.body, 'messages')).toEqual(messages);
  for (const model of ['chat', 'responses', 'gemini']) {
    const { heard, arrived } = await ask.messages(model, { messages });
    expect([heard.status, arrived?.text.includes('Be brief.')]).toEqual([200, true]);
  }
});

test('1.6 the same words are counted by the provider’s rule: reasoning within, or beside', async () => {
  const usage = { prompt_tokens: 10, completion_tokens: 30, completion_tokens_details: { reasoning_tokens: 20 } };
  stage.answer({ json: chatReply(usage) });
  const outputs = [];
  for (const model of ['chat', 'xai']) {
    const record = await stage.recordOf(await stage.ask('/v1/chat/completions', { body: { model, messages: hello } }));
    outputs.push([field(record, 'usage', 'output'), field(record, 'usage', 'reasoning')]);
  }
  expect(outputs).toEqual([
    [10, 20],
    [30, 20],
  ]);
});

test('1.7, 2b.1, 2c.1 the big command-line agents are run against a gateway', () => {
  const programs = agents.map(({ program }) => program).join(' ');
  for (const name of ['@anthropic-ai/claude-code', '@openai/codex', '@google/gemini-cli', 'opencode'])
    expect(programs).toContain(name);
});
