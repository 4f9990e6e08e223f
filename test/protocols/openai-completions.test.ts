// Legacy completions and embeddings: what their requests and replies say beyond what they share with chat.

import { describe, expect, test } from 'bun:test';
import { TollgateError } from '../../src/core/errors.ts';
import type { Protocol } from '../../src/plugin/protocol.ts';
import { openAiCompletions } from '../../src/protocols/openai-completions/openai-completions.ts';
import { openAiEmbeddings } from '../../src/protocols/openai-embeddings/openai-embeddings.ts';
import { openAiChat } from '../../src/protocols/openai-chat/openai-chat.ts';
import { protocolOf, protocols } from '../../src/protocols/protocols.ts';
import { encode } from './recordings.ts';
import { plainLine } from '../../src/plugin/protocol.ts';

const read = (protocol: Protocol, body: Readonly<Record<string, unknown>>, space?: number) =>
  protocol.readRequest(encode(JSON.stringify({ model: 'm', ...body }, undefined, space)), plainLine);

describe('openai-completions', () => {
  test.each([
    ['text', 1],
    [['a'], 1],
    [['a', 'b', 'c'], 3],
    [[], 1],
    [[1, 2, 3], 1],
    [[[1, 2], [3]], 2],
    [['a,b]', '"]'], 2],
    [null, 1],
    [[1, 'a'], 2],
  ] as const)('E5: prompts %j are %d', (prompt, count) => {
    expect(read(openAiCompletions, { prompt }).choices).toBe(count);
    expect(read(openAiCompletions, { prompt, n: 2, best_of: 5 }, 2).choices).toBe(5 * count);
  });

  test('takes a limit of zero, as scoring a prompt does', () => {
    expect(read(openAiCompletions, { prompt: 'a', max_tokens: 0, echo: true }).outputLimit).toBe(0);
    expect(() => read(openAiCompletions, { prompt: 'a', max_tokens: -1 })).toThrow(TollgateError);
    expect(() => read(openAiCompletions, { prompt: 'a', best_of: 500 })).toThrow(
      'best_of: must be an integer from 1 to 128.',
    );
  });

  test('E6: streams report usage', () => {
    expect(read(openAiCompletions, { prompt: 'a', stream: true }).forceUsage?.text).toContain(
      'include_usage',
    );
  });

  test('replies are counted by their text', () => {
    const reading = openAiCompletions.readReply(
      encode(
        JSON.stringify({
          choices: [
            { text: 'abc', index: 0 },
            { text: '', index: 1 },
          ],
          usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
        }),
      ),
    );
    expect([reading.contentBytes, reading.contentEvents, reading.failed]).toEqual([3, 1, false]);
  });
});

describe('openai-embeddings', () => {
  test('has neither output nor stream', () => {
    const facts = read(openAiEmbeddings, { input: ['a', 'b'], stream: true, encoding_format: 'base64' });
    expect([facts.stream, facts.outputLimit, facts.choices, facts.forceUsage]).toEqual([
      false,
      undefined,
      1,
      undefined,
    ]);
    expect(facts.inputBound).toBeGreaterThan(0);
    expect(() => read(openAiEmbeddings, { input: 'a', dimensions: 0 })).toThrow('dimensions');
  });

  test('a picture by reference has no bound; text about one has', () => {
    expect(
      read(openAiEmbeddings, { input: [{ type: 'image_url', image_url: 'https://example.com' }] }).inputBound,
    ).toBeUndefined();
    expect(read(openAiEmbeddings, { input: '"image_url"' }).inputBound).toBeDefined();
  });

  test('usage is read behind a large batch', () => {
    const data = Array.from({ length: 50 }, (_, index) => ({
      object: 'embedding',
      index,
      embedding: Array.from({ length: 256 }, (__, i) => i / 7),
    }));
    const usage = { prompt_tokens: 8, total_tokens: 8 };
    const reading = openAiEmbeddings.readReply(
      encode(JSON.stringify({ object: 'list', data, model: 'm', usage })),
    );
    expect([reading.usage, reading.contentBytes, reading.failed]).toEqual([usage, 0, false]);
  });
});

describe('readReply', () => {
  const readReply = (reply: unknown) =>
    openAiChat.readReply(encode(typeof reply === 'string' ? reply : JSON.stringify(reply)));

  test('an unreadable body gives an empty reading', () => {
    for (const body of [
      '',
      '<html>',
      '[]',
      '{"usage":{"a":1}',
      '{"usage":{"a":1}}x',
      `{"usage":${'['.repeat(5_000)}`,
    ]) {
      expect(readReply(body)).toEqual({
        usage: undefined,
        usageText: undefined,
        contentBytes: 0,
        contentEvents: 0,
        failed: false,
      });
    }
  });

  test('usage comes from the top level only', () => {
    const usage = { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 };
    const choice = {
      index: 0,
      message: { content: '"usage":{"prompt_tokens":0}', usage: { a: 1 } },
      finish_reason: 'stop',
    };
    expect(readReply({ meta: { usage: { a: 1 } }, choices: [choice], usage }).usage).toEqual(usage);
    expect(readReply({ choices: [choice] }).usage).toBeUndefined();
    expect(readReply({ choices: [choice], usage: null }).usage).toBeUndefined();
  });

  test('U16: an error body is a failure, an error beside choices is none', () => {
    expect(readReply({ error: { message: 'x' } }).failed).toBe(true);
    expect(readReply({ error: 'x', choices: [] }).failed).toBe(true);
    expect(readReply({ error: null, choices: [{ message: { content: 'a' } }] }).failed).toBe(false);
    expect(readReply({ error: { message: 'x' }, choices: [{ message: { content: 'a' } }] }).failed).toBe(
      false,
    );
    expect(readReply({ choices: [{ message: { content: '' }, finish_reason: 'error' }] }).failed).toBe(true);
  });

  test('choices with content are counted', () => {
    const reading = readReply({
      choices: [
        { message: { content: 'ab' } },
        { message: { content: null } },
        { message: { content: 'c' } },
      ],
    });
    expect([reading.contentBytes, reading.contentEvents]).toEqual([3, 2]);
  });
});

test('protocols are found by their names', () => {
  for (const protocol of protocols) expect(protocolOf(protocol.name)).toBe(protocol);
});
