// The other fields of a request of Anthropic's messages: carried, listed, or refused by their path.

import { describe, expect, test } from 'bun:test';
import type { Conversation, JsonValue } from '../../../src/plugin/conversation.ts';
import { at, parsed, parsedWith, written } from './messages-kit.ts';
import { refusal } from '../translation-kit.ts';

describe('the rest of a request', () => {
  test('a limit is demanded: the model’s where the client set none', () => {
    expect(written({}).body['max_tokens']).toBe(64_000);
    expect(written({ outputLimit: 100_000 }).body['max_tokens']).toBe(100_000);
  });

  test('sampling is carried, or listed where the model refuses it, is thinking, or knows no such value', () => {
    const sampling = { temperature: 0.5, topK: 4 };
    expect(written(sampling).body).toMatchObject({ temperature: 0.5, top_k: 4 });
    const refused = written({ ...sampling, topP: 0.9 }, { sampling: 'never' });
    expect(refused.losses).toEqual(['temperature', 'top-p', 'top-k']);
    expect(refused.body).not.toContainAnyKeys(['temperature', 'top_p', 'top_k']);
    expect(written({ ...sampling, thinking: { effort: 'low' } }).losses).toEqual(['temperature', 'top-k']);
    expect(written({ temperature: 1, thinking: { effort: 'low' } }).losses).toEqual([]);
    expect(written({ temperature: 1.5 }).losses).toEqual(['temperature']);
    const both = written({ temperature: 0.5, topP: 0.5 });
    expect([both.body['top_p'], both.losses]).toEqual([undefined, ['top-p']]);
  });

  test('what it has no place for is listed by name', () => {
    const { losses } = written({
      seed: 1,
      minP: 0.1,
      presencePenalty: 1,
      logitBias: {},
      logprobs: 1,
      verbosity: 'low',
      metadata: {},
      cacheKey: 'k',
      store: true,
      serviceTier: 'flex',
      stop: [' ', 'END'],
    });
    const known = 'min-p seed penalties logit-bias logprobs verbosity metadata cache-key store stop service-tier';
    expect(losses).toEqual(known.split(' '));
  });

  test('schemas of other vendors are closed, and lose what would be refused', () => {
    const formOf = (schema: Extract<Conversation['outputForm'], { kind: 'schema' }>['schema']) => {
      const { body, losses } = written({ outputForm: { kind: 'schema', schema } });
      return { schema: at(body, 'output_config', 'format', 'schema'), losses };
    };
    const closed = { type: 'object', properties: { a: { type: 'string' } }, additionalProperties: false };
    expect(formOf(closed)).toEqual({ schema: closed, losses: [] });
    expect(formOf({ $schema: 'x', type: 'object', properties: { a: { type: 'string' } } })).toEqual({
      schema: closed,
      losses: [],
    });
    const bounded = {
      type: 'array',
      minItems: 3,
      items: { oneOf: [{ type: 'string', maxLength: 3, format: 'slug' }] },
    };
    expect(formOf(bounded)).toEqual({
      schema: { type: 'array', items: { anyOf: [{ type: 'string' }] } },
      losses: ['schema-strictness'],
    });
    const property = { ...closed, properties: { minimum: { type: 'number' }, format: { type: 'string' } } };
    expect(formOf(property)).toEqual({ schema: property, losses: [] });
  });

  test('fields without a place are told by their path and weight', () => {
    const { unmapped } = parsedWith({
      context_management: { edits: [] },
      mcp_servers: [{ name: 'x' }],
      container: null,
      metadata: { user_id: 'u', team: 't' },
      output_config: { effort: 'low', task_budget: {} },
      tools: [{ name: 'f', input_schema: {}, defer_loading: true, eager_input_streaming: true }],
      messages: [
        {
          role: 'user',
          content: [{ type: 'tool_result', tool_use_id: 'a', content: [{ type: 'tool_reference', tool_name: 't' }] }],
        },
        { role: 'system', content: [{ type: 'tool_removal', name: 'f' }], id: 'x' },
      ],
    });
    expect(unmapped).toEqual([
      { path: 'context_management', weight: 'hint' },
      { path: 'mcp_servers', weight: 'meaning' },
      { path: 'output_config.task_budget', weight: 'hint' },
      { path: 'metadata.team', weight: 'hint' },
      { path: 'messages[0].content[0].content[0]', weight: 'hint' },
      { path: 'messages[1].id', weight: 'hint' },
      { path: 'messages[1].content[0]', weight: 'meaning' },
      { path: 'tools[0].defer_loading', weight: 'hint' },
      { path: 'tools[0].eager_input_streaming', weight: 'hint' },
    ]);
  });

  test.each<readonly [JsonValue, string]>([
    [{}, 'messages: '],
    [{ messages: [{ role: 'robot', content: '' }] }, 'messages[0].role: '],
    [{ messages: [null] }, 'messages[0].role: '],
    [{ messages: [{ role: 'user', content: 7 }] }, 'messages[0].content: '],
    [{ messages: [{ role: 'user', content: ['x'] }] }, 'messages[0].content[0]: '],
    [{ messages: [{ role: 'user', content: [{ text: 'x' }] }] }, 'messages[0].content[0].type: '],
    [{ messages: [{ role: 'user', content: [{ type: 'text' }] }] }, 'messages[0].content[0].text: '],
    [{ messages: [{ role: 'user', content: [{ type: 'tool_result' }] }] }, 'messages[0].content[0].tool_use_id: '],
    [{ messages: [{ role: 'user', content: [{ type: 'image' }] }] }, 'messages[0].content[0].source.type: '],
    [
      { messages: [{ role: 'user', content: [{ type: 'image', source: { type: 'base64', media_type: 'a/b' } }] }] },
      'messages[0].content[0].source.data: ',
    ],
    [{ messages: [{ role: 'assistant', content: [{ type: 'tool_use', id: 'a' }] }] }, 'messages[0].content[0].name: '],
    [{ messages: [], system: 3 }, 'system: '],
    [{ messages: [], tools: {} }, 'tools: '],
    [{ messages: [], tools: [{}] }, 'tools[0].name: '],
    [{ messages: [], tool_choice: { type: 'maybe' } }, 'tool_choice.type: '],
    [{ messages: [], tool_choice: { type: 'tool' } }, 'tool_choice.name: '],
    [{ messages: [], thinking: { type: 'hard' } }, 'thinking.type: '],
    [{ messages: [], output_config: { effort: 'heroic' } }, 'output_config.effort: '],
    [{ messages: [], output_config: { format: { type: 'xml' } } }, 'output_config.format.type: '],
    [{ messages: [], output_format: { type: 'json_schema' } }, 'output_format.schema: '],
    [{ messages: [], stop_sequences: [1] }, 'stop_sequences[0]: '],
  ])('%j is refused at %s', (body, path) => {
    expect(refusal(() => parsed(body))).toStartWith(path);
  });
});
