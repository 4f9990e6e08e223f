// Turns of conversations that other gateways lost, broke or had refused on their way to another protocol: each request
// goes through a gateway, and what arrives upstream is read. Each name begins with its row of the table of hard cases.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { field } from '../support/gateway.ts';
import { at, list } from './heard-replies.ts';
import { startScriptedGateway } from './scripted-gateway.ts';
import type { ScriptedGateway } from './scripted-gateway.ts';
import { hello, messagesReply } from './scripted-replies.ts';
import {
  all,
  chatTool,
  lossesOf,
  picture,
  result,
  schema,
  senders,
  toolResult,
  toolUse,
  turnsOf,
  user,
} from './sent-requests.ts';

setDefaultTimeout(60_000);

let stage: ScriptedGateway;
let ask: ReturnType<typeof senders>;
beforeAll(async () => {
  stage = await startScriptedGateway();
  ask = senders(stage);
});
afterAll(() => stage.stop());

describe('calls and their ids', () => {
  const odd = 'functions.find:0|fc_ü';
  test('6A.6 an id is written in Mistral’s alphabet, and its result bears the same', async () => {
    const { body } = await ask.chat('mistral', { messages: turnsOf(odd), tools: [chatTool] });
    const crossed = await ask.messages('mistral', {
      messages: [user('Weather?'), { role: 'assistant', content: [toolUse('toolu_1')] }, user([toolResult('toolu_1')])],
    });
    for (const each of [body, crossed.body]) {
      const id = at(each, 'messages', 1, 'tool_calls', 0, 'id');
      expect(id).toMatch(/^[a-zA-Z0-9]{9}$/);
      expect(at(each, 'messages', 2, 'tool_call_id')).toBe(id);
    }
  });

  test('6A.6 and in Anthropic’s, the same way every time', async () => {
    const ids = [];
    for (let round = 0; round < 2; round += 1) {
      const { body } = await ask.chat('anthropic', { messages: turnsOf(odd), tools: [chatTool] });
      const id = at(body, 'messages', 1, 'content', 0, 'id');
      expect(id).toMatch(/^[a-zA-Z0-9_-]+$/);
      expect(at(body, 'messages', 2, 'content', 0, 'tool_use_id')).toBe(id);
      ids.push(id);
    }
    expect(ids[0]).toBe(ids[1]);
  });

  test('6A.5 an id that was made for Gemini’s call comes back to it as a call and its response', async () => {
    const { body } = await ask.chat('gemini', { messages: turnsOf('call_made'), tools: [chatTool] });
    expect(all(body, 'functionCall')).toHaveLength(1);
    expect(all(body, 'functionResponse')).toMatchObject([{ functionResponse: { name: 'find' } }]);
  });

  const choices = [
    [{ tool_choice: 'none', parallel_tool_calls: false }, { type: 'none' }],
    [{ parallel_tool_calls: false }, { type: 'auto', disable_parallel_tool_use: true }],
    [
      { tool_choice: 'required', parallel_tool_calls: false },
      { type: 'any', disable_parallel_tool_use: true },
    ],
  ] as const;
  test.each(choices)('6A.10 tool_choice: %j is %j at Anthropic', async (asked, expected) => {
    expect(field((await ask.chat('anthropic', { tools: [chatTool], ...asked })).body, 'tool_choice')).toEqual(expected);
  });
});

describe('signatures', () => {
  test('6A.7 thought signatures: Gemini 3 gets a stand-in for calls of clients that have none', async () => {
    const { body } = await ask.chat('gemini', { messages: turnsOf('call_1'), tools: [chatTool] });
    expect(all(body, 'functionCall')).toMatchObject([{ thoughtSignature: 'skip_thought_signature_validator' }]);
  });

  test('6A.7 and Gemini’s own clients send theirs as it is', async () => {
    const call = { functionCall: { id: 'c1', name: 'find', args: {} }, thoughtSignature: 'U0lH' };
    const { body } = await ask.gemini('gemini', {
      contents: [
        { role: 'user', parts: [{ text: 'a' }] },
        { role: 'model', parts: [call] },
      ],
    });
    expect(at(body, 'contents', 1, 'parts', 0)).toEqual(call);
  });

  const signed = { type: 'thinking', thinking: '', signature: 'EqQBCkgIARABGAIiQL8=' };
  const turns = [
    user('Weather?'),
    { role: 'assistant', content: [signed, toolUse('toolu_1')] },
    user([toolResult('toolu_1')]),
  ];
  test('6A.8 thinking signatures: a signed block that is empty reaches Anthropic as it is', async () => {
    const { arrived, body } = await ask.messages('anthropic', {
      messages: turns,
      tools: [{ name: 'find', input_schema: schema }],
    });
    expect(at(body, 'messages', 1, 'content', 0)).toEqual(signed);
    expect(arrived?.text).toContain(JSON.stringify(turns));
  });

  test('6A.8 thinking of Anthropic’s comes back to it through a client of chat', async () => {
    stage.answer({
      json: {
        ...messagesReply({ input_tokens: 5, output_tokens: 1 }),
        content: [{ ...signed, thinking: 'Hm' }, toolUse('toolu_1')],
        stop_reason: 'tool_use',
      },
    });
    const tools = [chatTool];
    const heard = await stage.ask('/v1/chat/completions', {
      body: { model: 'anthropic', messages: [user('Weather?')], tools },
    });
    const said = at(heard.body, 'choices', 0, 'message');
    const { body } = await ask.chat('anthropic', { messages: [user('Weather?'), said, result('toolu_1')], tools });
    expect(at(body, 'messages', 1, 'content', 0)).toEqual({ ...signed, thinking: 'Hm' });
  });
});

describe('items of responses', () => {
  const reasoning = { type: 'reasoning', id: 'rs_1', summary: [], content: null, encrypted_content: 'gAAAAAB' };
  const items = [
    { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'Weather?' }] },
    reasoning,
    { type: 'message', role: 'assistant', content: [{ type: 'output_text', text: 'I look.', annotations: [] }] },
    {
      type: 'function_call',
      id: 'fc_1',
      call_id: 'call_1',
      name: 'find',
      arguments: '{"city":"Rome"}',
      status: 'completed',
    },
    { type: 'function_call_output', id: 'fco_1', call_id: 'call_1', output: [{ type: 'input_text', text: 'Sunny' }] },
  ];
  const tools = [{ type: 'function', name: 'find', parameters: schema, strict: false }];

  test('6A.9 reasoning without content, text beside a call, output in parts: as they came where responses are spoken', async () => {
    const { body } = await ask.responses('responses', { input: items, tools, store: false });
    expect(field(body, 'input')).toEqual(items);
  });

  test('6A.9 elsewhere in their order, and the vendor’s sealed reasoning is named as lost', async () => {
    const { body, heard } = await ask.responses('chat', { input: items, tools, store: false });
    expect(list(body, 'messages')).toMatchObject([
      { role: 'user' },
      { role: 'assistant', content: 'I look.', tool_calls: [{ id: 'call_1' }] },
      { role: 'tool', tool_call_id: 'call_1', content: 'Sunny' },
    ]);
    expect(JSON.stringify(body)).not.toContain('gAAAAAB');
    expect(lossesOf(heard)).toContain('signature');
  });

  test('6A.27 references to items are left out where they are to reasoning, and else refused by name', async () => {
    const refer = (id: string) => ask.responses('chat', { input: [...items, { type: 'item_reference', id }], tools });
    const reasoned = await refer('rs_1');
    expect([reasoned.heard.status, lossesOf(reasoned.heard)]).toMatchObject([
      200,
      expect.arrayContaining(['field:input[5]']),
    ]);
    const { heard, arrived } = await refer('msg_1');
    expect([heard.status, arrived]).toEqual([400, undefined]);
    expect(at(heard.body, 'error', 'message')).toContain('item_reference');
  });

  test('6A.27 previous_response_id of a state that nobody has is refused', async () => {
    for (const model of ['chat', 'responses']) {
      const { heard, arrived } = await ask.responses(model, { previous_response_id: 'resp_nobody' });
      expect([heard.status, arrived]).toEqual([404, undefined]);
      expect(at(heard.body, 'error', 'message')).toContain('no such response');
      expect(at(heard.body, 'error', 'param')).toBe('previous_response_id');
    }
  });
});

describe('texts and media', () => {
  test.each(['anthropic', 'chat', 'gemini', 'responses'])(
    '6A.11 system in mid-conversation reaches %s',
    async (model) => {
      const turns = [
        user('One'),
        { role: 'assistant', content: 'Two' },
        { role: 'system', content: 'Be brief now.' },
        user('Three'),
      ];
      for (const { heard, arrived } of [
        await ask.chat(model, { messages: turns }),
        await ask.messages(model, { messages: turns }),
      ]) {
        expect(heard.status).toBe(200);
        expect(arrived?.text).toContain('Be brief now.');
      }
    },
  );

  test('6A.13 empty text beside calls is no block at Anthropic', async () => {
    const { body } = await ask.chat('anthropic', { messages: turnsOf('call_1', ''), tools: [chatTool] });
    expect(list(at(body, 'messages', 1), 'content')).toMatchObject([{ type: 'tool_use' }]);
    const parts = await ask.chat('anthropic', {
      messages: [
        user([
          { type: 'text', text: '' },
          { type: 'text', text: 'Hello' },
        ]),
      ],
    });
    expect(JSON.stringify(parts.body)).not.toContain('"text":""');
  });

  test.each(['anthropic', 'gemini', 'responses', 'chat'])(
    '6A.14 a picture in a result is a picture at %s, and no text',
    async (model) => {
      const content = [
        { type: 'text', text: 'See' },
        { type: 'image', source: picture },
      ];
      const turns = [
        user('Look'),
        { role: 'assistant', content: [toolUse('toolu_1')] },
        user([toolResult('toolu_1', content)]),
      ];
      const { body } = await ask.messages(model, { messages: turns, tools: [{ name: 'find', input_schema: schema }] });
      const texts = [...all(body, 'text'), ...all(body, 'input_text')].map((each) =>
        JSON.stringify(field(each, 'text')),
      );
      expect(texts.join()).not.toContain(picture.data);
      const pictures = ['image', 'image_url', 'input_image', 'inlineData'].flatMap((kind) => all(body, kind));
      expect(JSON.stringify(pictures)).toContain(picture.data);
    },
  );

  test('6A.15 cache_control goes on: as it came to Anthropic, from clients of chat, and named where it has no place', async () => {
    const cached = [{ type: 'text', text: 'Long', cache_control: { type: 'ephemeral', ttl: '1h' } }];
    expect(field((await ask.messages('anthropic', { system: cached })).body, 'system')).toEqual(cached);
    const { body } = await ask.chat('anthropic', { messages: [{ role: 'system', content: cached }, ...hello] });
    expect(JSON.stringify(field(body, 'system'))).toContain('"cache_control":{"type":"ephemeral","ttl":"1h"}');
    expect(lossesOf((await ask.messages('gemini', { system: cached })).heard)).toContain('cache-control');
  });
});
