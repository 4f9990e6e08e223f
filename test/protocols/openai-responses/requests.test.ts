// Requests of responses: what is read into the neutral form, what is refused by its path, what is listed, and how a
// conversation of another protocol's client is written.

import { describe, expect, test } from 'bun:test';
import { plainLine } from '../../../src/plugin/protocol.ts';
import type { Dialect } from '../../../src/plugin/codec.ts';
import type { Conversation, JsonObject, JsonValue, OutputPart, Turn } from '../../../src/plugin/conversation.ts';
import { responsesCodec } from '../../../src/protocols/openai-responses/codec.ts';
import { openAiResponses } from '../../../src/protocols/openai-responses/openai-responses.ts';
import { carryUnmapped, LossList } from '../../../src/protocols/translation/carriage.ts';
import { sealSignature } from '../../../src/protocols/translation/signature-envelope.ts';
import { field } from '../../support/gateway.ts';
import { refusal, writtenTo } from '../translation-kit.ts';
import type { Written } from '../translation-kit.ts';

const parse = (body: JsonObject): Conversation => responsesCodec.parseRequest({ model: 'm', ...body }, plainLine);
const turnsOf = (...input: readonly JsonValue[]): readonly Turn[] => parse({ input }).turns;

const write = (more: Partial<Conversation>, dialect: Partial<Dialect> = {}) =>
  writtenTo('openai-responses', more, dialect);

/** What a client of responses loses on its way to chat. */
function toChat(body: JsonObject): Written {
  const losses = new LossList('openai-chat');
  const conversation = parse(body);
  carryUnmapped(conversation, losses);
  const there = writtenTo('openai-chat', conversation);
  return { body: there.body, losses: [...losses.names, ...there.losses] };
}

const user = { role: 'user', content: 'Hi' };
const call = (id: string, more: JsonObject = {}): JsonObject => ({
  type: 'function_call',
  call_id: id,
  name: 'f',
  arguments: '{}',
  ...more,
});
const output = (id: string): JsonObject => ({ type: 'function_call_output', call_id: id, output: id });
const assistant = (...parts: readonly OutputPart[]): Turn => ({ role: 'assistant', parts });

describe('a request is read', () => {
  test('what the model produced in a row is one turn, and the results of its calls are one', () => {
    const sealed = { type: 'reasoning', id: 'rs_1', summary: [], content: null, encrypted_content: 'gAAA' };
    const turns = turnsOf(user, sealed, call('a'), call('b'), output('a'), output('b'), user);
    expect(turns.map(({ role, parts }) => [role, parts.map(({ kind }) => kind)])).toEqual([
      ['user', ['text']],
      ['assistant', ['thinking', 'tool-call', 'tool-call']],
      ['user', ['tool-result', 'tool-result']],
      ['user', ['text']],
    ]);
    const signature = { protocol: 'openai-responses', form: 'encrypted', value: 'gAAA', id: 'rs_1' };
    expect(turns[1]?.parts[0]).toEqual(expect.objectContaining({ text: '', signature }));
  });

  test("another vendor's thinking comes back as it was given out", () => {
    const signature = { protocol: 'anthropic-messages', form: 'signature', value: 'EqQB' } as const;
    const item = {
      type: 'reasoning',
      id: 'rs_made',
      summary: [{ type: 'summary_text', text: 'Hm' }],
      encrypted_content: sealSignature(signature),
    };
    expect(turnsOf(item)[0]?.parts).toEqual([{ kind: 'thinking', text: 'Hm', summary: true, signature }]);
  });

  test('an output is a text or parts', () => {
    const parts = [
      { type: 'input_text', text: 'seen' },
      { type: 'input_image', image_url: 'data:image/png;base64,QUJD', detail: 'low' },
      { type: 'input_file', filename: 'a.pdf', file_data: 'data:application/pdf;base64,QUJD' },
    ];
    const [, turn] = turnsOf(call('a'), { type: 'function_call_output', call_id: 'a', output: parts });
    expect(turn?.parts).toMatchObject([
      {
        kind: 'tool-result',
        parts: [
          { kind: 'text', text: 'seen' },
          { kind: 'image', detail: 'low', source: { from: 'base64', mediaType: 'image/png', data: 'QUJD' } },
          { kind: 'document', fileName: 'a.pdf', source: { from: 'base64', mediaType: 'application/pdf' } },
        ],
      },
    ]);
  });

  test('what is empty says nothing', () => {
    const empty = { text: {}, include: [], metadata: {}, tools: [], reasoning: {}, truncation: 'disabled', user: null };
    expect(parse({ input: 'Hi', ...empty, background: false, stream_options: {} })).toMatchObject({
      unmapped: [],
      outputForm: undefined,
      thinking: undefined,
      metadata: undefined,
    });
  });

  test.each([
    [{ input: [{ role: 'user' }] }, 'input[0].content: '],
    [{ input: [{ role: 'user', content: 7 }] }, 'input[0].content: '],
    [{ input: [{ role: 'robot', content: 'x' }] }, 'input[0].role: '],
    [{ input: [user, { role: 'user', content: [{ type: 'hologram' }] }] }, 'input[1].content[0].type: '],
    [{ input: [{ role: 'user', content: [{ type: 'input_image' }] }] }, 'input[0].content[0].image_url: '],
    [{ input: [{ role: 'user', content: [{ type: 'input_file' }] }] }, 'input[0].content[0].file_data: '],
    [{ input: ['x'] }, 'input[0]: '],
    [{ input: [{}] }, 'input[0].type: '],
    [{ input: 7 }, 'input: '],
    [{ input: [{ type: 'function_call', name: 'f' }] }, 'input[0].call_id: '],
    [{ input: [{ type: 'function_call', call_id: 'a' }] }, 'input[0].name: '],
    [{ input: [{ type: 'function_call_output', output: 'x' }] }, 'input[0].call_id: '],
    [{ instructions: 7 }, 'instructions: '],
    [{ tools: {} }, 'tools: '],
    [{ tools: [{}] }, 'tools[0].type: '],
    [{ tools: [{ type: 'function' }] }, 'tools[0].name: '],
    [{ tools: [{ type: 'function', name: 'f', parameters: [] }] }, 'tools[0].parameters: '],
    [{ tools: [{ type: 'namespace', name: 'n', tools: [{ type: 'mcp', name: 'x' }] }] }, 'tools[0].tools[0].type: '],
    [{ tool_choice: 'maybe' }, 'tool_choice: '],
    [{ tool_choice: { type: 'function' } }, 'tool_choice.name: '],
    [{ text: { format: { type: 'json_schema' } } }, 'text.format.schema: '],
    [{ text: { format: { type: 'xml' } } }, 'text.format.type: '],
    [{ reasoning: { effort: 'enormous' } }, 'reasoning.effort: '],
    [{ temperature: '0.5' }, 'temperature: '],
  ] as const)('%j is refused by its path', (body, path) => {
    expect(refusal(() => parse(body))).toStartWith(path);
  });
});

describe('what another protocol cannot carry', () => {
  test.each(['previous_response_id', 'conversation', 'prompt'] as const)('%s is refused', (name) => {
    expect(refusal(() => toChat({ input: 'Hi', [name]: 'x_1' }))).toStartWith(`${name}: `);
  });

  test('a reference to thinking is dropped and listed; any other is refused by its name', () => {
    const reference = (id: string) => [user, { type: 'item_reference', id }, call('a'), output('a')];
    expect(toChat({ input: reference('rs_1') }).losses).toEqual(['field:input[1]']);
    const refused = refusal(() => toChat({ input: reference('msg_1') }));
    expect(refused).toStartWith('input[1]: ');
    expect(refused).toContain('"item_reference"');
  });

  test('hints are listed, each name once', () => {
    const spoken = { role: 'assistant', content: 'x', phase: 'commentary' };
    expect(parse({ input: [user, spoken, spoken] }).unmapped).toHaveLength(1);
    const { losses } = toChat({
      input: [user, spoken, spoken],
      prompt_cache_retention: '24h',
      truncation: 'auto',
      include: ['reasoning.encrypted_content', 'file_search_call.results'],
      reasoning: { effort: 'low', context: 'all_turns' },
      client_metadata: { a: 'b' },
    });
    expect(losses.toSorted()).toEqual([
      'field:client_metadata',
      'field:include[1]',
      'field:input[].phase',
      'field:prompt_cache_retention',
      'field:reasoning.context',
      'field:truncation',
    ]);
  });

  test('a search beside functions is listed; one that all depends on is refused', () => {
    const search = { type: 'web_search' };
    const tool = { type: 'function', name: 'f', parameters: {}, strict: false };
    expect(toChat({ input: 'Hi', tools: [tool, search] }).losses).toEqual(['tool:web_search']);
    expect(refusal(() => toChat({ input: 'Hi', tools: [search] }))).toContain('web_search');
    const forced = { input: 'Hi', tools: [tool, search], tool_choice: search };
    expect(refusal(() => toChat(forced))).toContain('tool_choice');
  });

  test('functions of a namespace go under both words', () => {
    const find = { type: 'function', name: 'find', strict: true };
    const tools = [{ type: 'namespace', name: 'crm', description: 'Ours', tools: [find] }];
    const input = [user, call('a', { name: 'find', namespace: 'crm' }), output('a')];
    const { body, losses } = toChat({ input, tools });
    const named = { function: { name: 'crm__find' } };
    expect(body).toMatchObject({ tools: [named], messages: [{}, { tool_calls: [named] }, {}] });
    expect(losses).toEqual(['field:tools[0].description']);
  });
});

describe('a request is written', () => {
  const thought = (signature?: JsonObject): OutputPart =>
    JSON.parse(JSON.stringify({ kind: 'thinking', text: 'Hm', signature }));

  test('its own sealed thinking goes with its id; unsigned and foreign thinking is listed', () => {
    const own = { protocol: 'openai-responses', form: 'encrypted', value: 'gAAA', id: 'rs_1' };
    const { body, losses } = write({ turns: [assistant(thought(own))] });
    const summary = [{ type: 'summary_text', text: 'Hm' }];
    expect(body).toMatchObject({
      input: [{ type: 'reasoning', id: 'rs_1', summary, encrypted_content: 'gAAA' }],
      include: ['reasoning.encrypted_content'],
      store: false,
    });
    expect(losses).toEqual([]);
    const foreign = { protocol: 'anthropic-messages', form: 'signature', value: 'x' };
    for (const part of [thought(), thought(foreign)])
      expect(write({ turns: [assistant(part)] })).toMatchObject({ body: { input: [] }, losses: ['thinking-history'] });
  });

  test('a result of a custom tool is told from one of a function, ids beyond its alphabet are mapped alike', () => {
    const custom: OutputPart = { kind: 'tool-call', id: 'c', name: 'sh', arguments: 'ls', custom: true };
    const odd = `call:${'x'.repeat(80)}`;
    const { body } = write({
      turns: [
        assistant(custom, { kind: 'tool-call', id: odd, name: 'f', arguments: '{}' }),
        {
          role: 'user',
          parts: [
            { kind: 'tool-result', callId: 'c', parts: [{ kind: 'text', text: 'a' }] },
            { kind: 'tool-result', callId: odd, parts: [] },
          ],
        },
      ],
    });
    const mapped = /"call_id":"(call_[\w-]{1,59})"/.exec(JSON.stringify(body))?.[1];
    expect(mapped).toBeString();
    expect(field(body, 'input')).toEqual([
      { type: 'custom_tool_call', call_id: 'c', name: 'sh', input: 'ls' },
      { type: 'function_call', call_id: mapped, name: 'f', arguments: '{}' },
      { type: 'custom_tool_call_output', call_id: 'c', output: 'a' },
      { type: 'function_call_output', call_id: mapped, output: '' },
    ]);
  });

  test('tool choice in every form', () => {
    const tools = [
      { kind: 'function', name: 'f' },
      { kind: 'custom', name: 'c' },
    ] as const;
    const written = (toolChoice: Conversation['toolChoice']) => field(write({ tools, toolChoice }).body, 'tool_choice');
    expect(written({ kind: 'none' })).toBe('none');
    expect(written({ kind: 'tool', name: 'c' })).toEqual({ type: 'custom', name: 'c' });
    const names = ['f', 'c'];
    const allowed = { type: 'allowed_tools', mode: 'required' };
    const types = [
      { type: 'function', name: 'f' },
      { type: 'custom', name: 'c' },
    ];
    expect(written({ kind: 'allowed', mode: 'required', names })).toEqual({ ...allowed, tools: types });
    expect(parse({ tools: [], tool_choice: { ...allowed, tools: types } }).toolChoice).toEqual({
      kind: 'allowed',
      mode: 'required',
      names,
    });
    expect(field(write({ toolChoice: { kind: 'required' } }).body, 'tool_choice')).toBeUndefined();
  });

  test('settings, and those that a vendor lacks', () => {
    const schema = { type: 'object', properties: {}, additionalProperties: false } as const;
    const form = { name: 'a', schema, strict: true } as const;
    const outputForm = { kind: 'schema', ...form } as const;
    const thinking = { mode: 'on', effort: 'max', shown: true } as const;
    const settings = { outputForm, thinking, verbosity: 'low', cacheKey: 'k', user: 'u', outputLimit: 77 } as const;
    expect(write(settings)).toMatchObject({
      losses: [],
      body: {
        text: { verbosity: 'low', format: { type: 'json_schema', ...form } },
        reasoning: { effort: 'max', summary: 'auto' },
        prompt_cache_key: 'k',
        user: 'u',
        max_output_tokens: 77,
      },
    });
    const lacking = write({ ...settings, parallelToolCalls: false }, { strictSchemas: false, thinking: 'none' });
    expect(lacking.losses).toEqual(['thinking-settings', 'schema-strictness']);
  });

  test.each([
    [{ stop: ['END'] }, 'stop'],
    [{ choices: 2 }, 'n'],
    [{ modalities: ['text', 'audio'] }, 'modalities'],
  ] as const)('%j is refused', (more, path) => {
    expect(refusal(() => write(more))).toStartWith(`${path}: `);
  });

  test('what it has no place for is listed', () => {
    const { losses } = write({ topK: 1, minP: 0.1, seed: 1, presencePenalty: 1, logitBias: {} });
    expect(losses).toEqual(['top-k', 'min-p', 'seed', 'penalties', 'logit-bias']);
  });
});

describe('the facts of a request', () => {
  const facts = (body: string) => openAiResponses.readRequest(Buffer.from(body), plainLine);
  const bound = (more: string) => facts(`{"model":"m","input":"Hi"${more}}`).inputBound;

  test('its length bounds its input', () => expect(bound('')).toBeGreaterThan(20));

  test.each([
    ',"previous_response_id":"resp_1"',
    ',"prompt":{"id":"p"}',
    ',"tools":[{"type":"web_search"}]',
    ',"tools":[{"type":"web\\u005fsearch"}]',
    ',"tools":[{"\\u0074ype":"web_search"}]',
  ])('%s has none', (more) => expect(bound(more)).toBeUndefined());

  test.each([
    '{"type":"item_reference","id":"msg_1"}',
    '{"type":"image_generation_call","id":"ig_1"}',
    '{"role":"user","content":[{"type":"input_image","image_url":"https://example.com/a.png"}]}',
    '{"role":"user","content":[{"type":"input_file","file_id":"file_1"}]}',
    '{"type":"additional_tools","tools":[{"type":"web_search"}]}',
  ])('an input of %s has none', (item) => {
    expect(facts(`{"model":"m","input":[${item}]}`).inputBound).toBeUndefined();
  });

  test('text about such things bounds itself', () => {
    const text = JSON.stringify('{"type":"item_reference","file_id":"x"}');
    expect(facts(`{"model":"m","input":[{"role":"user","content":${text}}]}`).inputBound).toBeNumber();
    expect(bound(',"tools":[{"type":"function","name":"f","parameters":{"type":"object"}}]')).toBeNumber();
  });
});
