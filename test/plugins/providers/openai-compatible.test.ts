// OpenAI-compatible: the provider suite, then OpenAI's own rules of usage, addressing and faults.

import { describe, expect, test } from 'bun:test';
import { Value } from '@sinclair/typebox/value';
import fc from 'fast-check';
import type { FaultClass, Provider } from 'tollgate/plugin';
import { describeProvider } from 'tollgate/conformance';
import { openAiCompatible } from '../../../plugins/providers/openai-compatible.ts';

const thinking = {
  prompt_tokens: 100,
  completion_tokens: 60,
  total_tokens: 160,
  prompt_tokens_details: { cached_tokens: 30, audio_tokens: 5 },
  completion_tokens_details: { reasoning_tokens: 40, audio_tokens: 3 },
};

describeProvider(openAiCompatible(), {
  name: 'openai-compatible, defaults',
  samples: [
    { operation: 'chat', usage: thinking, expected: { input: 70, cacheRead: 30, output: 20, reasoning: 40 } },
    {
      operation: 'completions',
      usage: { prompt_tokens: 4, completion_tokens: 5, total_tokens: 9 },
      expected: { input: 4, output: 5 },
    },
    { operation: 'embeddings', usage: { prompt_tokens: 8, total_tokens: 8 }, expected: { input: 8 } },
  ],
});

describeProvider(
  openAiCompatible({
    baseUrl: 'http://127.0.0.1:11434/v1',
    auth: 'x-vendor-key',
    needsCredential: false,
    audio: true,
    reasoning: 'beside',
    end: 'finish-reason',
    usage: 'always',
    onCancel: 'bills',
    operations: ['chat'],
    headers: { 'x-title': 'Tollgate' },
  }),
  {
    name: 'openai-compatible, every option set',
    samples: [
      {
        operation: 'chat',
        usage: { ...thinking, total_tokens: 200 },
        expected: { input: 65, cacheRead: 30, audioInput: 5, output: 57, reasoning: 40, audioOutput: 3 },
      },
    ],
  },
);

function create(entry = openAiCompatible()): Provider {
  return entry.create(entry.options);
}

describe('openai-compatible usage', () => {
  const { usage } = create();
  const chat = (raw: unknown) => usage(raw, 'chat', 'openai-chat');

  test('takes cached and reasoning tokens out of their wholes, never twice', () => {
    fc.assert(
      fc.property(fc.nat(1e9), fc.nat(1e9), fc.double({ min: 0, max: 1, noNaN: true }), (prompt, completion, share) => {
        const cached = Math.floor(prompt * share);
        const reasoning = Math.floor(completion * share);
        const reading = chat({
          prompt_tokens: prompt,
          completion_tokens: completion,
          total_tokens: prompt + completion,
          prompt_tokens_details: { cached_tokens: cached },
          completion_tokens_details: { reasoning_tokens: reasoning },
        });
        expect(reading).toEqual({
          parts: { input: prompt - cached, cacheRead: cached, output: completion - reasoning, reasoning },
          flags: [],
        });
      }),
    );
  });

  test('cached above prompt is all of the prompt, and flagged', () => {
    expect(
      chat({
        prompt_tokens: 347,
        completion_tokens: 18,
        total_tokens: 365,
        prompt_tokens_details: { cached_tokens: 403 },
      }),
    ).toEqual({
      parts: { input: 0, cacheRead: 347, output: 18, reasoning: 0 },
      flags: ['cached-above-input'],
    });
  });

  test('reasoning above completion is all of the completion, and flagged', () => {
    expect(
      chat({
        prompt_tokens: 43,
        completion_tokens: 10,
        total_tokens: 53,
        completion_tokens_details: { reasoning_tokens: 11 },
      }),
    ).toEqual({
      parts: { input: 43, cacheRead: 0, output: 0, reasoning: 10 },
      flags: ['reasoning-above-output'],
    });
  });

  test.each([
    [-5, 'negative'],
    [1.5, 'not-an-integer'],
    ['57', 'not-an-integer'],
    [null, 'input-missing'],
    [undefined, 'input-missing'],
    [1e308, 'too-large'],
    [Infinity, 'not-an-integer'],
    [true, 'not-an-integer'],
    [[3], 'not-an-integer'],
    [2 ** 53, 'too-large'],
  ])('prompt_tokens %p is zero and flagged %p', (prompt, flag) => {
    expect(chat({ prompt_tokens: prompt, completion_tokens: 4 })).toEqual({
      parts: { input: 0, cacheRead: 0, output: 4, reasoning: 0 },
      flags: [flag],
    });
  });

  test('a total that is not the sum is flagged; the parts stand', () => {
    expect(chat({ prompt_tokens: 3, completion_tokens: 4, total_tokens: 9 })).toEqual({
      parts: { input: 3, cacheRead: 0, output: 4, reasoning: 0 },
      flags: ['total-differs'],
    });
    expect(chat({ prompt_tokens: 3, completion_tokens: 4, total_tokens: '7' })?.flags).toEqual(['not-an-integer']);
    const reading = usage({ prompt_tokens: 3, total_tokens: 4 }, 'embeddings', 'openai-embeddings');
    expect(reading?.flags).toEqual(['total-differs']);
  });

  test.each([[null], [7], ['usage'], [[]], [{}], [{ tokens: 3 }]])('%p is no usage block', (raw) => {
    expect(chat(raw)).toBeUndefined();
    expect(usage(raw, 'embeddings', 'openai-embeddings')).toBeUndefined();
  });

  test('null details of honest vendors are not flagged', () => {
    expect(
      chat({
        prompt_tokens: 1,
        completion_tokens: 2,
        total_tokens: 3,
        prompt_tokens_details: null,
        completion_tokens_details: null,
      })?.flags,
    ).toEqual([]);
    expect(
      chat({ prompt_tokens: 1, completion_tokens: 2, prompt_tokens_details: { cached_tokens: null } })?.flags,
    ).toEqual([]);
  });
});

describe('openai-compatible addressing', () => {
  const call = { operation: 'chat', protocol: 'openai-chat', model: 'gpt-4o', stream: false } as const;

  test.each([
    ['bearer', 'authorization', 'Bearer sk-1'],
    ['api-key', 'api-key', 'sk-1'],
    ['x-vendor-key', 'x-vendor-key', 'sk-1'],
  ])('auth %p', (auth, name, value) => {
    expect(create(openAiCompatible({ auth })).address(call, 'sk-1')).toEqual({
      path: '/chat/completions',
      query: '',
      headers: [[name, value]],
    });
  });

  test('paths by operation, fixed headers first', () => {
    const provider = create(openAiCompatible({ headers: { 'x-title': 'Tollgate' } }));
    expect(provider.address(call, 'k').headers).toEqual([
      ['x-title', 'Tollgate'],
      ['authorization', 'Bearer k'],
    ]);
    expect(provider.address({ ...call, operation: 'completions', protocol: 'openai-completions' }, 'k').path).toBe(
      '/completions',
    );
    expect(provider.address({ ...call, operation: 'embeddings', protocol: 'openai-embeddings' }, 'k').path).toBe(
      '/embeddings',
    );
  });

  test('a credential that no header can carry is refused without being shown', () => {
    expect(() => create().address(call, 'sk-secret\r\nx: y')).toThrow(
      'the credential holds characters that no header can carry',
    );
  });

  test.each([
    ['authorization'],
    ['x-api-key'],
    ['api-key'],
    ['cookie'],
    ['host'],
    ['content-length'],
    ['transfer-encoding'],
    ['X-Title'],
    ['x y'],
    [''],
  ])('option headers may not name %p', (name) => {
    expect(() => create(openAiCompatible({ headers: { [name]: 'v' } }))).toThrow(/^headers/);
  });

  test.each([['a\r\nb'], [''], [' a'], ['ü']])('option headers may not hold %p', (value) => {
    expect(() => create(openAiCompatible({ headers: { 'x-title': value } }))).toThrow('headers.x-title');
  });

  test("the header of the credential may not be set twice or be the host's", () => {
    expect(() => create(openAiCompatible({ auth: 'x-vendor-key', headers: { 'x-vendor-key': 'v' } }))).toThrow(
      'headers.x-vendor-key',
    );
    expect(() => create(openAiCompatible({ auth: 'host' }))).toThrow('auth: "host"');
  });

  test('options refuse odd base URLs, unknown words and doubles', () => {
    const accepts = (options: unknown) => Value.Check(openAiCompatible().schema, options);
    for (const baseUrl of [
      'ftp://x/v1',
      'http://',
      'https://u:p@x/v1',
      'https://x/v1?key=1',
      'https://x/v1#f',
      'https://x\\y',
      'v1',
    ]) {
      expect([baseUrl, accepts({ baseUrl })]).toEqual([baseUrl, false]);
    }
    expect(accepts({ baseUrl: 'https://api.example/v1' })).toBe(true);
    expect(accepts({ baseUrl: 'http://[::1]:8080' })).toBe(true);
    expect(accepts({ usage: 'sometimes' })).toBe(false);
    expect(accepts({ operations: ['chat', 'chat'] })).toBe(false);
    expect(accepts({ operations: [] })).toBe(false);
    expect(accepts({ auth: 'Bearer x' })).toBe(false);
  });

  test("another vendor is not offered at OpenAI's prices", () => {
    expect(create().models.length).toBeGreaterThan(10);
    expect(create(openAiCompatible({ baseUrl: 'https://api.example/v1' })).models).toEqual([]);
  });
});

describe('openai-compatible faults', () => {
  const classify = (status: number, body: string) => create().classify({ status, headers: new Map(), body });
  const error = (code: unknown, type = 'invalid_request_error', message = 'x') =>
    JSON.stringify({ error: { message, type, param: null, code } });
  const cases: readonly (readonly [number, string, FaultClass])[] = [
    [401, error('invalid_api_key'), 'credential'],
    [402, '', 'credential'],
    [403, '', 'credential'],
    [403, '{"code":"permission-denied","error":"Content violates usage guidelines. "}', 'request'],
    [403, error(403, '', 'Your chosen model requires moderation and your input was flagged'), 'request'],
    [200, error(403, '', 'Your chosen model requires moderation and your input was flagged'), 'request'],
    [403, error('', '', 'Input token count and max_tokens must be less than the context length'), 'request'],
    [429, error('', 'exceeded_current_quota_error'), 'credential'],
    [400, error('Arrearage', 'Arrearage'), 'credential'],
    [400, error('invalid_api_key'), 'credential'],
    [404, error('model_not_found'), 'model'],
    [400, error('model_not_found'), 'model'],
    [404, error(null, 'invalid_request_error', 'The model `x` does not exist'), 'model'],
    [404, '{"error":"model \\"x\\" not found, try pulling it first"}', 'model'],
    [404, '{"detail":"Not Found"}', 'request'],
    [404, '', 'request'],
    [408, '', 'rate-limit'],
    [409, '', 'rate-limit'],
    [425, '', 'rate-limit'],
    [429, error('rate_limit_exceeded'), 'rate-limit'],
    [429, error('insufficient_quota'), 'credential'],
    [429, error(null, 'insufficient_quota'), 'credential'],
    [400, error('context_length_exceeded'), 'request'],
    [413, '', 'request'],
    [415, '', 'request'],
    [422, '', 'request'],
    [500, error('invalid_api_key'), 'unavailable'],
    [503, '', 'unavailable'],
    [520, '<html>', 'unavailable'],
    [529, '', 'unavailable'],
    [302, '', 'unavailable'],
    [304, '', 'unavailable'],
    [101, '', 'unavailable'],
    [200, '{"error":{"code":429,"message":"Provider returned error"}}', 'rate-limit'],
    [200, error('insufficient_quota'), 'credential'],
    [200, error(null, 'server_error'), 'unavailable'],
    [200, error(null), 'request'],
    [200, '{"error":{"code":502,"message":"x"}}', 'unavailable'],
  ];
  test.each(cases.map((each) => [...each] as [number, string, FaultClass]))('%p %s is %p', (status, body, fault) => {
    expect(classify(status, body)).toBe(fault);
  });

  test('a long message is classified in linear time', () => {
    const body = JSON.stringify({ error: { message: 'model '.repeat(10_900) } });
    expect(classify(404, body)).toBe('request');
  });
});
