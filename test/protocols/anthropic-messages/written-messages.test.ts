// Messages and tools as an upstream of Anthropic's protocol takes them, out of whatever another client sent.

import { describe, expect, test } from 'bun:test';
import type { Conversation, JsonValue, Turn } from '../../../src/plugin/conversation.ts';
import {
  assistant,
  at,
  call,
  hello,
  parsedTurns,
  parsedWith,
  result,
  said,
  user,
  written,
  tool,
} from './messages-kit.ts';
import { refusal } from '../translation-kit.ts';

const messagesOf = (turns: readonly Turn[]) => at(written({ turns }).body, 'messages');

describe('messages are written', () => {
  test('results of parallel calls are one message and come first; turns of one side are merged', () => {
    const turns = [
      hello,
      assistant(call('a')),
      assistant(call('b')),
      user(result('a')),
      user(said('And?')),
      user(result('b')),
    ];
    const block = (id: string) => ({ type: 'tool_result', tool_use_id: id, content: [{ type: 'text', text: 'ok' }] });
    expect(messagesOf(turns)).toEqual([
      { role: 'user', content: [{ type: 'text', text: 'Hi' }] },
      { role: 'assistant', content: ['a', 'b'].map((id) => ({ type: 'tool_use', id, name: 'f', input: {} })) },
      { role: 'user', content: [block('a'), block('b'), { type: 'text', text: 'And?' }] },
    ]);
  });

  test('empty text is left out, and a message that has nothing else', () => {
    const turns = [hello, assistant(said(''), call('a')), user(said(' \n'), result('a', '')), assistant(said(''))];
    expect(messagesOf(turns)).toEqual([
      { role: 'user', content: [{ type: 'text', text: 'Hi' }] },
      { role: 'assistant', content: [{ type: 'tool_use', id: 'a', name: 'f', input: {} }] },
      { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'a' }] },
    ]);
    const marked = { ...said(''), cache: { lifetime: '5m' } } as const;
    expect(written({ turns: [user(said('a'), marked)] }).losses).toEqual(['cache-control']);
  });

  test('ids in another alphabet are mapped alike in the call and its result', () => {
    const text = JSON.stringify(messagesOf([hello, assistant(call('a|b.c')), user(result('a|b.c'))]));
    const ids = [...text.matchAll(/"(?:id|tool_use_id)":"([a-zA-Z0-9_-]+)"/g)].map(([, id]) => id);
    expect(ids).toHaveLength(2);
    expect(ids[0]).toBe(ids[1] ?? '');
  });

  test('arguments that are no JSON object are shown as they are, and listed', () => {
    const { body, losses } = written({ turns: [hello, assistant(call('a', { arguments: '{"x":' }))] });
    expect(at(body, 'messages', 1, 'content', 0)).toMatchObject({ input: { INVALID_JSON: '{"x":' } });
    expect(losses).toEqual(['tool-arguments']);
  });

  test('pictures and documents, in results too, by their bytes, their address, or as text', () => {
    const sources = [
      { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'QUJD' } },
      { type: 'image', source: { type: 'url', url: 'https://x.example/a.png' } },
      { type: 'document', source: { type: 'base64', media_type: 'application/pdf', data: 'QUJD' }, title: 'T' },
      { type: 'document', source: { type: 'url', url: 'https://x.example/a.pdf' }, context: 'C' },
      {
        type: 'document',
        source: { type: 'text', media_type: 'text/plain', data: 'abc' },
        citations: { enabled: true },
      },
      { type: 'image', source: { type: 'file', file_id: 'file_1' }, cache_control: { type: 'ephemeral' } },
    ];
    const content = [{ type: 'tool_result', tool_use_id: 'a', content: sources, is_error: true }, ...sources];
    const turns = parsedTurns({ role: 'user', content });
    const { body, losses } = written({ turns });
    expect(at(body, 'messages', 0, 'content')).toEqual(content);
    expect(losses).toEqual([]);
    const html = {
      kind: 'document',
      source: { from: 'base64', mediaType: 'text/html', data: 'QUJD' },
      fileName: 'a.html',
    } as const;
    expect(at(messagesOf([user(html)]), 0, 'content', 0)).toEqual({
      type: 'document',
      source: { type: 'text', media_type: 'text/plain', data: 'ABC' },
      title: 'a.html',
    });
  });

  test('what no other can be given is refused: sound, files and blocks of other vendors, free input, choices', () => {
    const sound = { kind: 'audio', source: { from: 'url', url: 'https://x.example/a.wav' } } as const;
    expect(refusal(() => written({ turns: [user(sound)] }))).toContain('audio');
    const file = { kind: 'document', source: { from: 'stored', protocol: 'openai-chat', id: 'f' } } as const;
    expect(refusal(() => written({ turns: [user(file)] }))).toContain('file');
    const block = {
      kind: 'native',
      protocol: 'openai-responses',
      type: 'web_search_call',
      value: {},
      path: 'input[3]',
    } as const;
    expect(refusal(() => written({ turns: [hello, assistant(block)] }))).toStartWith('input[3]: ');
    expect(refusal(() => written({ tools: [{ kind: 'custom', name: 'patch' }] }))).toContain('"patch"');
    expect(refusal(() => written({ choices: 2 }))).toStartWith('n: ');
    expect(refusal(() => written({ outputForm: { kind: 'json' } }))).toContain('schema');
  });
});

describe('tools', () => {
  test.each<readonly [Partial<Conversation>, JsonValue]>([
    [{ parallelToolCalls: false }, { type: 'auto', disable_parallel_tool_use: true }],
    [{ toolChoice: { kind: 'none' }, parallelToolCalls: false }, { type: 'none' }],
    [{ toolChoice: { kind: 'auto' } }, { type: 'auto' }],
    [
      { toolChoice: { kind: 'required' }, parallelToolCalls: true },
      { type: 'any', disable_parallel_tool_use: false },
    ],
    [{ toolChoice: { kind: 'tool', name: 'f' } }, { type: 'tool', name: 'f' }],
    [{ toolChoice: { kind: 'allowed', mode: 'required', names: ['f'] } }, { type: 'any' }],
  ])('choice %j', (conversation, expected) => {
    const { body, losses } = written({ tools: [tool], ...conversation });
    expect(body['tool_choice']).toEqual(expected);
    expect(losses).toEqual([]);
  });

  test('none is said where nothing was, or where there are no tools', () => {
    expect(written({ tools: [tool], parallelToolCalls: true }).body['tool_choice']).toBeUndefined();
    expect(written({ parallelToolCalls: false, toolChoice: { kind: 'required' } }).body['tool_choice']).toBeUndefined();
  });

  test('a tool that must be called must be offered', () => {
    const custom = { kind: 'custom', name: 'patch' } as const;
    for (const toolChoice of [
      { kind: 'tool', name: 'patch' },
      { kind: 'allowed', mode: 'required', names: ['patch'] },
    ] as const)
      expect(refusal(() => written({ tools: [tool, custom], toolChoice }))).toStartWith('tool_choice: ');
    expect(written({ tools: [tool, custom] }).losses).toEqual(['tool:patch']);
    const none = { kind: 'allowed', mode: 'auto', names: ['patch'] } as const;
    expect(written({ tools: [tool, custom], toolChoice: none }).body).not.toContainAnyKeys(['tools', 'tool_choice']);
  });

  test('only those that may be called are offered', () => {
    const tools = [tool, { kind: 'function', name: 'g' }] as const;
    const { body } = written({ tools, toolChoice: { kind: 'allowed', mode: 'auto', names: ['g'] } });
    expect(body['tools']).toMatchObject([{ name: 'g' }]);
  });

  test.each<JsonValue>([
    { type: 'auto', disable_parallel_tool_use: true },
    { type: 'any' },
    { type: 'none' },
    { type: 'tool', name: 'f', disable_parallel_tool_use: false },
  ])('choice %j comes back as it was', (tool_choice) => {
    const input_schema = { type: 'object', properties: { a: { type: 'integer' } } };
    const cache_control = { type: 'ephemeral' };
    const tools = [
      { name: 'f', description: 'F', input_schema, cache_control },
      { type: 'web_search_20250305', name: 'w' },
    ];
    const { body, losses } = written(parsedWith({ tools, tool_choice }));
    expect(body).toMatchObject({ tools, tool_choice });
    expect(losses).toEqual([]);
  });

  test('a strict schema is closed; where that would change it, it is no longer strict', () => {
    const strict = (parameters: Extract<Conversation['tools'][number], { kind: 'function' }>['parameters']) =>
      written({ tools: [{ ...tool, strict: true, parameters }] });
    const properties = { a: { type: 'object', properties: {} } };
    const closed = { type: 'object', properties: {}, additionalProperties: false };
    const exact = strict({ type: 'object', properties });
    expect(at(exact.body, 'tools', 0)).toMatchObject({ strict: true, input_schema: { properties: { a: closed } } });
    const bound = { type: 'object', properties: { n: { type: 'integer', minimum: 1 } } };
    const loose = strict(bound);
    expect(at(loose.body, 'tools', 0)).toEqual({ name: 'f', input_schema: bound });
    expect(loose.losses).toEqual(['strict']);
  });
});
