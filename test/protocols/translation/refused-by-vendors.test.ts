// Requests that one vendor takes and another answers with 400, though they can be written as it takes them.

import { describe, expect, test } from 'bun:test';
import type { Dialect } from '../../../src/plugin/codec.ts';
import type { Conversation, JsonValue, Tool, ToolChoice } from '../../../src/plugin/conversation.ts';
import type { ProtocolName } from '../../../src/plugin/operations.ts';
import { plainLine } from '../../../src/plugin/protocol.ts';
import { listOf, objectOf } from '../../../src/protocols/json-fields.ts';
import { protocolOf } from '../../../src/protocols/protocols.ts';
import { carryUnmapped, LossList } from '../../../src/protocols/translation/carriage.ts';
import { sealSignature } from '../../../src/protocols/translation/signature-envelope.ts';
import { refusal, writtenTo } from '../translation-kit.ts';

const parsed = (protocol: ProtocolName, body: JsonValue): Conversation => {
  const { codec } = protocolOf(protocol);
  if (codec === undefined) throw new Error(`${protocol} has no codec`);
  return codec.parseRequest(body, { ...plainLine, model: 'm' });
};
const turns: Conversation['turns'] = [{ role: 'user', parts: [{ kind: 'text', text: 'Hi' }] }];
const png = 'iVBORw0KGgo=';

describe('results of parallel calls stay together', () => {
  const image = { type: 'image', source: { type: 'base64', media_type: 'image/png', data: png } };
  const use = (id: string) => ({ type: 'tool_use', id, name: 'look', input: {} });
  const result = (id: string, content: JsonValue) => ({
    role: 'user',
    content: [{ type: 'tool_result', tool_use_id: id, content }],
  });
  const anthropic = parsed('anthropic-messages', {
    max_tokens: 99,
    messages: [
      { role: 'user', content: 'go' },
      { role: 'assistant', content: [use('a'), use('b')] },
      result('a', [image]),
      result('b', 'text'),
    ],
  });

  test('in chat: each result, then what was moved out of them', () => {
    const { body, losses } = writtenTo('openai-chat', anthropic);
    expect(listOf(body['messages']).map((each) => objectOf(each)['role'])).toEqual([
      'user',
      'assistant',
      'tool',
      'tool',
      'user',
    ]);
    expect(losses).toContain('tool-result-media-moved');
  });

  test('for Gemini: in one content', () => {
    const { body } = writtenTo('gemini-generate', anthropic, { thinking: 'budget' });
    const kinds = listOf(body['contents']).map((each) =>
      listOf(objectOf(each)['parts']).map((part) => Object.keys(objectOf(part))[0]),
    );
    expect(kinds).toEqual([
      ['text'],
      ['functionCall', 'functionCall'],
      ['functionResponse', 'functionResponse'],
      ['inlineData'],
    ]);
  });

  test('for Mistral: with an answer before the user speaks', () => {
    const roles = (dialect: Partial<Dialect>) =>
      listOf(writtenTo('openai-chat', { turns: [...anthropic.turns, ...turns] }, dialect).body['messages']).map(
        (each) => objectOf(each)['role'],
      );
    const others = ['user', 'assistant', 'tool', 'tool', 'user', 'user'];
    expect(roles({})).toEqual(others);
    expect(roles({ userAfterResult: false })).toEqual([...others.slice(0, 4), 'assistant', 'user', 'user']);
  });

  test('what the user says by itself stays a turn of its own', () => {
    const { body } = writtenTo('openai-chat', { turns: [...anthropic.turns, ...turns] });
    expect(listOf(body['messages'])).toHaveLength(6);
  });
});

describe('limits', () => {
  test.each(['openai-chat', 'openai-responses'] as const)('%s: a user by a name of 64 characters at most', (target) => {
    expect(writtenTo(target, { turns, user: 'u'.repeat(64) })).toMatchObject({
      body: { user: 'u'.repeat(64) },
      losses: [],
    });
    const { body, losses } = writtenTo(target, { turns, user: 'u'.repeat(65) });
    expect([body['user'], losses]).toEqual([undefined, ['user']]);
  });

  test.each(['openai-chat', 'openai-responses'] as const)(
    '%s: the word where JSON of any form is asked for',
    (target) => {
      const asked = (text: string, kind: 'json' | 'text' = 'json') => {
        const said = [{ role: 'user', parts: [{ kind: 'text', text }] }] as const;
        const { body, losses } = writtenTo(target, { turns: said, outputForm: { kind } });
        expect(losses).toEqual([]);
        return listOf(body['messages'] ?? body['input']).length;
      };
      expect([asked('Hi'), asked('Hi, as Json'), asked('Hi', 'text')]).toEqual([2, 1, 1]);
    },
  );

  test('responses: 16 tokens at least', () => {
    expect(writtenTo('openai-responses', { turns, outputLimit: 16 }).losses).toEqual([]);
    const { body, losses } = writtenTo('openai-responses', { turns, outputLimit: 1 });
    expect([body['max_output_tokens'], losses]).toEqual([16, ['output-limit']]);
    expect(writtenTo('openai-chat', { turns, outputLimit: 1 }).body['max_completion_tokens']).toBe(1);
  });

  test('chat: ids of calls of 40 characters at most, the same for a call and its result', () => {
    for (const [length, kept] of [
      [40, true],
      [41, false],
    ] as const) {
      const id = 'x'.repeat(length);
      const { body } = writtenTo('openai-chat', {
        turns: [
          ...turns,
          { role: 'assistant', parts: [{ kind: 'tool-call', id, name: 'look', arguments: '{}' }] },
          { role: 'user', parts: [{ kind: 'tool-result', callId: id, parts: [] }] },
        ],
      });
      const [, asked, told] = listOf(body['messages']).map(objectOf);
      const called = objectOf(listOf(asked?.['tool_calls'])[0])['id'];
      expect(called === id).toBe(kept);
      expect(told?.['tool_call_id']).toBe(called ?? null);
      expect(String(called).length).toBeLessThanOrEqual(40);
    }
  });

  test('chat: that nothing is kept is not said, and that something is, is', () => {
    expect(writtenTo('openai-chat', { turns, store: false }).body).not.toContainAnyKeys(['store']);
    expect(writtenTo('openai-chat', { turns, store: true }).body['store']).toBe(true);
  });

  test('Gemini: penalties of nothing are not said', () => {
    const { body } = writtenTo('gemini-generate', { turns, presencePenalty: 0, frequencyPenalty: 0 });
    expect(JSON.stringify(body)).not.toContain('Penalty');
  });
});

describe('Anthropic', () => {
  test('knows one word for a JPEG', () => {
    const source = { from: 'base64', mediaType: 'image/jpg', data: png } as const;
    const { body } = writtenTo('anthropic-messages', { turns: [{ role: 'user', parts: [{ kind: 'image', source }] }] });
    expect(JSON.stringify(body)).toContain('"media_type":"image/jpeg"');
  });

  test('is told of a failure in some word', () => {
    const { body } = writtenTo('anthropic-messages', {
      turns: [
        ...turns,
        { role: 'assistant', parts: [{ kind: 'tool-call', id: 'a', name: 'look', arguments: '{}' }] },
        { role: 'user', parts: [{ kind: 'tool-result', callId: 'a', failed: true, parts: [] }] },
      ],
    });
    expect(JSON.stringify(body)).toContain('"content":[{"type":"text","text":"error"}],"is_error":true');
  });

  test('goes on with an answer that does not end in blanks', () => {
    const begun = (text: string) => {
      const parts = [{ kind: 'text', text }] as const;
      const { body } = writtenTo('anthropic-messages', { turns: [...turns, { role: 'assistant', parts }] });
      return JSON.stringify(listOf(body['messages']).at(-1));
    };
    expect(begun('Here:\n ')).toContain('"text":"Here:"');
    expect(begun('a\nb')).toContain('"text":"a\\nb"');
  });

  test('thinks where somebody wants to see it, or says that it does not', () => {
    for (const thinking of [{ shown: true }, { summary: 'auto' }]) {
      expect(writtenTo('anthropic-messages', { turns, thinking }).body['thinking']).toMatchObject({ type: 'adaptive' });
      const { body, losses } = writtenTo('anthropic-messages', { turns, thinking }, { thinking: 'budget' });
      expect([body['thinking'], losses]).toEqual([undefined, ['thinking-settings']]);
    }
  });
});

describe('a tool that was left out is not demanded', () => {
  const tools: readonly Tool[] = [
    { kind: 'function', name: 'look', parameters: { type: 'object', properties: {} } },
    { kind: 'native', protocol: 'anthropic-messages', type: 'web_search_20250305', value: { name: 'web_search' } },
  ];
  const targets = ['openai-chat', 'openai-responses', 'gemini-generate'] as const;
  const asked = (target: ProtocolName, toolChoice: ToolChoice) => () => writtenTo(target, { turns, tools, toolChoice });

  test.each(targets)('%s', (target) => {
    for (const choice of [
      { kind: 'tool', name: 'web_search' },
      { kind: 'allowed', mode: 'required', names: ['web_search'] },
    ] as const)
      expect(refusal(asked(target, choice))).toStartWith('tool_choice: demands a tool that cannot be carried');
    expect(refusal(asked(target, { kind: 'tool', name: 'look' }))).toBe('');
    expect(refusal(asked(target, { kind: 'allowed', mode: 'required', names: ['lok'] }))).toStartWith('tool_choice: ');
    const { body } = asked(target, { kind: 'allowed', mode: 'required', names: ['web_search', 'look'] })();
    expect(JSON.stringify(body)).not.toContain('web_search');
  });
});

test('where nothing that may be called is left, nothing may', () => {
  const tools: readonly Tool[] = [
    { kind: 'function', name: 'drop', parameters: { type: 'object', properties: {} } },
    { kind: 'custom', name: 'safe' },
  ];
  const toolChoice = { kind: 'allowed', mode: 'auto', names: ['safe'] } as const;
  const { body } = writtenTo('gemini-generate', { turns, tools, toolChoice });
  expect(body['toolConfig']).toEqual({ functionCallingConfig: { mode: 'NONE' } });
  for (const target of ['openai-chat', 'openai-responses'] as const) {
    const misspelt = { kind: 'allowed', mode: 'auto', names: ['sfe'] } as const;
    expect(writtenTo(target, { turns, tools, toolChoice: misspelt }).body['tool_choice']).toBe('none');
  }
});

describe('clients', () => {
  test('of Gemini: a result with an id of its own answers the call of its name that has none', () => {
    const call = { functionCall: { name: 'look', args: {} } };
    const result = (id: string) => ({ functionResponse: { id, name: 'look', response: { output: id } } });
    const conversation = parsed('gemini-generate', {
      contents: [
        { role: 'user', parts: [{ text: 'go' }] },
        { role: 'model', parts: [call, call] },
        { role: 'user', parts: [result('one'), result('two')] },
      ],
    });
    const messages = listOf(writtenTo('openai-chat', conversation).body['messages']).map(objectOf);
    const called = listOf(messages[1]?.['tool_calls']).map((each) => objectOf(each)['id'] ?? null);
    expect(messages.slice(2).map((each) => each['tool_call_id'] ?? null)).toEqual(called);
  });

  test('of chat: pictures in an answer go back, or are listed', () => {
    const images = [{ type: 'image_url', image_url: { url: `data:image/png;base64,${png}` }, index: 0 }];
    const conversation = parsed('openai-chat', {
      messages: [
        { role: 'user', content: 'draw' },
        { role: 'assistant', content: 'here', images },
        { role: 'user', content: 'bluer' },
      ],
    });
    expect(JSON.stringify(writtenTo('gemini-generate', conversation).body)).toContain(png);
    expect(writtenTo('anthropic-messages', conversation).losses).toEqual(['media-output']);
    expect(writtenTo('openai-responses', conversation).losses).toEqual(['media-output']);
  });

  test('of chat: signed thinking has its text again, which a stream gives in another field', () => {
    const signature = sealSignature({ protocol: 'anthropic-messages', form: 'signature', value: 'SIG' });
    const reply = { text: '', signature, type: 'reasoning.text', format: 'anthropic-claude-v1' };
    const { turns: read } = parsed('openai-chat', {
      messages: [{ role: 'assistant', content: 'so', reasoning_content: 'Hm.', reasoning_details: [reply] }],
    });
    const [thinking] = read.flatMap(({ parts }) => parts.filter(({ kind }) => kind === 'thinking'));
    expect(thinking).toMatchObject({ text: 'Hm.', signature: { value: 'SIG' } });
  });

  test('of chat’s older functions are refused: they read answers that are not written', () => {
    const body = { messages: [{ role: 'user', content: 'Hi' }], functions: [{ name: 'look', parameters: {} }] };
    expect(refusal(() => carryUnmapped(parsed('openai-chat', body), new LossList('anthropic-messages')))).toStartWith(
      'functions: ',
    );
  });
});
