// What a request asks of its model and some models refuse: left out and listed where the answer means the same without
// it, refused where it does not.

import { describe, expect, test } from 'bun:test';
import type { Sampling } from '../../../src/plugin/codec.ts';
import type { Conversation, ToolChoice } from '../../../src/plugin/conversation.ts';
import { refusal, writtenTo } from '../translation-kit.ts';

const turns: Conversation['turns'] = [{ role: 'user', parts: [{ kind: 'text', text: 'Hi' }] }];
const openAi = ['openai-chat', 'openai-responses'] as const;
const asked = { turns, temperature: 0.5, topP: 0.9, logprobs: 2 };

const carried = (
  protocol: (typeof openAi)[number] | 'anthropic-messages',
  sampling: Sampling,
  conversation: Partial<Conversation>,
) => {
  const { body, losses } = writtenTo(protocol, { ...asked, ...conversation }, { sampling });
  return { body, losses, taken: ['temperature', 'top_p', 'top_logprobs'].filter((name) => body[name] !== undefined) };
};

describe('sampling', () => {
  const all = ['temperature', 'top_p', 'top_logprobs'];
  const settings = {
    rest: { thinking: { mode: 'off' } },
    think: { thinking: { effort: 'low' } },
    nothing: {},
  } as const;
  test.each([
    ['always', { rest: true, think: true, nothing: true }],
    ['unless-thinking', { rest: true, think: false, nothing: true }],
    ['only-at-rest', { rest: true, think: false, nothing: false }],
    ['never', { rest: false, think: false, nothing: false }],
  ] as const)('%s: carried where the model takes it, and listed elsewhere', (sampling, takes) => {
    for (const protocol of openAi)
      for (const how of ['rest', 'think', 'nothing'] as const) {
        const { taken, losses, body } = carried(protocol, sampling, settings[how]);
        expect(taken).toEqual(takes[how] ? all : []);
        expect(losses).toEqual(takes[how] ? [] : ['temperature', 'top-p', 'logprobs']);
        expect(JSON.stringify(body)).not.toMatch(takes[how] ? /never/ : /logprobs/);
      }
  });

  test('nothing is lost of what is the default anyway', () => {
    for (const protocol of openAi) {
      const { taken, losses } = carried(protocol, 'never', { temperature: 1, topP: 1, logprobs: undefined });
      expect([taken, losses]).toEqual([[], []]);
    }
  });

  test('models that think take no penalties and no bias, even at rest', () => {
    const biased = {
      turns,
      presencePenalty: 1,
      frequencyPenalty: 1,
      logitBias: { 1: 2 },
      thinking: { mode: 'off' },
    } as const;
    const { body, losses } = writtenTo('openai-chat', biased, { sampling: 'only-at-rest' });
    expect(losses).toEqual(['penalties', 'logit-bias']);
    expect(body).not.toContainAnyKeys(['presence_penalty', 'frequency_penalty', 'logit_bias']);
    expect(writtenTo('openai-chat', biased).body).toMatchObject({ presence_penalty: 1, logit_bias: { 1: 2 } });
  });

  test('Claude: what an operator says of a model goes before the protocol', () => {
    const thinking = { effort: 'low' } as const;
    expect(carried('anthropic-messages', 'always', { thinking, topP: undefined }).taken).toEqual(['temperature']);
    expect(carried('anthropic-messages', 'only-at-rest', {}).taken).toEqual([]);
  });
});

describe('a model that cannot think', () => {
  const thoughtless = { thinking: 'none', efforts: ['none'] } as const;
  test.each(openAi)('%s: is told nothing of it, and not to think is what it does', (protocol) => {
    const off = writtenTo(protocol, { turns, thinking: { mode: 'off' } }, thoughtless);
    const on = writtenTo(protocol, { turns, thinking: { effort: 'low', summary: 'auto' } }, thoughtless);
    expect([off.losses, on.losses]).toEqual([[], ['thinking-settings']]);
    for (const { body } of [off, on]) expect(body).not.toContainAnyKeys(['reasoning_effort', 'reasoning']);
    // One that thinks as it sees fit, and cannot be told, does not do as it was asked.
    const deaf = { thinking: 'none' } as const;
    expect(writtenTo(protocol, { turns, thinking: { mode: 'off' } }, deaf).losses).toEqual(['thinking-settings']);
  });
});

describe('a model that calls as it sees fit', () => {
  const parameters = { type: 'object', properties: {} };
  const tools: Conversation['tools'] = [{ kind: 'function', name: 'look', parameters }];
  const choose = (toolChoice: ToolChoice | undefined) => () =>
    writtenTo('anthropic-messages', { turns, tools, toolChoice }, { forcedCalls: false });

  test.each<ToolChoice>([
    { kind: 'required' },
    { kind: 'tool', name: 'look' },
    { kind: 'allowed', mode: 'required', names: ['look'] },
  ])('is not asked for a call that must be made: %o', (choice) => {
    expect(refusal(choose(choice))).toStartWith('tool_choice: demands a call');
    expect(refusal(() => writtenTo('anthropic-messages', { turns, tools, toolChoice: choice }))).toBe('');
  });

  test.each<ToolChoice | undefined>([
    undefined,
    { kind: 'auto' },
    { kind: 'none' },
    { kind: 'allowed', mode: 'auto', names: ['look'] },
  ])('is asked for all else: %o', (choice) => {
    expect(refusal(choose(choice))).toBe('');
  });

  test('may be told to call where there is nothing to call', () => {
    const nothing = { turns, toolChoice: { kind: 'required' } } as const;
    expect(writtenTo('anthropic-messages', nothing, { forcedCalls: false }).body).not.toContainAnyKeys(['tool_choice']);
  });
});
