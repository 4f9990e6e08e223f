// How much is to be thought, from each protocol to each other: the word itself where the target has it, else the
// nearest, which is told.

import { describe, expect, test } from 'bun:test';
import type { Dialect } from '../../../src/plugin/codec.ts';
import type { JsonObject, Turn } from '../../../src/plugin/conversation.ts';
import type { ProtocolName } from '../../../src/plugin/operations.ts';
import { plainLine } from '../../../src/plugin/protocol.ts';
import { protocolOf } from '../../../src/protocols/protocols.ts';
import { writtenTo } from '../translation-kit.ts';

type Client = 'openai-chat' | 'openai-responses' | 'anthropic-messages';

const asks: Readonly<Record<Client, (word: string) => JsonObject>> = {
  'openai-chat': (word) => ({ messages: [{ role: 'user', content: 'Hi' }], reasoning_effort: word }),
  'openai-responses': (word) => ({ input: 'Hi', reasoning: { effort: word } }),
  'anthropic-messages': (word) => ({
    messages: [{ role: 'user', content: 'Hi' }],
    max_tokens: 9,
    ...(word === 'none' ? { thinking: { type: 'disabled' } } : { output_config: { effort: word } }),
  }),
};

/** What the upstream is told, and what was lost. */
function told(client: Client, word: string, upstream: ProtocolName, dialect: Partial<Dialect> = {}) {
  const { thinking } = protocolOf(client).codec?.parseRequest({ model: 'm', ...asks[client](word) }, plainLine) ?? {};
  const { body, losses } = writtenTo(upstream, { thinking, turns }, dialect);
  const found = /"(?:reasoning_effort|effort|thinkingLevel)":"(\w+)"|"type":"(disabled)"/.exec(JSON.stringify(body));
  return [found?.[1] ?? found?.[2], losses];
}

const turns: readonly Turn[] = [{ role: 'user', parts: [{ kind: 'text', text: 'Hi' }] }];
const lost = ['thinking-settings'];

describe('nothing changes between OpenAI and Anthropic', () => {
  for (const client of ['openai-chat', 'openai-responses'] as const) {
    test.each(['low', 'medium', 'high', 'xhigh', 'max'])(`${client}: %s`, (word) => {
      expect(told(client, word, 'anthropic-messages')).toEqual([word, []]);
      expect(told('anthropic-messages', word, client)).toEqual([word, []]);
    });
    test(`${client}: none`, () => {
      expect(told(client, 'none', 'anthropic-messages')).toEqual(['disabled', []]);
      expect(told('anthropic-messages', 'none', client)).toEqual(['none', []]);
    });
  }
});

test.each([
  ['minimal', 'anthropic-messages', 'low'],
  ['xhigh', 'gemini-generate', 'HIGH'],
  ['max', 'gemini-generate', 'HIGH'],
  ['none', 'gemini-generate', 'MINIMAL'],
] as const)('%s to %s, which has no such word, is %s', (word, upstream, expected) => {
  expect(told('openai-chat', word, upstream)).toEqual([expected, lost]);
});

test.each<[string, Dialect['efforts'], string | undefined]>([
  ['xhigh', ['low', 'medium', 'high', 'max'], 'high'],
  ['max', ['none', 'low', 'medium', 'high'], 'high'],
  ['minimal', ['none', 'low'], 'low'],
  ['none', ['minimal', 'low'], 'minimal'],
  ['none', ['high'], 'high'],
  ['low', ['none'], undefined],
])('%s to a model that takes %j', (word, efforts, expected) => {
  expect(told('openai-chat', word, 'openai-responses', { efforts })).toEqual([expected, lost]);
  expect(told('openai-responses', word, 'openai-chat', { efforts })).toEqual([expected, lost]);
});

test('a model of Anthropic that cannot be told not to think thinks as little as it can', () => {
  const efforts = ['low', 'high'] as const;
  const { body, losses } = writtenTo(
    'anthropic-messages',
    { thinking: { mode: 'off' }, turns },
    { efforts },
  );
  expect(body).toMatchObject({ thinking: { type: 'adaptive' }, output_config: { effort: 'low' } });
  expect(losses).toEqual(lost);
});

test('a number of tokens becomes the word whose number it is, if not the highest, and is told', () => {
  for (const [budgetTokens, word] of [
    [24_576, 'high'],
    [24_577, 'xhigh'],
    [32_768, 'xhigh'],
    [99_999, 'xhigh'],
  ] as const) {
    const { body, losses } = writtenTo('openai-chat', { thinking: { mode: 'on', budgetTokens }, turns: [] });
    expect([body['reasoning_effort'], losses]).toEqual([word, lost]);
  }
});
