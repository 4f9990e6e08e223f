// Replies that other gateways got wrong on their way from one protocol to another, read as the client reads them. Each
// name begins with its row of the table of hard cases; what clients ask is in `translation-requests.test.ts`.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { field } from '../support/gateway.ts';
import { at, blocksOf, callsOf, finishOf, list, stopOf } from './heard-replies.ts';
import { namedEvents, parsed, plainEvents, startScriptedGateway } from './scripted-gateway.ts';
import type { ScriptedGateway } from './scripted-gateway.ts';
import { chunk, ends, geminiReply, hello, messagesReply, says } from './scripted-replies.ts';

setDefaultTimeout(60_000);

let stage: ScriptedGateway;
beforeAll(async () => {
  stage = await startScriptedGateway();
});
afterAll(() => stage.stop());

const asAnthropic = (model: string, stream = true) =>
  stage.ask('/v1/messages', { body: { model, messages: hello, max_tokens: 100, stream } });
const asChat = (model: string, stream = true) =>
  stage.ask('/v1/chat/completions', { body: { model, messages: hello, stream } });
const asResponses = (model: string, stream = true) =>
  stage.ask('/v1/responses', { body: { model, input: 'Hello', stream } });
const asGemini = (model: string, query = '?alt=sse') =>
  stage.ask(`/v1beta/models/${model}:streamGenerateContent${query}`, {
    body: { contents: [{ role: 'user', parts: [{ text: 'Hello' }] }] },
  });

const delta = (more: object) => chunk({ choices: [{ index: 0, delta: more, finish_reason: null }] });
const finish = (reason: string) => chunk({ choices: [{ index: 0, delta: {}, finish_reason: reason }] });
const piece = (index: number | undefined, json: string, id?: string) => ({
  ...(index === undefined ? {} : { index }),
  ...(id === undefined ? {} : { id, type: 'function' }),
  function: { ...(id === undefined ? {} : { name: `tool_${id}` }), arguments: json },
});
const calls = (...pieces: readonly object[]) => delta({ tool_calls: pieces });
const start = {
  type: 'message_start',
  message: { ...messagesReply({ input_tokens: 5, output_tokens: 1 }), content: [], stop_reason: null },
};
const block = (index: number, content: object, change: object) => [
  { type: 'content_block_start', index, content_block: content },
  { type: 'content_block_delta', index, delta: change },
  { type: 'content_block_stop', index },
];
const stopped = (reason: string) => [
  {
    type: 'message_delta',
    delta: { stop_reason: reason, stop_sequence: null },
    usage: { input_tokens: 5, output_tokens: 9 },
  },
  { type: 'message_stop' },
];
const geminiCall = (city: string, id?: string) => ({
  functionCall: { ...(id && { id }), name: 'find', args: { city } },
});
const geminiEvent = (parts: readonly object[], finishReason?: string) => ({
  candidates: [{ index: 0, content: { role: 'model', parts }, ...(finishReason && { finishReason }) }],
  usageMetadata: { promptTokenCount: 5, candidatesTokenCount: 3, totalTokenCount: 8 },
});

describe('calls of tools', () => {
  test('6A.1 block index is not tool index: text and thinking first', async () => {
    stage.answer({
      stream: [
        namedEvents(
          start,
          ...block(0, { type: 'thinking', thinking: '', signature: '' }, { type: 'thinking_delta', thinking: 'Hm' }),
          ...block(1, { type: 'text', text: '' }, { type: 'text_delta', text: 'I look.' }),
          ...block(
            2,
            { type: 'tool_use', id: 'toolu_1', name: 'find', input: {} },
            { type: 'input_json_delta', partial_json: '{"a":1}' },
          ),
          ...block(
            3,
            { type: 'tool_use', id: 'toolu_2', name: 'find', input: {} },
            { type: 'input_json_delta', partial_json: '{"a":2}' },
          ),
          ...stopped('tool_use'),
        ),
      ],
    });
    const heard = await asChat('anthropic');
    expect(callsOf(heard)).toEqual([
      { id: 'toolu_1', name: 'find', arguments: '{"a":1}' },
      { id: 'toolu_2', name: 'find', arguments: '{"a":2}' },
    ]);
    expect(finishOf(heard)).toBe('tool_calls');
    stage.answer({
      stream: [
        plainEvents(delta({ content: 'I look.' }), calls(piece(0, '{"a":1}', 'a')), finish('tool_calls'), '[DONE]'),
      ],
    });
    const back = await asAnthropic('chat');
    expect(blocksOf(back).map(({ type, text }) => [type, text])).toEqual([
      ['text', 'I look.'],
      ['tool_use', '{"a":1}'],
    ]);
  });

  test('6A.2 parallel calls, interleaved: one block is open at a time, and nothing is lost', async () => {
    const events = [
      calls(piece(0, '{"a"', 'a'), piece(1, '{"b"', 'b')),
      calls(piece(1, ':2}')),
      calls(piece(0, ':1}')),
      finish('tool_calls'),
    ];
    stage.answer({ stream: [plainEvents(...events, '[DONE]')] });
    const heard = await asAnthropic('chat');
    expect(blocksOf(heard).map(({ type, id, name, text }) => [type, id, name, text])).toEqual([
      ['tool_use', 'a', 'tool_a', '{"a":1}'],
      ['tool_use', 'b', 'tool_b', '{"b":2}'],
    ]);
    expect(stopOf(heard)).toBe('tool_use');
  });

  test('6A.3 tool_calls without an index stay apart', async () => {
    const events = [
      calls(piece(undefined, '{"a":1}', 'a')),
      calls(piece(undefined, '{"b":2}', 'b')),
      finish('tool_calls'),
    ];
    stage.answer({ stream: [plainEvents(...events, '[DONE]')] });
    expect(blocksOf(await asAnthropic('mistral')).map(({ id, text }) => [id, text])).toEqual([
      ['a', '{"a":1}'],
      ['b', '{"b":2}'],
    ]);
  });

  test('6A.4 Gemini’s parallel calls, one an event, are calls 0 and 1', async () => {
    stage.answer({
      stream: [plainEvents(geminiEvent([geminiCall('Rome')]), geminiEvent([geminiCall('Oslo')], 'STOP'))],
    });
    const found = callsOf(await asChat('gemini'));
    expect(found.map((call) => call.arguments)).toEqual(['{"city":"Rome"}', '{"city":"Oslo"}']);
  });

  test('6A.5 Gemini says STOP and gives no ids: the client is told of calls, each with an id of its own', async () => {
    stage.answer({ stream: [plainEvents(geminiEvent([geminiCall('Rome'), geminiCall('Oslo')], 'STOP'))] });
    const chat = await asChat('gemini');
    expect(finishOf(chat)).toBe('tool_calls');
    const ids = callsOf(chat).map(({ id }) => id);
    expect(new Set(ids.filter((id) => id !== '')).size).toBe(2);
    const anthropic = await asAnthropic('gemini');
    expect(stopOf(anthropic)).toBe('tool_use');
    expect(new Set(blocksOf(anthropic).map(({ id }) => id)).size).toBe(2);
  });

  test('6A.5 an id that Gemini gives is kept', async () => {
    stage.answer({ stream: [plainEvents(geminiEvent([geminiCall('Rome', 'call_of_gemini')], 'STOP'))] });
    expect(callsOf(await asChat('gemini')).map(({ id }) => id)).toEqual(['call_of_gemini']);
  });
});

describe('why a reply ended', () => {
  const anthropic = [
    ['refusal', 'content_filter'],
    ['pause_turn', 'length'],
    ['model_context_window_exceeded', 'length'],
    ['max_tokens', 'length'],
    ['stop_sequence', 'stop'],
  ] as const;
  test.each(anthropic)('6A.18 stop reason %s is %s to a client of chat', async (reason, expected) => {
    stage.answer({ json: { ...messagesReply({ input_tokens: 5, output_tokens: 9 }), stop_reason: reason } });
    expect(at((await asChat('anthropic', false)).body, 'choices', 0, 'finish_reason')).toBe(expected);
    const text = block(0, { type: 'text', text: '' }, { type: 'text_delta', text: 'Hi' });
    stage.answer({ stream: [namedEvents(start, ...text, ...stopped(reason))] });
    expect(finishOf(await asChat('anthropic'))).toBe(expected);
  });

  test('6A.18 content_filter is a refusal to Anthropic’s clients, and no end_turn', async () => {
    stage.answer({ stream: [plainEvents(delta({ content: 'Hi' }), finish('content_filter'), '[DONE]')] });
    expect(stopOf(await asAnthropic('chat'))).toBe('refusal');
  });

  test('6A.18 Gemini’s SAFETY is content_filter', async () => {
    stage.answer({ stream: [plainEvents(geminiEvent([{ text: 'Hi' }], 'SAFETY'))] });
    expect(finishOf(await asChat('gemini'))).toBe('content_filter');
  });
});

describe('errors after 200', () => {
  const message = 'The house is overloaded.';
  const failing: Readonly<Record<string, string>> = {
    chat: plainEvents(delta({ content: 'Hi' }), { error: { message, type: 'server_error', code: null } }),
    anthropic: namedEvents(
      start,
      { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
      { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'Hi' } },
      { type: 'error', error: { type: 'overloaded_error', message } },
    ),
  };
  test.each(Object.keys(failing))(
    '6A.19 of %s reach every client, in its own form, and no end is faked',
    async (model) => {
      stage.answer({ stream: [failing[model] ?? ''] });
      const chat = await asChat(model);
      expect(chat.events.some((event) => field(event, 'error', 'message') !== undefined)).toBeTrue();
      expect(finishOf(chat)).toBeUndefined();
      const anthropic = await asAnthropic(model);
      expect(anthropic.events.filter((event) => field(event, 'type') === 'error')).toHaveLength(1);
      expect(anthropic.text).not.toContain('message_stop');
      const responses = await asResponses(model);
      expect(responses.text).toContain('response.failed');
      expect(responses.text).not.toContain('response.completed');
      const gemini = await asGemini(model);
      expect(gemini.events.some((event) => field(event, 'error', 'code') !== undefined)).toBeTrue();
      expect(gemini.text).not.toContain('finishReason');
      // None of them was written into an event that was open.
      for (const { text } of [chat, anthropic, responses, gemini])
        for (const line of text.split('\n').filter((each) => each.startsWith('data:') && !each.includes('[DONE]')))
          expect(parsed(line.slice(5))).toBeDefined();
    },
  );

  test('6A.19 an event that breaks off in the middle is not passed on, and an error follows', async () => {
    stage.answer({ stream: [plainEvents(delta({ content: 'Hi' })), 'data: {"id":"c1","torn'] });
    const heard = await asChat('chat');
    expect(heard.text).not.toContain('torn');
    expect(heard.events.at(-1)).toMatchObject({ error: { message: expect.any(String) } });
  });
});

describe('the form of a stream', () => {
  const told = async (): Promise<void> => {
    expect(blocksOf(await asAnthropic('azure')).map(({ text }) => text)).toEqual(['Hi']);
    const own = await asChat('azure');
    expect(own.status).toBe(200);
    expect(finishOf(own)).toBe('stop');
  };

  test('6A.20 Azure’s first event has no choices', async () => {
    const first = {
      choices: [],
      created: 0,
      id: '',
      model: '',
      object: '',
      prompt_filter_results: [{ prompt_index: 0 }],
    };
    stage.answer({ stream: [plainEvents(first, chunk({ choices: [says] }), chunk({ choices: [ends] }), '[DONE]')] });
    await told();
  });

  test('6A.21 comments are comments: none becomes data', async () => {
    const comment = ': OPENROUTER PROCESSING\n\n';
    stage.answer({
      stream: [
        comment,
        plainEvents(chunk({ choices: [says] })),
        comment,
        plainEvents(chunk({ choices: [ends] }), '[DONE]'),
      ],
    });
    await told();
    for (const heard of [
      await asAnthropic('openrouter'),
      await asChat('openrouter'),
      await asResponses('openrouter'),
    ]) {
      expect(heard.status).toBe(200);
      expect(heard.text).not.toContain('data: :');
    }
  });

  test('6A.22 characters that chunks cut stay whole', async () => {
    const text = '漢字 und 🙂, ö';
    const bytes = Buffer.from(plainEvents(delta({ content: text }), finish('stop'), '[DONE]'));
    const single = Array.from({ length: bytes.length }, (_, index) => bytes.subarray(index, index + 1));
    stage.answer({ stream: single });
    expect(blocksOf(await asAnthropic('chat')).map((each) => each.text)).toEqual([text]);
    expect((await asChat('chat')).text).toContain(text);
  });

  test('6A.23 lines may end with CR and LF', async () => {
    stage.answer({
      stream: [plainEvents(chunk({ choices: [says] }), chunk({ choices: [ends] }), '[DONE]').replaceAll('\n', '\r\n')],
    });
    await told();
  });

  test('6A.23 without alt=sse Gemini’s clients get one JSON array, whatever the upstream speaks', async () => {
    stage.answer({
      stream: [plainEvents(geminiReply({ promptTokenCount: 5, candidatesTokenCount: 1, totalTokenCount: 6 }))],
    });
    const own = await asGemini('gemini', '');
    expect(stage.last().path).not.toContain('alt=sse');
    expect(list(own, 'body')).toHaveLength(1);
    expect(at(own.body, 0, 'candidates', 0, 'content', 'parts', 0, 'text')).toBe('Hi');
    stage.answer({ stream: [plainEvents(chunk({ choices: [says] }), chunk({ choices: [ends] }), '[DONE]')] });
    const crossed = list({ body: (await asGemini('chat', '')).body }, 'body');
    expect(JSON.stringify(crossed)).toContain('"text":"Hi"');
  });

  test('6A.24 content as an array of parts: Mistral’s thinking is thinking, its text is text', async () => {
    const thinking = { type: 'thinking', thinking: [{ type: 'text', text: 'Hm' }] };
    const events = [
      delta({ role: 'assistant', content: [thinking] }),
      delta({ content: [{ type: 'text', text: 'Hi' }] }),
      delta({ content: ' there' }),
      finish('stop'),
    ];
    stage.answer({ stream: [plainEvents(...events, '[DONE]')] });
    const heard = await asAnthropic('mistral');
    expect(blocksOf(heard).map(({ type, text }) => [type, text])).toEqual([
      ['thinking', 'Hm'],
      ['text', 'Hi there'],
    ]);
    expect((await asResponses('mistral')).text).not.toContain('[object Object]');
  });
});
