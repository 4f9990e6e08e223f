// Anthropic: the provider suite, and its rules of usage, addressing and faults.

import { describe, expect, test } from 'bun:test';
import type { FaultClass } from 'tollgate/plugin';
import { describeProvider } from 'tollgate/conformance';
import { anthropic } from '../../../plugins/providers/anthropic.ts';

const cached = {
  input_tokens: 4,
  cache_read_input_tokens: 14_210,
  cache_creation_input_tokens: 526,
  cache_creation: { ephemeral_5m_input_tokens: 426, ephemeral_1h_input_tokens: 100 },
  output_tokens: 290,
  output_tokens_details: { thinking_tokens: 15 },
  server_tool_use: { web_search_requests: 2 },
};

/** An iteration of the top level, one of an advisor on another model, a compaction: the last two stand nowhere else. */
const iterated = {
  input_tokens: 100,
  output_tokens: 20,
  iterations: [
    { type: 'message', input_tokens: 100, output_tokens: 20 },
    { type: 'advisor_message', model: 'claude-opus-4-8', input_tokens: 2_543, output_tokens: 18 },
    { type: 'compaction', input_tokens: 60_385, output_tokens: 522 },
  ],
};

const declined = {
  input_tokens: 412,
  output_tokens: 264,
  iterations: [
    { type: 'message', model: 'claude-a', input_tokens: 408, output_tokens: 0 },
    { type: 'fallback_message', model: 'claude-b', input_tokens: 412, output_tokens: 264 },
  ],
};

describeProvider(anthropic(), {
  name: 'anthropic',
  samples: [
    {
      operation: 'chat',
      usage: cached,
      expected: {
        input: 4,
        cacheRead: 14_210,
        cacheWrite5m: 426,
        cacheWrite1h: 100,
        output: 275,
        reasoning: 15,
        toolCalls: 2,
      },
    },
    {
      operation: 'chat',
      usage: iterated,
      expected: { input: 63_028, output: 560 },
      flags: ['iterations-added', 'other-model'],
    },
    { operation: 'chat', usage: declined, expected: { input: 412, output: 264 } },
    {
      operation: 'chat',
      usage: { input_tokens: 3, output_tokens: 1, speed: 'fast', service_tier: 'priority', inference_geo: 'us' },
      expected: { input: 3, output: 1 },
      flags: ['speed-fast', 'tier-priority', 'geo-us'],
    },
    {
      operation: 'chat',
      usage: {
        input_tokens: 3,
        output_tokens: 1,
        speed: 'standard',
        service_tier: 'standard',
        inference_geo: 'global',
      },
      expected: { input: 3, output: 1 },
    },
    {
      operation: 'chat',
      usage: { input_tokens: 3, cache_creation_input_tokens: 7, output_tokens: 1 },
      expected: { input: 3, cacheWrite5m: 7, output: 1 },
    },
  ],
});

describe('anthropic', () => {
  const entry = anthropic();
  const provider = entry.create(entry.options);
  test('asks under /messages with the version that translated calls are written for', () => {
    const call = { operation: 'chat', protocol: 'anthropic-messages', model: 'claude', stream: true } as const;
    expect(provider.address(call, 'sk-x')).toEqual({
      path: '/messages',
      query: '',
      headers: [
        ['anthropic-version', '2023-06-01'],
        ['x-api-key', 'sk-x'],
      ],
    });
  });

  test.each([
    ['claude-3-7-sonnet-20250219', 'budget'],
    ['claude-sonnet-4-20250514', 'budget'],
    ['claude-haiku-4-5-20251001', 'budget'],
    ['claude-opus-4-6', 'effort'],
    ['claude-sonnet-5', 'effort'],
  ])('%s is told how much to think by %s', (model, thinking) => {
    expect(provider.dialect?.(model, 'anthropic-messages').thinking ?? '').toBe(thinking);
  });

  const dialectOf = (model: string, options = {}) => {
    const chosen = anthropic(options);
    return chosen.create(chosen.options).dialect?.(model, 'anthropic-messages') ?? {};
  };
  const yes = undefined;
  test.each([
    // model, sampling, systemAmongTurns, may be told not to think, knows xhigh
    ['claude-haiku-4-5-20251001', yes, undefined, yes, yes],
    ['claude-opus-4-6', yes, undefined, true, false],
    ['claude-sonnet-4-6', yes, undefined, true, false],
    ['claude-opus-4-7', 'never', undefined, yes, yes],
    ['claude-opus-4-8', 'never', true, yes, yes],
    ['claude-mythos-preview', 'never', undefined, yes, yes],
    ['claude-sonnet-5', 'never', undefined, yes, yes],
    ['claude-opus-5', 'never', true, yes, yes],
    ['claude-fable-5', 'never', true, false, true],
    ['claude-mythos-5', 'never', true, false, true],
    ['claude-opus-5-5', 'never', true, false, true],
    ['claude-sonnet-5-5', 'never', true, yes, yes],
    ['claude-haiku-5-5', 'never', true, yes, yes],
    ['anthropic.claude-opus-4-8', 'never', undefined, yes, yes],
    ['glm-4.7', yes, undefined, yes, yes],
  ] as const)('%s differs as its vendor says', (model, sampling, systemAmongTurns, rests, xhigh) => {
    const dialect = dialectOf(model);
    expect([dialect.sampling, dialect.systemAmongTurns]).toEqual([sampling, systemAmongTurns]);
    expect([dialect.efforts?.includes('none'), dialect.efforts?.includes('xhigh')]).toEqual([rests, xhigh]);
  });

  test('Sonnet 5.5 has a word of its own for not thinking', () => {
    expect(dialectOf('claude-sonnet-5-5').notThinking).toBe('between_tools');
    expect(dialectOf('claude-sonnet-5').notThinking).toBeUndefined();
  });

  test.each([
    ['claude-opus-4-8', yes],
    ['claude-opus-5-20260901', yes],
    ['claude-fable-5', yes],
    ['claude-fable-5-20260609', yes],
    ['claude-haiku-5-5', yes],
    ['claude-mythos-5', yes],
    ['claude-mythos-5-1', false],
    ['claude-fable-5-1', false],
    ['claude-opus-5-5', false],
    ['claude-sonnet-5-5-20260928', false],
    ['anthropic/claude-opus-5.5', false],
  ] as const)('%s can be made to call: %s', (model, forcedCalls) => {
    expect(dialectOf(model).forcedCalls).toBe(forcedCalls);
  });

  test.each(['anthropic/claude-sonnet-4.5', 'us.anthropic.claude-sonnet-4-20250514-v1:0', 'claude-2.1'])(
    '%s is told how much to think by a number of tokens',
    (model) => expect(dialectOf(model)).toEqual({ thinking: 'budget' }),
  );

  test('at another address nobody is known to hear system text among the turns', () => {
    const elsewhere = dialectOf('claude-opus-4-8', { baseUrl: 'https://claude.example/v1' });
    expect(elsewhere).toMatchObject({ sampling: 'never', thinking: 'effort' });
    expect(elsewhere.systemAmongTurns).toBeUndefined();
  });

  const error = (type: string, message: string) => JSON.stringify({ type: 'error', error: { type, message } });
  test.each([
    [401, error('authentication_error', 'invalid x-api-key'), 'credential'],
    [400, error('invalid_request_error', 'Your credit balance is too low to access the API'), 'credential'],
    [400, error('invalid_request_error', 'You have reached your specified API usage limits. Wait.'), 'credential'],
    // Names that a client chose are repeated: they must not take the upstream from everybody.
    [400, error('invalid_request_error', 'billing: Extra inputs are not permitted'), 'request'],
    [400, error('invalid_request_error', 'tools.0.billing_usage_limits: Your name is no good'), 'request'],
    [400, error('invalid_request_error', 'messages: at least one message is required'), 'request'],
    [404, error('not_found_error', 'model: claude-9'), 'model'],
    [429, error('rate_limit_error', 'slow down'), 'rate-limit'],
    [529, error('overloaded_error', 'Overloaded'), 'unavailable'],
    [200, error('overloaded_error', 'Overloaded'), 'unavailable'],
    [413, '<html>', 'request'],
  ] satisfies [number, string, FaultClass][])('%d %s is %s', (status, body, expected) => {
    expect(provider.classify({ status, headers: new Map(), body })).toBe(expected);
  });
});
