// What providers say of models by their names, and that the operator's word goes before theirs.

import { describe, expect, test } from 'bun:test';
import { Value } from '@sinclair/typebox/value';
import type { Dialect, PluginEntry, ProtocolName } from 'tollgate/plugin';
import { anthropic } from '../../../plugins/providers/anthropic.ts';
import { azureOpenAi } from '../../../plugins/providers/azure.ts';
import { gemini } from '../../../plugins/providers/gemini.ts';
import { openAiCompatible } from '../../../plugins/providers/openai-compatible.ts';
import { openAi } from '../../../plugins/providers/openai.ts';
import { groq, xAi } from '../../../plugins/providers/vendors.ts';

function dialectOf(entry: PluginEntry<'provider'>, model: string, protocol: ProtocolName): Partial<Dialect> {
  return entry.create(entry.options).dialect?.(model, protocol) ?? {};
}

test.each([
  ['gpt-5', 'minimal low medium high'],
  ['gpt-5-mini-2025-08-07', 'minimal low medium high'],
  ['gpt-5.1-2025-11-13', 'none low medium high'],
  ['gpt-5.2', 'none low medium high xhigh'],
  ['gpt-5.6-sol', 'none low medium high xhigh max'],
  ['gpt-6-sol', 'none low medium high xhigh max'],
  ['gpt-6-astra', 'low medium high xhigh max'],
  ['openai/o3-mini', 'low medium high'],
  ['gpt-5-codex', 'low medium high'],
  ['gpt-5.1-codex-max', 'low medium high xhigh'],
  ['gpt-5.3-codex', 'low medium high xhigh'],
  ['gpt-5-pro', 'high'],
  ['gpt-5.2-pro-2025-12-11', 'medium high xhigh'],
  ['gpt-5.2-chat-latest', 'medium'],
  ['gpt-5-search-api', undefined],
  ['gpt-4.1', 'none'],
  ['my-deployment', undefined],
])('OpenAI: %s takes the efforts %s', (model, expected) => {
  for (const entry of [openAi(), azureOpenAi(), openAiCompatible()])
    for (const protocol of ['openai-chat', 'openai-responses'] as const)
      expect(dialectOf(entry, model, protocol).efforts?.join(' ')).toBe(expected);
});

test.each([
  ['gpt-4.1', undefined],
  ['gpt-4o-2024-08-06', undefined],
  ['gpt-5-chat-latest', undefined],
  ['my-deployment', undefined],
  ['o4-mini', 'never'],
  ['gpt-5', 'never'],
  ['gpt-5-nano-2025-08-07', 'never'],
  ['gpt-5-codex', 'never'],
  ['gpt-5.2-chat-latest', 'never'],
  ['gpt-5.2-pro-2025-12-11', 'never'],
  ['gpt-5.3-codex', 'never'],
  ['gpt-5.1-codex-max', 'never'],
  ['gpt-5.1-2025-11-13', 'unless-thinking'],
  ['openai/gpt-5.4-mini', 'unless-thinking'],
  ['gpt-5.5', 'only-at-rest'],
  ['gpt-5.6-sol', 'only-at-rest'],
  ['gpt-6-luna', 'only-at-rest'],
  ['gpt-6-astra', 'never'],
  ['gpt-6.1-sol', 'never'],
] as const)('OpenAI: %s takes sampling: %s', (model, sampling) => {
  for (const entry of [openAi(), azureOpenAi(), openAiCompatible()])
    expect(dialectOf(entry, model, 'openai-responses').sampling).toBe(sampling);
});

test.each([
  ['gemini-2.0-flash', 'none', undefined],
  ['gemini-2.5-flash', 'budget', 'none minimal low medium high'],
  ['gemini-2.5-pro', 'budget', undefined],
  ['gemini-3-pro-preview', 'level', 'low medium high'],
  ['gemini-3-flash-preview', 'level', undefined],
  ['gemini-3.7-flash', 'level', 'low medium high'],
  ['gemini-3.7-flash-lite', 'level', undefined],
  ['gemini-4-argon', 'level', 'low medium high'],
])('Gemini: %s is told how much to think by %s, of %s', (model, thinking, efforts) => {
  const dialect = dialectOf(gemini(), model, 'gemini-generate');
  expect([dialect.thinking, dialect.efforts?.join(' ')]).toEqual([thinking, efforts]);
});

test.each([
  ['grok-4.3', undefined, 'none low medium high'],
  ['grok-4.5', undefined, 'low medium high'],
  ['grok-4.20-reasoning', 'none', undefined],
  ['grok-4.20-multi-agent', undefined, 'low medium high xhigh'],
  ['grok-4.6', undefined, 'low medium high xhigh'],
  ['grok-4-fast-reasoning', 'none', undefined],
  ['grok-4', 'none', undefined],
  ['grok-3-mini', undefined, 'low high'],
  ['grok-code-fast-1', 'none', undefined],
  ['grok-7', undefined, undefined],
])('xAI: %s is told how much to think by %s, of %s', (model, thinking, efforts) => {
  for (const protocol of ['openai-chat', 'openai-responses'] as const) {
    const dialect = dialectOf(xAi(), model, protocol);
    expect([dialect.thinking, dialect.efforts?.join(' ')]).toEqual([thinking, efforts]);
  }
});

test.each([
  ['openai/gpt-oss-120b', undefined, 'low medium high'],
  ['qwen/qwen3-32b', undefined, 'none'],
  ['llama-3.3-70b-versatile', 'none', 'none'],
])('Groq: %s is told how much to think by %s, of %s', (model, thinking, efforts) => {
  const dialect = dialectOf(groq(), model, 'openai-chat');
  expect([dialect.thinking, dialect.efforts?.join(' ')]).toEqual([thinking, efforts]);
});

test.each([
  ['gpt-4.1', true],
  ['gpt-4o-2024-08-06', true],
  ['openai/gpt-4o-mini', true],
  ['gpt-3.5-turbo', true],
  ['gpt-4-turbo', true],
  ['gpt-5-chat-latest', true],
  ['gpt-5', false],
  ['gpt-40', false],
  ['o3', false],
  ['my-deployment', false],
])('OpenAI: %s cannot think: %p', (model, thoughtless) => {
  expect(dialectOf(openAi(), model, 'openai-chat').thinking === 'none').toBe(thoughtless);
});

describe("the operator's word", () => {
  const dialects = [
    { model: '*', parallelToolCalls: false },
    { model: 'claude-opus-*', sampling: 'always' as const },
    { model: 'claude-opus-9', sampling: 'never' as const, systemAmongTurns: true },
  ];

  test('goes before what is known, the later before the earlier, for the models that it names', () => {
    const entry = anthropic({ dialects });
    const said = (model: string) => dialectOf(entry, model, 'anthropic-messages');
    expect(said('claude-opus-4-7')).toEqual({ thinking: 'effort', sampling: 'always', parallelToolCalls: false });
    expect(said('claude-opus-9')).toMatchObject({ sampling: 'never', systemAmongTurns: true });
    expect(said('claude-sonnet-5')).toMatchObject({ sampling: 'never', parallelToolCalls: false });
  });

  test('is heard by every provider that has a vendor', () => {
    const entries = [openAi, azureOpenAi, openAiCompatible, groq, anthropic, gemini].map((make) => make({ dialects }));
    for (const entry of entries)
      for (const protocol of entry.create(entry.options).speaks.chat ?? [])
        expect(dialectOf(entry, 'claude-opus-9', protocol)).toMatchObject({
          sampling: 'never',
          systemAmongTurns: true,
        });
  });

  test.each([
    [{ model: '*', efforts: ['low'] }, true],
    [{ model: 'a*b', sampling: 'always' }, false],
    [{ model: '', sampling: 'always' }, false],
    [{ model: 'a', sampling: 1 }, false],
    [{ model: 'a', efforts: [] }, false],
    [{ model: 'a', temperature: false }, false],
    [{ sampling: 'never' }, false],
  ])('%j fits: %p', (said, fits) => {
    expect(Value.Check(anthropic().schema, { dialects: [said] })).toBe(fits);
  });
});
