// Gemini: the provider suite, and its rules of usage, addressing and faults.

import { describe, expect, test } from 'bun:test';
import type { FaultClass } from 'tollgate/plugin';
import { describeProvider } from 'tollgate/conformance';
import { gemini } from '../../../plugins/providers/gemini.ts';

describeProvider(gemini(), {
  name: 'gemini',
  samples: [
    {
      operation: 'chat',
      usage: {
        promptTokenCount: 427,
        candidatesTokenCount: 122,
        totalTokenCount: 1_767,
        toolUsePromptTokenCount: 771,
        thoughtsTokenCount: 447,
        cachedContentTokenCount: 27,
      },
      expected: { input: 1_171, cacheRead: 27, output: 122, reasoning: 447 },
    },
    {
      operation: 'chat',
      usage: { promptTokenCount: 15, totalTokenCount: 17, thoughtsTokenCount: 2 },
      expected: { input: 15, reasoning: 2 },
    },
  ],
});

describe('gemini', () => {
  const entry = gemini();
  const provider = entry.create(entry.options);
  const call = { operation: 'chat', protocol: 'gemini-generate', model: 'gemini-3.5-flash' } as const;

  test('asks for server-sent events, and for what Google sends else where its client does', () => {
    expect(provider.address({ ...call, stream: true, framing: 'json-array' }, 'k')).toEqual({
      path: '/models/gemini-3.5-flash:streamGenerateContent',
      query: '',
      headers: [['x-goog-api-key', 'k']],
    });
    expect(provider.address({ ...call, stream: true }, 'k')).toEqual({
      path: '/models/gemini-3.5-flash:streamGenerateContent',
      query: 'alt=sse',
      headers: [['x-goog-api-key', 'k']],
    });
    expect(provider.address({ ...call, stream: false }, undefined).path).toBe(
      '/models/gemini-3.5-flash:generateContent',
    );
  });

  test('a block without counts is none: Vertex heads its streams with one', () => {
    expect(provider.usage({ trafficType: 'ON_DEMAND' }, 'chat', 'gemini-generate')).toBeUndefined();
  });

  test.each([
    ['gemini-2.0-flash', 'none'],
    ['gemini-2.5-flash', 'budget'],
    ['gemini-3.5-flash-lite', 'level'],
  ])('%s is told how much to think by %s', (model, thinking) => {
    expect(String(provider.dialect?.(model, 'gemini-generate').thinking)).toBe(thinking);
  });

  const error = (status: string, message: string) => JSON.stringify({ error: { code: 400, status, message } });
  test.each([
    [400, error('INVALID_ARGUMENT', 'API key not valid. Please pass a valid API key.'), 'credential'],
    [400, error('INVALID_ARGUMENT', 'contents is not specified'), 'request'],
    [403, error('PERMISSION_DENIED', 'no'), 'credential'],
    [
      400,
      error('FAILED_PRECONDITION', 'Not free in your country. Please enable billing on your project.'),
      'credential',
    ],
    [400, error('INVALID_ARGUMENT', 'API Key not found. Please pass a valid API key.'), 'credential'],
    [400, error('INVALID_ARGUMENT', 'Invalid value at \'category\' (HarmCategory), "enable billing"'), 'request'],
    // Names that a client chose are repeated: they must not take the upstream from everybody.
    [400, error('INVALID_ARGUMENT', 'no signature in function call `billing_lookup`'), 'request'],
    [400, error('INVALID_ARGUMENT', 'no signature in function call `permission_denied`'), 'request'],
    [404, error('NOT_FOUND', 'models/gemini-9 is not found for API version v1beta'), 'model'],
    [429, error('RESOURCE_EXHAUSTED', 'quota'), 'rate-limit'],
    [503, error('UNAVAILABLE', 'overloaded'), 'unavailable'],
  ] satisfies [number, string, FaultClass][])('%d %s is %s', (status, body, expected) => {
    expect(provider.classify({ status, headers: new Map(), body })).toBe(expected);
    // Where an array was asked for, the error is its one element.
    expect(provider.classify({ status, headers: new Map(), body: `[${body}\n]\n` })).toBe(expected);
  });
});
