// Gemini's requests, written: the cases by which translations into them are known to break.

import { describe, expect, test } from 'bun:test';
import { chatCodec } from '../../../src/protocols/openai-chat/codec.ts';
import { dialectOf } from '../../../src/protocols/translation/dialects.ts';
import { messagesCodec } from '../../../src/protocols/anthropic-messages/codec.ts';
import { responsesCodec } from '../../../src/protocols/openai-responses/codec.ts';
import { listOf, objectOf, parsedJson } from '../../../src/protocols/json-fields.ts';
import { plainLine } from '../../../src/plugin/protocol.ts';
import { unstatedStop } from '../../../src/protocols/translation/reply-choices.ts';
import { refusal, testContext } from '../translation-kit.ts';
import { translateRequest } from '../../../src/protocols/translation/translate.ts';
import type { JsonValue, MediaPart, OutputPart, ToolResultPart, Turn } from '../../../src/plugin/conversation.ts';
import { field } from '../../support/gateway.ts';
import { contents, fromChat, parsed, written } from './request-kit.ts';

describe('a Gemini request is written', () => {
  const call = (id: string, name = 'f') => ({
    role: 'assistant',
    content: '',
    tool_calls: [{ id, type: 'function', function: { name, arguments: '{"a":1}' } }],
  });
  const answer = (id: string, content: JsonValue) => ({ role: 'tool', tool_call_id: id, content });
  const user = (content: JsonValue) => ({ role: 'user', content });

  test('schemas as they are, as JSON Schema', () => {
    const parameters = {
      $schema: 'http://json-schema.org/draft-07/schema#',
      type: 'object',
      properties: { a: { const: 1, exclusiveMinimum: 0 } },
      additionalProperties: false,
    };
    const tools = [{ type: 'function', function: { name: 'f', description: 'd', parameters } }];
    const format = { type: 'json_schema', json_schema: { name: 'n', schema: parameters, strict: true } };
    const { body, losses } = fromChat({ model: 'm', messages: [user('Hi')], tools, response_format: format });
    expect(field(body, 'tools')).toEqual([
      { functionDeclarations: [{ name: 'f', description: 'd', parametersJsonSchema: parameters }] },
    ]);
    expect(field(body, 'generationConfig')).toEqual({
      responseMimeType: 'application/json',
      responseJsonSchema: parameters,
    });
    expect(losses).toEqual([]);
  });

  test('results of parallel calls stand together, named by their calls, with what the user says behind them', () => {
    const messages = [
      { role: 'system', content: 'Be brief' },
      user('Hi'),
      { ...call('a', 'one'), tool_calls: [...call('a', 'one').tool_calls, ...call('b', 'two').tool_calls] },
      answer('b', 'B'),
      answer('a', 'A'),
      user('And?'),
    ];
    const { body, losses } = fromChat({ model: 'm', messages }, { thinking: 'budget' });
    expect(body).toEqual({
      systemInstruction: { parts: [{ text: 'Be brief' }] },
      contents: [
        { role: 'user', parts: [{ text: 'Hi' }] },
        {
          role: 'model',
          parts: [
            { functionCall: { id: 'a', name: 'one', args: { a: 1 } } },
            { functionCall: { id: 'b', name: 'two', args: { a: 1 } } },
          ],
        },
        {
          role: 'user',
          parts: [
            { functionResponse: { id: 'b', name: 'two', response: { output: 'B' } } },
            { functionResponse: { id: 'a', name: 'one', response: { output: 'A' } } },
          ],
        },
        { role: 'user', parts: [{ text: 'And?' }] },
      ],
    });
    expect(losses).toEqual([]);
    expect(refusal(() => fromChat({ model: 'm', messages: [user('Hi'), answer('z', 'x')] }))).toContain('"z"');
  });

  test('signatures that nobody has are done without, in the current turn and for the first call of each step', () => {
    const own = { protocol: 'gemini-generate', form: 'signature', value: 'c2ln' } as const;
    const step = (id: string, more: object = {}): Turn[] => [
      {
        role: 'assistant',
        parts: [
          { kind: 'tool-call', id, name: 'f', arguments: '{}', ...more },
          { kind: 'tool-call', id: `${id}2`, name: 'f', arguments: '{}' },
        ],
      },
      { role: 'user', parts: [{ kind: 'tool-result', callId: id, parts: [{ kind: 'text', text: 'x' }] }] },
      { role: 'user', parts: [{ kind: 'tool-result', callId: `${id}2`, parts: [] }] },
    ];
    const said: Turn = { role: 'user', parts: [{ kind: 'text', text: 'Hi' }] };
    const turns = [said, ...step('old'), said, ...step('a'), ...step('b', { signature: own })];
    const signatures = (thinking: 'level' | 'budget') =>
      Array.from(
        JSON.stringify(written({ turns }, { thinking }).body).matchAll(/"thoughtSignature":"([^"]*)"/g),
        (m) => m[1],
      );
    expect(signatures('level')).toEqual(['skip_thought_signature_validator', 'c2ln']);
    expect(signatures('budget')).toEqual(['c2ln']);
  });

  test.each([
    ['anthropic-messages', messagesCodec],
    ['openai-responses', responsesCodec],
    ['openai-chat', chatCodec],
  ])('the signature of a call comes back from a client of %s', (_, codec) => {
    const signature = { protocol: 'gemini-generate', form: 'signature', value: 'c2ln' } as const;
    const calls = ['a', 'b'].map((id): OutputPart => ({ kind: 'tool-call', id, name: 'f', arguments: '{}' }));
    const [first, second] = calls;
    if (first?.kind !== 'tool-call' || second === undefined) throw new Error('there are two calls');
    const parts = [{ ...first, signature }, second];
    const reply = { head: {}, choices: [{ parts, stop: unstatedStop, logprobs: [] }] };
    const said = objectOf(parsedJson(codec.renderReply(reply, undefined, testContext(), () => {})));
    const history = (): JsonValue => {
      if (codec === responsesCodec)
        return { model: 'm', input: [{ role: 'user', content: 'Hi' }, ...listOf(said['output'])] };
      const message =
        codec === chatCodec
          ? objectOf(listOf(said['choices'])[0])['message']
          : { role: 'assistant', content: said['content'] };
      return { model: 'm', max_tokens: 9, messages: [{ role: 'user', content: 'Hi' }, message ?? null] };
    };
    const { turns } = codec.parseRequest(history(), plainLine);
    const { body } = written({ turns });
    expect(listOf(objectOf(body)['contents'])[1]).toEqual({
      role: 'model',
      parts: [
        { functionCall: { id: 'a', name: 'f', args: {} }, thoughtSignature: 'c2ln' },
        { functionCall: { id: 'b', name: 'f', args: {} } },
      ],
    });
  });

  test('thinking of another vendor is dropped from history, and said so; a signed empty thought is kept', () => {
    const foreign = { protocol: 'anthropic-messages', form: 'signature', value: 'x' } as const;
    const own = { protocol: 'gemini-generate', form: 'signature', value: 'c2ln' } as const;
    const turns: Turn[] = [
      { role: 'user', parts: [{ kind: 'text', text: 'Hi' }] },
      {
        role: 'assistant',
        parts: [
          { kind: 'thinking', text: 'a', signature: foreign },
          { kind: 'thinking', text: 'b' },
          { kind: 'thinking', text: 'c', signature: own },
          { kind: 'text', text: 'Yes' },
          { kind: 'text', text: '' },
          { kind: 'thinking', text: '', signature: own },
        ],
      },
    ];
    const { body, losses } = written({ turns });
    expect(field(body, 'contents', '1') ?? field(body, 'contents')).toEqual([
      { role: 'user', parts: [{ text: 'Hi' }] },
      {
        role: 'model',
        parts: [
          { text: 'c', thought: true, thoughtSignature: 'c2ln' },
          { text: 'Yes' },
          { text: '', thoughtSignature: 'c2ln' },
        ],
      },
    ]);
    expect(losses).toEqual(['thinking-history']);
  });

  test('images in results: within them for newer models, behind them for older ones', () => {
    const image = { type: 'image_url', image_url: { url: 'data:image/png;base64,QUJD' } };
    const messages = [user('Hi'), call('a'), answer('a', [{ type: 'text', text: 'shot' }, image])];
    const inline = { inlineData: { mimeType: 'image/png', data: 'QUJD' } };
    const response = { id: 'a', name: 'f', response: { output: 'shot' } };
    const last = (thinking: 'level' | 'budget') => {
      const { body, losses } = fromChat({ model: 'm', messages }, { thinking });
      const list = field(body, 'contents');
      return [Array.isArray(list) ? list.slice(2) : list, losses];
    };
    expect(last('level')).toEqual([
      [{ role: 'user', parts: [{ functionResponse: { ...response, parts: [inline] } }] }],
      [],
    ]);
    expect(last('budget')).toEqual([
      [
        { role: 'user', parts: [{ functionResponse: response }] },
        { role: 'user', parts: [inline] },
      ],
      ['tool-result-media-moved'],
    ]);
  });

  test('a text as a document in a result: its words are there, and what is said about it is named', () => {
    const cache = { lifetime: '5m' } as const;
    const source = { from: 'text', mediaType: 'text/plain', text: 'All of it' } as const;
    const about = { title: 'Report', context: 'Of last year', citable: true, cache };
    const result: ToolResultPart = {
      kind: 'tool-result',
      callId: 'a',
      name: 'f',
      parts: [{ kind: 'document', source, ...about }],
    };
    const { body, losses } = written({ turns: [{ role: 'user', parts: [result] }] });
    expect(JSON.stringify(body)).toContain('{"output":"Of last year\\nAll of it"}');
    expect(losses).toEqual(['cache-control', 'document-name', 'citations']);
    const plain = { ...result, parts: [{ kind: 'text', text: 'ok', cache } as const] };
    expect(written({ turns: [{ role: 'user', parts: [plain] }] }).losses).toEqual(['cache-control']);
  });

  test('media by address, by bytes and by store', () => {
    type Source = MediaPart['source'];
    const media = (source: Source): Turn[] => [{ role: 'user', parts: [{ kind: 'image', source }] }];
    const parts = (source: Source) => JSON.stringify(field(written({ turns: media(source) }).body, 'contents'));
    expect(parts({ from: 'url', url: 'https://x.test/a.png' })).toContain(
      '{"fileData":{"mimeType":"image/png","fileUri":"https://x.test/a.png"}}',
    );
    expect(parts({ from: 'url', url: 'https://x.test/a' })).toContain('"mimeType":"image/jpeg"');
    expect(parts({ from: 'text', mediaType: 'text/plain', text: 'é' })).toContain('"data":"w6k="');
    expect(parts({ from: 'stored', protocol: 'gemini-generate', id: 'files/1' })).toContain('"fileUri":"files/1"');
    const refused = (source: Source) => refusal(() => written({ turns: media(source) }));
    expect(refused({ from: 'stored', protocol: 'openai-chat', id: 'file-1' })).toContain('stored at another vendor');
    expect(refused({ from: 'url', url: 'file:///etc/passwd' })).toContain('no http(s) one');
  });

  test.each([
    ['auto', { mode: 'AUTO' }],
    ['none', { mode: 'NONE' }],
    ['required', { mode: 'ANY' }],
    [
      { type: 'function', function: { name: 'f' } },
      { mode: 'ANY', allowedFunctionNames: ['f'] },
    ],
    [
      {
        type: 'allowed_tools',
        allowed_tools: { mode: 'auto', tools: [{ type: 'function', function: { name: 'f' } }] },
      },
      { mode: 'VALIDATED', allowedFunctionNames: ['f'] },
    ],
  ] as const)('tool_choice %j', (choice, expected) => {
    const tools = [{ type: 'function', function: { name: 'f' } }];
    const body = { model: 'm', messages: [user('Hi')], tool_choice: choice };
    expect(field(fromChat({ ...body, tools }).body, 'toolConfig', 'functionCallingConfig')).toEqual(expected);
    expect(field(fromChat(body).body, 'toolConfig')).toBeUndefined();
  });

  test.each([
    ['budget', 'none', { thinkingBudget: 1_024 }],
    ['budget', 'high', { thinkingBudget: 24_576, includeThoughts: true }],
    ['budget', 'low', { thinkingBudget: 4_096, includeThoughts: true }],
    ['budget', 'xhigh', { thinkingBudget: 24_576, includeThoughts: true }],
    ['level', 'none', { thinkingLevel: 'MINIMAL' }],
    ['level', 'high', { thinkingLevel: 'HIGH', includeThoughts: true }],
    ['level', 'minimal', { thinkingLevel: 'MINIMAL', includeThoughts: true }],
    ['level', 'xhigh', { thinkingLevel: 'HIGH', includeThoughts: true }],
    ['none', 'high', undefined],
  ] as const)('thinking by %s: %s', (thinking, word, expected) => {
    const { body, losses } = fromChat({ model: 'm', messages: [user('Hi')], reasoning_effort: word }, { thinking });
    expect(field(body, 'generationConfig', 'thinkingConfig')).toEqual(expected);
    const lacks = thinking === 'none' || word === 'none' || word === 'xhigh';
    expect(losses).toEqual(lacks ? ['thinking-settings'] : []);
  });

  test("a budget of the client's own is not changed, and comes back as it was", () => {
    for (const thinkingConfig of [
      { thinkingBudget: 99_999, includeThoughts: false },
      { thinkingBudget: 0 },
      { thinkingBudget: -1, includeThoughts: true },
    ]) {
      const { thinking } = parsed({ contents, generationConfig: { thinkingConfig } });
      const { body } = written({ thinking, turns: [] }, { thinking: 'budget', efforts: ['none'] });
      expect(field(body, 'generationConfig', 'thinkingConfig')).toEqual(thinkingConfig);
    }
  });

  test('all other settings, and what has no place there', () => {
    const { body, losses } = fromChat({
      model: 'm',
      messages: [
        { role: 'system', content: 'a' },
        user('Hi'),
        { role: 'developer', content: 'b' },
        { role: 'user', name: 'Ann', content: 'Ho' },
      ],
      max_completion_tokens: 9,
      n: 2,
      temperature: 2,
      top_p: 0.5,
      top_k: 3,
      seed: 5,
      presence_penalty: 1,
      frequency_penalty: -1,
      stop: ['x'],
      logprobs: true,
      top_logprobs: 4,
      service_tier: 'flex',
      min_p: 0.1,
      logit_bias: { 1: 2 },
      verbosity: 'low',
      user: 'u',
      metadata: { a: 'b' },
      prompt_cache_key: 'k',
      store: true,
    });
    expect(field(body, 'generationConfig')).toEqual({
      maxOutputTokens: 9,
      candidateCount: 2,
      temperature: 2,
      topP: 0.5,
      topK: 3,
      seed: 5,
      presencePenalty: 1,
      frequencyPenalty: -1,
      stopSequences: ['x'],
      responseLogprobs: true,
      logprobs: 4,
    });
    expect(field(body, 'serviceTier')).toBe('flex');
    expect(field(body, 'systemInstruction')).toEqual({ parts: [{ text: 'a' }, { text: 'b' }] });
    expect(losses.toSorted()).toEqual(
      'cache-key developer-role logit-bias metadata min-p speaker-name store system-position user verbosity'.split(' '),
    );
    const six = { model: 'm', messages: [user('Hi')], stop: ['1', '2', '3', '4', '5', '6'] };
    expect(refusal(() => fromChat(six))).toStartWith('stop: ');
  });

  test('what runs at another vendor, and what is spoken, is refused', () => {
    const messages = [user('Hi')];
    expect(refusal(() => fromChat({ messages, tools: [{ type: 'web_search' }] }))).toStartWith('tools: ');
    expect(refusal(() => fromChat({ messages, tools: [{ type: 'custom', custom: { name: 'c' } }] }))).toStartWith(
      'tools: ',
    );
    expect(refusal(() => fromChat({ messages, modalities: ['text', 'audio'] }))).toStartWith('modalities: ');
    const search = parsed({ contents, tools: [{ google_search: {} }] });
    const target = { model: 'm', stream: false, outputTokensMax: 9, askUsage: false };
    const chat = { ...target, dialect: dialectOf('openai-chat', undefined) };
    expect(refusal(() => translateRequest(chatCodec, 'openai-chat', search, chat))).toContain('googleSearch');
    expect(field(written(search).body, 'tools')).toEqual([{ google_search: {} }]);
  });

  test('a system prompt alone is still a request', () => {
    const { body } = fromChat({ model: 'm', messages: [{ role: 'system', content: 'a' }] });
    expect(field(body, 'contents')).toEqual([{ role: 'user', parts: [{ text: '' }] }]);
  });
});
