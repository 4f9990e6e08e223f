// What each client really sends, in the shape in which it sends it, to a gateway that has an upstream of its protocol.
// Each name begins with its row of the table of clients; what the big agents need besides is in `agents-need.test.ts`.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { field } from '../support/gateway.ts';
import { at, list } from './heard-replies.ts';
import { plainEvents, startScriptedGateway } from './scripted-gateway.ts';
import type { ScriptedGateway } from './scripted-gateway.ts';
import {
  chatReply,
  chatStream,
  chunk,
  ends,
  geminiReply,
  hello,
  messagesReply,
  responsesReply,
  responsesStream,
  says,
} from './scripted-replies.ts';
import { chatTool, lossesOf, schema, senders, turnsOf, user } from './sent-requests.ts';

setDefaultTimeout(60_000);

let stage: ScriptedGateway;
let ask: ReturnType<typeof senders>;
beforeAll(async () => {
  stage = await startScriptedGateway({
    'claude-sonnet-4-5': 'anthropic',
    'gpt-5.2-codex': 'responses',
    'gemini-2.5-flash': 'gemini',
    'gemini-3.5-flash-lite': 'gemini',
    'openai/gpt-5.2': 'chat',
  });
  ask = senders(stage);
});
afterAll(() => stage.stop());

const contents = [{ role: 'user', parts: [{ text: 'Hello' }] }];
const chatUsage = { prompt_tokens: 5, completion_tokens: 1, total_tokens: 6 };
const geminiUsage = { promptTokenCount: 5, candidatesTokenCount: 1, totalTokenCount: 6 };
const responsesUsage = { input_tokens: 5, output_tokens: 1, total_tokens: 6 };
const key = () => stage.gateway.apiKey;

describe('agents', () => {
  test('2a.1 Claude Code: HEAD /api/hello, then /v1/messages?beta=true by either header', async () => {
    const hi = await stage.ask('/api/hello', { method: 'HEAD' });
    expect([hi.status, hi.text]).toEqual([404, '']);
    stage.answer({ json: messagesReply({ input_tokens: 5, output_tokens: 1 }) });
    const body = { model: 'claude-sonnet-4-5', max_tokens: 32_000, messages: [user('x'.repeat(48_000))] };
    for (const headers of [{ 'x-api-key': key() }, { authorization: `Bearer ${key()}` }] as Record<string, string>[]) {
      const heard = await stage.ask('/v1/messages?beta=true', {
        body,
        headers: { ...headers, 'anthropic-version': '2023-06-01' },
      });
      expect(heard.status).toBe(200);
      expect(field(stage.last().body, 'messages')).toEqual(body.messages);
    }
  });

  test('2a.2 Codex: /v1/responses as a stream, after its websocket was refused', async () => {
    stage.answer({ stream: [responsesStream('completed', responsesUsage)] });
    const body = {
      model: 'gpt-5.2-codex',
      instructions: 'x'.repeat(40_000),
      input: [user('Hi')],
      stream: true,
      store: false,
    };
    const heard = await stage.ask('/v1/responses', {
      body,
      headers: { authorization: `Bearer ${key()}`, accept: 'text/event-stream' },
    });
    expect([heard.status, heard.headers.get('content-type')]).toEqual([
      200,
      expect.stringContaining('text/event-stream'),
    ]);
    expect(field(heard.events.at(-1), 'type')).toBe('response.completed');
  });

  test('2a.3 Gemini CLI: a router that answers by schema, then the turn as events', async () => {
    const headers = {
      'x-goog-api-key': key(),
      'x-goog-api-client': 'google-genai-sdk/1.30.0 gl-node/v20.20.2',
      accept: '*/*',
    };
    const router = {
      contents,
      generationConfig: {
        responseMimeType: 'application/json',
        responseJsonSchema: { type: 'OBJECT', properties: {} },
      },
    };
    stage.answer({ json: geminiReply(geminiUsage) });
    const routed = await stage.ask('/v1beta/models/gemini-3.5-flash-lite:generateContent', { body: router, headers });
    expect([routed.status, stage.last().body]).toEqual([200, router]);
    const part = { functionCall: { id: 'c1', name: 'run', args: {} }, thoughtSignature: 'U0lH' };
    const tools = [{ functionDeclarations: [{ name: 'run', parametersJsonSchema: { $schema: 'x', ...schema } }] }];
    const turn = { contents: [...contents, { role: 'model', parts: [part] }], tools };
    stage.answer({ stream: [plainEvents(geminiReply(geminiUsage))] });
    const streamed = await stage.ask('/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse', {
      body: turn,
      headers,
    });
    expect([streamed.status, stage.last().body]).toEqual([200, turn]);
    expect(streamed.headers.get('content-type')).toContain('text/event-stream');
  });

  const small = [
    ['/v1/chat/completions', { model: 'gpt-5.4-nano', messages: hello }, { error: { code: 'model_not_found' } }],
    ['/v1/responses', { model: 'gpt-5.4-nano', input: 'Hello' }, { error: { code: 'model_not_found' } }],
    [
      '/v1/messages',
      { model: 'claude-haiku-4-5-20251001', messages: hello, max_tokens: 9 },
      { error: { type: 'not_found_error' } },
    ],
    ['/v1beta/models/gemini-3.8-flash:streamGenerateContent?alt=sse', { contents }, { error: { status: 'NOT_FOUND' } }],
  ] as const;
  test.each(small)('2a.4 opencode: a small model nobody named fails softly at %s', async (path, body, form) => {
    const heard = await stage.ask(path, {
      body,
      headers: { 'x-api-key': key(), 'x-session-id': 'ses_1', 'x-session-affinity': 'ses_1' },
    });
    expect([heard.status, heard.body]).toMatchObject([404, form]);
  });

  test('2a.4 opencode: eager_input_streaming on tools reaches Anthropic, and no other upstream', async () => {
    const tools = [{ name: 'find', input_schema: schema, eager_input_streaming: true }];
    expect(field((await ask.messages('anthropic', { tools })).body, 'tools')).toEqual(tools);
    const { heard, arrived } = await ask.messages('chat', { tools });
    expect([heard.status, arrived?.text.includes('eager')]).toEqual([200, false]);
  });

  test('2a.5 Continue: content "" beside calls, and the usage that it asks for', async () => {
    stage.answer({ stream: [chatStream(chatUsage)] });
    const messages = turnsOf('call_1', '');
    const body = { model: 'chat', messages, tools: [chatTool], stream: true, stream_options: { include_usage: true } };
    const heard = await stage.ask('/v1/chat/completions', { body });
    expect(field(stage.last().body, 'messages')).toEqual(messages);
    expect(heard.events.map((event) => field(event, 'usage')).filter((usage) => usage !== undefined)).toEqual([
      chatUsage,
    ]);
  });

  const reasoned = [
    ['2a.6 Qwen Code', ''],
    ['2a.7 Cline', null],
  ] as const;
  test.each(reasoned)('%s: reasoning_content in history, and content %p', async (_name, content) => {
    const [first, call, back] = turnsOf('call_1', content);
    const messages = [first, { ...Object(call), reasoning_content: 'Hm' }, back];
    for (const model of ['chat', 'deepseek']) {
      const { heard, body } = await ask.chat(model, { messages, tools: [chatTool] });
      expect([heard.status, field(body, 'messages')]).toEqual([200, messages]);
    }
    const crossed = await ask.chat('anthropic', { messages, tools: [chatTool] });
    expect(crossed.heard.status).toBe(200);
    expect(lossesOf(crossed.heard)).toContain('thinking-history');
  });

  test('2a.8 pi: store, max_completion_tokens, and tools that are not strict', async () => {
    const own = {
      store: false,
      max_completion_tokens: 900,
      tools: [{ type: 'function', function: { name: 'find', parameters: schema, strict: false } }],
    };
    expect((await ask.chat('chat', own)).body).toMatchObject(own);
    for (const model of ['anthropic', 'gemini', 'responses']) {
      const { heard, arrived } = await ask.chat(model, own);
      expect([heard.status, arrived?.text.includes('900')]).toEqual([200, true]);
    }
    expect(
      (await ask.messages('anthropic', {}, { 'anthropic-beta': 'interleaved-thinking-2025-05-14' })).heard.status,
    ).toBe(200);
  });
});

describe('official SDKs', () => {
  test('2a.9 openai: embeddings in base64, and a model whose name has a slash', async () => {
    const data = [{ object: 'embedding', index: 0, embedding: 'AACAPw==' }];
    stage.answer({ json: { object: 'list', model: 'm', data, usage: { prompt_tokens: 2, total_tokens: 2 } } });
    const heard = await stage.ask('/v1/embeddings', {
      body: { model: 'embeddings', input: 'Hi', encoding_format: 'base64' },
    });
    expect(field(stage.last().body, 'encoding_format')).toBe('base64');
    expect(at(heard.body, 'data', 0, 'embedding')).toBe('AACAPw==');
    const model = await stage.ask('/v1/models/openai%2Fgpt-5.2', { method: 'GET' });
    expect(field(model.body, 'id')).toBe('openai/gpt-5.2');
  });

  const azure = [
    ['/openai/deployments/openai%2Fgpt-5.2/chat/completions', { messages: hello }, chatReply(chatUsage)],
    [
      '/openai/deployments/embeddings/embeddings',
      { input: 'Hi' },
      { data: [], usage: { prompt_tokens: 2, total_tokens: 2 } },
    ],
    ['/openai/responses', { model: 'gpt-5.2-codex', input: 'Hi' }, responsesReply(responsesUsage)],
  ] as const;
  test.each(azure)('2a.9 AzureOpenAI: %s, with its version and api-key', async (path, body, json) => {
    stage.answer({ json });
    const heard = await stage.ask(`${path}?api-version=2024-10-21`, { body, headers: { 'api-key': key() } });
    expect(heard.status).toBe(200);
    expect(stage.last().path).not.toContain('api-version');
  });

  const unserved = [
    '/v1/moderations',
    '/v1/images/generations',
    '/v1/images/edits',
    '/v1/audio/speech',
    '/v1/audio/transcriptions',
    '/v1/files',
    '/v1/batches',
    '/v1/responses/input_tokens',
    '/v1/responses/compact',
  ];
  test.each(unserved)('2a.9 openai: %s, multipart or not, is refused in OpenAI’s form', async (path) => {
    const form = { 'content-type': 'multipart/form-data; boundary=b' };
    for (const headers of [{}, form] as Record<string, string>[]) {
      const heard = await stage.ask(path, { body: '--b--', headers });
      expect([heard.status, at(heard.body, 'error', 'type')]).toEqual([404, 'not_found_error']);
    }
  });

  test('2a.10 @anthropic-ai/sdk 1: Bearer, its newest version, betas in one header; 0.x: x-api-key', async () => {
    const betas = 'context-1m-2025-08-07,files-api-2025-04-14';
    const newest = { authorization: `Bearer ${key()}`, 'anthropic-version': '2026-10-21', 'anthropic-beta': betas };
    const { heard, arrived } = await ask.messages('claude-sonnet-4-5', {}, newest);
    expect([heard.status, arrived?.headers.get('anthropic-beta')]).toEqual([200, betas]);
    const older = { 'x-api-key': key(), 'anthropic-version': '2023-06-01' };
    expect((await ask.messages('claude-sonnet-4-5', {}, older)).heard.status).toBe(200);
    const list = await stage.ask('/v1/models', { method: 'GET', headers: newest });
    expect(list.body).toMatchObject({ has_more: false });
    expect((await stage.ask('/v1/messages/batches', { body: {}, headers: newest })).body).toMatchObject({
      type: 'error',
    });
  });

  test('2a.10 every event of a translated stream is named as its type says, or else 0.x drops it', async () => {
    stage.answer({ stream: [plainEvents(chunk({ choices: [says] }), chunk({ choices: [ends] }), '[DONE]')] });
    const { text } = await stage.ask('/v1/messages', {
      body: { model: 'chat', messages: hello, max_tokens: 9, stream: true },
    });
    const names = [...text.matchAll(/^event: (\S+)\ndata: .*?"type":"([^"]+)"/gm)];
    expect(names.length).toBe(text.split('data:').length - 1);
    for (const [, name, type] of names) expect(name).toBe(String(type));
  });

  test('2a.11 @google/genai: calls under /v1 and /v1beta; what is not served is refused in Gemini’s form', async () => {
    const headers = { 'x-goog-api-key': key(), 'x-goog-api-client': 'google-genai-sdk/3.1.0 gl-node/v26.3.0' };
    stage.answer({ json: geminiReply(geminiUsage) });
    for (const prefix of ['/v1', '/v1beta'])
      expect(
        (await stage.ask(`${prefix}/models/gemini-2.5-flash:generateContent`, { body: { contents }, headers })).status,
      ).toBe(200);
    for (const path of ['/v1/models/gemini-embedding-001:batchEmbedContents', '/v1/interactions'])
      expect(await stage.ask(path, { body: {}, headers })).toMatchObject({
        status: 404,
        body: { error: { code: 404, status: 'NOT_FOUND' } },
      });
    const live = `//ws/google.ai.generativelanguage.v1.GenerativeService.BidiGenerateContent?key=${key()}`;
    const socket = {
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
    };
    expect((await stage.ask(live, { method: 'GET', headers: socket })).status).toBe(404);
  });
});

describe('frameworks', () => {
  test('2a.12 ai: a reference to reasoning that nobody keeps does not stop the second turn', async () => {
    const input = [
      user('Hi'),
      { type: 'item_reference', id: 'rs_1' },
      { role: 'assistant', content: [{ type: 'output_text', text: 'Yes?' }] },
      user('Go on'),
    ];
    const { heard, body } = await ask.responses('chat', { input });
    expect([heard.status, list(body, 'messages').length]).toEqual([200, 3]);
    expect(heard.headers.get('x-tollgate-loss')).toBe('field:input[1]');
  });

  test('2a.12 ai: 64000 tokens unless told otherwise, and the beta that it sends with tools', async () => {
    const beta = { 'anthropic-beta': 'structured-outputs-2025-11-13' };
    const { heard, arrived } = await ask.messages('claude-sonnet-4-5', { max_tokens: 64_000 }, beta);
    expect([heard.status, arrived?.headers.get('anthropic-beta')]).toEqual([200, beta['anthropic-beta']]);
    expect(arrived?.body).toMatchObject({ max_tokens: 64_000 });
  });

  test('2a.13 @openrouter/ai-sdk-provider: system in parts; usage that was not asked for is counted and not shown', async () => {
    const system = { role: 'system', content: [{ type: 'text', text: 'Be brief.' }] };
    const messages = [system, ...hello];
    expect(field((await ask.chat('chat', { messages })).body, 'messages')).toEqual(messages);
    expect(JSON.stringify(field((await ask.chat('anthropic', { messages })).body, 'system'))).toContain('Be brief.');
    stage.answer({ stream: [chatStream(chatUsage)] });
    const heard = await stage.ask('/v1/chat/completions', { body: { model: 'chat', messages, stream: true } });
    expect(field(stage.last().body, 'stream_options')).toEqual({ include_usage: true });
    expect(heard.text).not.toContain('"usage"');
    expect(await stage.recordOf(heard)).toMatchObject({ usageSource: 'upstream', usage: { input: 5, output: 1 } });
  });

  test('2a.14 @openrouter/sdk: an empty cookie, which goes no further', async () => {
    stage.answer({ json: chatReply(chatUsage) });
    const heard = await stage.ask('/v1/chat/completions', {
      body: { model: 'chat', messages: hello },
      headers: { cookie: '' },
    });
    expect([heard.status, stage.last().headers.get('cookie')]).toEqual([200, null]);
  });

  test.each(['chat', 'anthropic', 'gemini', 'responses'])(
    '2a.15 LangChain: fields that say nothing, at %s',
    async (model) => {
      const chat = await ask.chat(model, { stream: false, stop: [], metadata: {} });
      const responses = await ask.responses(model, { text: {}, stream: false, tools: [] });
      // Answered as the last one was.
      const heard = await stage.ask(`/v1beta/models/${model}:generateContent`, {
        body: { contents, generationConfig: { stopSequences: [] }, safetySettings: [], tools: [] },
      });
      expect([chat.heard.status, responses.heard.status, heard.status]).toEqual([200, 200, 200]);
      for (const each of [chat.heard, responses.heard, heard]) expect(lossesOf(each).join()).not.toContain('field:');
    },
  );

  test('2a.16 @openai/agents: include [], whole items with their ids, reasoning_effort none, verbosity low', async () => {
    const input = [
      user('Hi'),
      { id: 'rs_1', type: 'reasoning', summary: [], content: [] },
      { id: 'fc_1', type: 'function_call', call_id: 'call_1', name: 'find', arguments: '{}', status: 'completed' },
      { type: 'function_call_output', call_id: 'call_1', output: 'Sunny' },
    ];
    expect((await ask.responses('responses', { input, include: [] })).body).toMatchObject({ input, include: [] });
    expect((await ask.responses('anthropic', { input, include: [] })).heard.status).toBe(200);
    const chat = { reasoning_effort: 'none', verbosity: 'low' };
    expect((await ask.chat('chat', chat)).body).toMatchObject(chat);
    for (const model of ['anthropic', 'gemini', 'responses'])
      expect((await ask.chat(model, chat)).heard.status).toBe(200);
  });

  test('2a.17 groq-sdk asks under /openai/v1; Mastra, LlamaIndex and Mistral’s under /v1', async () => {
    for (const path of ['/openai/v1/chat/completions', '/v1/chat/completions']) {
      stage.answer({ json: chatReply(chatUsage) });
      const heard = await stage.ask(path, { body: { model: 'chat', messages: hello } });
      expect([heard.status, at(heard.body, 'choices', 0, 'message', 'content')]).toEqual([200, 'Hi']);
    }
  });
});
