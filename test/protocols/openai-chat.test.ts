// What is read out of a chat request, and what is refused. Case ids are those of the attack catalogue.

import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { TollgateError } from '../../src/core/errors.ts';
import { openAiChat } from '../../src/protocols/openai-chat/openai-chat.ts';
import { templateTokensMax } from '../../src/protocols/input-bound.ts';
import { rewriteBody } from '../../src/protocols/rewrite-body.ts';
import { decode, encode } from './recordings.ts';
import { plainLine } from '../../src/plugin/protocol.ts';

const messages = [{ role: 'user', content: 'Hi' }];
const read = (body: Readonly<Record<string, unknown>>) =>
  openAiChat.readRequest(encode(JSON.stringify({ model: 'm', messages, ...body })), plainLine);

function refusal(run: () => unknown): TollgateError {
  try {
    run();
  } catch (error) {
    if (error instanceof TollgateError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

/** The body as it goes upstream when usage is forced. */
function forced(text: string): unknown {
  const body = encode(text);
  const { forceUsage, modelSpan } = openAiChat.readRequest(body, plainLine);
  const edits = [
    ...(modelSpan === undefined ? [] : [{ span: modelSpan, text: '"upstream/model"' }]),
    ...(forceUsage === undefined ? [] : [forceUsage]),
  ];
  return JSON.parse(decode(Buffer.concat(rewriteBody(body, edits))));
}

describe('openai-chat readRequest', () => {
  test('reads the facts of an ordinary request', () => {
    const body = encode(
      '{"messages":[{"role":"user","content":"Hi"}],"model":"gpt-4o","max_tokens":50,"n":2}',
    );
    const facts = openAiChat.readRequest(body, plainLine);
    expect(facts).toEqual({
      model: 'gpt-4o',
      modelSpan: { start: 53, end: 61 },
      stream: false,
      outputLimit: 50,
      choices: 2,
      inputBound: body.length + templateTokensMax,
      wantsUsage: false,
      forceUsage: undefined,
    });
    expect(decode(body.subarray(53, 61))).toBe('"gpt-4o"');
  });

  test.each([
    ['{}', 'is missing'],
    ['{"model":null}', 'is missing'],
    ['{"model":5}', 'must be a string'],
    ['{"model":""}', 'is empty'],
    ['{"model":["m"]}', 'must be a string'],
    [`{"model":"${'m'.repeat(257)}"}`, 'at most 256'],
  ])('refuses the model of %p', (text, reason) => {
    const error = refusal(() => openAiChat.readRequest(encode(text), plainLine));
    expect([error.code, error.details.field]).toEqual(['invalid_request', 'model']);
    expect(error.message).toContain(reason);
  });

  test.each(['n', 'best_of', 'max_tokens', 'max_completion_tokens', 'top_logprobs'])(
    'E4: %s out of range is refused',
    (field) => {
      for (const value of [
        '-1',
        '1e20',
        '1.5',
        '"1e9"',
        '9007199254740993',
        '18446744073709551615',
        '[]',
        'true',
      ]) {
        const error = refusal(() => openAiChat.readRequest(encode(`{"model":"m","${field}":${value}}`), plainLine));
        expect(error.details.field).toBe(field);
        expect(error.message).toMatch(new RegExp(`^${field}: must be an integer from \\d+ to \\d+\\.$`));
      }
      const body = encode(`{"model":"m","${field}":NaN}`);
      expect(refusal(() => openAiChat.readRequest(body, plainLine)).message).toContain(
        'not valid JSON',
      );
      expect(read({ [field]: null }).choices).toBe(1);
    },
  );

  test('E4: zero choices and zero tokens are refused, 128 choices are the most', () => {
    for (const field of ['n', 'best_of', 'max_tokens', 'max_completion_tokens']) {
      expect(refusal(() => read({ [field]: 0 })).details.field).toBe(field);
    }
    expect(read({ n: 128 }).choices).toBe(128);
    expect(refusal(() => read({ n: 129 })).message).toBe('n: must be an integer from 1 to 128.');
    expect(read({ top_logprobs: 0 }).choices).toBe(1);
  });

  test('of two limits, and of n and best_of, the larger counts', () => {
    expect(read({ max_tokens: 10, max_completion_tokens: 4_000 }).outputLimit).toBe(4_000);
    expect(read({ max_tokens: 5_000, max_completion_tokens: 4_000 }).outputLimit).toBe(5_000);
    expect(read({ max_tokens: null, max_completion_tokens: 7 }).outputLimit).toBe(7);
    expect(read({}).outputLimit).toBeUndefined();
    expect(read({ n: 2, best_of: 5 }).choices).toBe(5);
  });

  test('E6: a stream is made to report usage, and other options are kept', () => {
    const cases: readonly (readonly [unknown, unknown])[] = [
      [undefined, { include_usage: true }],
      [null, { include_usage: true }],
      [{}, { include_usage: true }],
      [{ include_usage: false }, { include_usage: true }],
      [
        { include_usage: null, include_obfuscation: false },
        { include_usage: true, include_obfuscation: false },
      ],
      [{ include_obfuscation: false }, { include_usage: true, include_obfuscation: false }],
      [{ include_usage: true }, { include_usage: true }],
    ];
    for (const [options, expected] of cases) {
      for (const space of [undefined, 1]) {
        const body = JSON.stringify(
          { stream: true, model: 'm', stream_options: options, messages },
          undefined,
          space,
        );
        expect(forced(body)).toEqual({
          stream: true,
          model: 'upstream/model',
          stream_options: expected,
          messages,
        });
        expect(openAiChat.readRequest(encode(body), plainLine).wantsUsage).toBe(
          Bun.deepEquals(options, { include_usage: true }),
        );
      }
    }
  });

  test('E6: odd shapes are refused, and left alone without a stream', () => {
    for (const options of [
      5,
      'yes',
      [],
      true,
      { include_usage: 'no' },
      { include_usage: 1 },
      { include_usage: {} },
    ]) {
      expect(refusal(() => read({ stream: true, stream_options: options })).details.field).toStartWith(
        'stream_options',
      );
      const facts = read({ stream: false, stream_options: options });
      expect([facts.wantsUsage, facts.forceUsage]).toEqual([false, undefined]);
    }
    expect(refusal(() => read({ stream: 'yes' })).details.field).toBe('stream');
    expect(read({ stream: null }).stream).toBe(false);
  });

  test('forced usage and the model can be edited together in any body', () => {
    const extra = fc.dictionary(fc.stringMatching(/^[a-z]{1,6}_$/), fc.jsonValue({ maxDepth: 2 }), {
      maxKeys: 4,
    });
    const options = fc.option(fc.dictionary(fc.constantFrom('a', 'b', 'include_x'), fc.boolean()), {
      nil: undefined,
    });
    fc.assert(
      fc.property(extra, extra, options, (before, after, streamOptions) => {
        const body = JSON.parse(
          JSON.stringify({ ...before, stream_options: streamOptions, model: 'm', ...after, stream: true }),
        );
        expect(forced(JSON.stringify(body))).toEqual({
          ...body,
          model: 'upstream/model',
          stream_options: { ...streamOptions, include_usage: true },
        });
      }),
    );
  });
});

describe('openai-chat inputBound', () => {
  const boundOf = (message: unknown, more: Readonly<Record<string, unknown>> = {}) =>
    read({ messages: [message], ...more }).inputBound;

  test.each([
    [
      'image',
      { role: 'user', content: [{ type: 'image_url', image_url: { url: 'https://example.com/a.png' } }] },
    ],
    ['image without type', { role: 'user', content: [{ image_url: 'https://example.com/a.png' }] }],
    [
      'sound',
      { role: 'user', content: [{ type: 'input_audio', input_audio: { data: 'AA==', format: 'wav' } }] },
    ],
    ['file', { role: 'user', content: [{ type: 'file', file: { file_id: 'file-1' } }] }],
    [
      'film',
      { role: 'user', content: [{ type: 'video_url', video_url: { url: 'https://example.com/a.mp4' } }] },
    ],
    ['document', { role: 'user', content: [{ type: 'document', source: {} }] }],
    ['earlier sound', { role: 'assistant', audio: { id: 'audio_1' } }],
  ])('does not bound what refers outside: %s', (_name, message) => {
    expect(boundOf(message)).toBeUndefined();
  });

  test('does not fall for names written as escapes', () => {
    const body = encode(
      '{"model":"m","messages":[{"content":[{"type":"image\\u005furl","image\\u005furl":{"url":"x"}}]}]}',
    );
    expect(openAiChat.readRequest(body, plainLine).inputBound).toBeUndefined();
  });

  test('bounds text, also text about such things, tools and their history', () => {
    for (const message of [
      { role: 'user', content: 'Is "image_url" or "file" a part type? And "input_audio"? é' },
      { role: 'user', content: [{ type: 'text', text: 'Read the file' }] },
      { role: 'tool', tool_call_id: 'call_1', content: '{"type":"image_url","file":1}' },
      {
        role: 'assistant',
        tool_calls: [{ id: 'c', type: 'function', function: { name: 'f', arguments: '{"audio":1}' } }],
      },
    ]) {
      expect(boundOf(message)).toBeNumber();
    }
    expect(
      openAiChat.readRequest(encode('{"model":"m","messages":[{"content":"caf\\u00e9 \\u0041"}]}'), plainLine)
        .inputBound,
    ).toBeNumber();
  });

  test('does not bound what the upstream looks up itself', () => {
    expect(boundOf(messages[0], { web_search_options: {} })).toBeUndefined();
    expect(boundOf(messages[0], { web_search_options: null })).toBeNumber();
  });
});

describe('openai-chat errors', () => {
  test('have the form that clients know, and no private detail', () => {
    const error = openAiChat.renderError(
      'terms_required',
      {
        message: 'Accept the terms.',
        clause: 'S3.1',
        link: 'https://gate/terms/service',
        detail: 'secret',
        field: 'model',
      },
      'req_1',
    );
    expect(error.status).toBe(428);
    expect(JSON.parse(error.body)).toEqual({
      error: {
        message: 'Accept the terms.',
        type: 'permission_error',
        param: 'model',
        code: 'terms_required',
        clause: 'S3.1',
        link: 'https://gate/terms/service',
      },
    });
    expect(error.headers).toEqual([['content-type', 'application/json']]);
  });

  test('tell clients whether and when to try again', () => {
    const headers = (...call: Parameters<typeof openAiChat.renderError>) =>
      Object.fromEntries(openAiChat.renderError(...call).headers);
    expect(headers('rate_limited', { message: 'm', retryAfterSeconds: 1.2 }, 'r')).toEqual({
      'content-type': 'application/json',
      'retry-after': '2',
    });
    expect(headers('insufficient_balance', { message: 'm', retryAfterSeconds: 9 }, 'r')).toEqual({
      'content-type': 'application/json',
      'x-should-retry': 'false',
    });
    expect(headers('invalid_request', { message: 'm' }, 'r')).toEqual({ 'content-type': 'application/json' });
  });

  test('F8: an error in a stream is one event, whatever its message says', () => {
    const text = decode(
      openAiChat
        .openTap({ hideUsage: false, end: 'done' })
        .errorEvent('upstream_failed', { message: 'a\n\ndata: [DONE]\r\n\r\nb' }, 'r'),
    );
    expect(text.match(/[\r\n]/g)).toEqual(['\n', '\n']);
    expect(JSON.parse(text.slice('data: '.length)).error.code).toBe('upstream_failed');
  });
});

describe('rewriteBody', () => {
  test('replaces, inserts and removes, in any order, without copying the rest', () => {
    const body = encode('0123456789');
    const pieces = rewriteBody(body, [
      { span: { start: 8, end: 10 }, text: '' },
      { span: { start: 0, end: 0 }, text: 'é' },
      { span: { start: 3, end: 5 }, text: 'xyz' },
    ]);
    expect(pieces.map(decode)).toEqual(['é', '012', 'xyz', '567']);
    expect(pieces[1]?.buffer).toBe(body.buffer);
    expect(rewriteBody(body, []).map(decode)).toEqual(['0123456789']);
  });

  test('refuses edits that overlap or lie outside', () => {
    const edit = (start: number, end: number) => ({ span: { start, end }, text: 'x' });
    for (const edits of [[edit(0, 3), edit(2, 4)], [edit(5, 4)], [edit(0, 11)]]) {
      expect(() => rewriteBody(encode('0123456789'), edits)).toThrow(RangeError);
    }
  });
});
