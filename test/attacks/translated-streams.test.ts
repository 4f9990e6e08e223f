// An upstream whose stream is to be translated, and that means no good: what is kept of it stays small, what it counts
// charges nobody beyond what was held, and what nobody asked for does not multiply.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { bounds } from '../../src/core/bounds.ts';
import { fromEnvironment } from '../../src/plugin/index.ts';
import type { Codec, StreamWriter } from '../../src/plugin/codec.ts';
import type { JsonValue } from '../../src/plugin/conversation.ts';
import { protocolOf } from '../../src/protocols/protocols.ts';
import { BlockOrder } from '../../src/protocols/translation/block-order.ts';
import { ReplyGatherer } from '../../src/protocols/translation/gather-reply.ts';
import { TranslatedTap } from '../../src/protocols/translation/translated-tap.ts';
import { anthropic, gemini, openAiCompatible } from '../../plugins/index.ts';
import { openHolds } from '../pipeline/stage.ts';
import { emptyConversation, testContext } from '../protocols/translation-kit.ts';
import { field, simulatorModel, startTestGateway, testConfig, type TestGateway } from '../support/gateway.ts';

setDefaultTimeout(60_000);

const names = ['openai-chat', 'openai-responses', 'anthropic-messages', 'gemini-generate'] as const;
type ChatProtocol = (typeof names)[number];

function codecOf(name: ChatProtocol): Codec {
  const { codec } = protocolOf(name);
  if (codec === undefined) throw new Error(`${name} has no codec`);
  return codec;
}

function tapOf(upstream: ChatProtocol, client: ChatProtocol, choices = 1): TranslatedTap {
  const context = { ...testContext(), request: { ...emptyConversation, choices } };
  return new TranslatedTap(codecOf(upstream), codecOf(client), context, { hideUsage: false, end: 'finish-reason' });
}

const event = (body: JsonValue): Buffer => Buffer.from(`data: ${JSON.stringify(body)}\n\n`);
const textOf = (bytes: Uint8Array | undefined): string => (bytes === undefined ? '' : Buffer.from(bytes).toString());
const pairs = names.flatMap((upstream) =>
  names.filter((each) => each !== upstream).map((client) => [upstream, client] as const),
);

const toolCall = (index: number, id: string | undefined, text: string): JsonValue => ({
  choices: [
    {
      index: 0,
      delta: { tool_calls: [{ index, ...(id === undefined ? {} : { id }), function: { name: 'f', arguments: text } }] },
    },
  ],
});

/** A piece of text, said by each. */
const says: Readonly<Record<ChatProtocol, (text: string, at?: number) => JsonValue>> = {
  'openai-chat': (content, index = 0) => ({ choices: [{ index, delta: { content } }] }),
  'openai-responses': (delta, at = 0) => ({ type: 'response.output_text.delta', output_index: at, delta }),
  'anthropic-messages': (text, index = 0) => {
    return { type: 'content_block_delta', index, delta: { type: 'text_delta', text } };
  },
  'gemini-generate': (text, index = 0) => ({ candidates: [{ index, content: { parts: [{ text }] } }] }),
};

describe('an upstream', () => {
  test('leaves a call open and says megabytes in the next: they wait for it only up to a bound', () => {
    const tap = tapOf('openai-chat', 'anthropic-messages');
    tap.push(event(toolCall(0, 'a', '{"x":')));
    tap.push(event(toolCall(1, 'b', '{"y":"')));
    let out = 0;
    for (let i = 0; i < 40; i++) out += textOf(tap.push(event(toolCall(1, undefined, 'z'.repeat(100_000))))).length;
    expect(out).toBeGreaterThan(2_500_000);
  });

  test.each([...pairs])('of %p says more than a reply may have to a client of %p: it ends as a fault', (upstream, client) => {
    const tap = tapOf(upstream, client);
    const piece = event(says[upstream]('r'.repeat(1024 * 1024)));
    let pushed = 0;
    for (; pushed < bounds.replyBytes * 1.1 && tap.fault === undefined; pushed += piece.length) tap.push(piece);
    expect([tap.fault, tap.complete]).toEqual(['oversized-event', false]);
    expect(pushed).toBeLessThan(bounds.replyBytes + 2 * piece.length);
  });

  test('begins part after part: it ends as a fault', () => {
    const begun: Readonly<Record<ChatProtocol, (at: number) => JsonValue>> = {
      'openai-chat': (at) => toolCall(at, `c${at}`, '{}'),
      'openai-responses': (at) => says['openai-responses']('x', at),
      'anthropic-messages': (index) => {
        return { type: 'content_block_start', index, content_block: { type: 'text', text: '' } };
      },
      'gemini-generate': () => ({ candidates: [{ content: { parts: [{ functionCall: { name: 'f', args: {} } }] } }] }),
    };
    for (const upstream of names) {
      const client = upstream === 'openai-chat' ? 'anthropic-messages' : 'openai-chat';
      const tap = tapOf(upstream, client);
      let at = 0;
      for (; at < 100_000 && tap.fault === undefined; at++) tap.push(event(begun[upstream](at)));
      expect([upstream, tap.fault, at]).toEqual([upstream, 'error-event', 16_385]);
    }
  });

  test('answers in choices that nobody asked for: they are left out and told, and nothing multiplies', () => {
    for (const upstream of ['openai-chat', 'gemini-generate'] as const) {
      for (const client of names.filter((each) => each !== upstream)) {
        const tap = tapOf(upstream, client, 2);
        for (const index of [1, 2, 127, 128, 1e9, 1.5, -1]) tap.push(event(says[upstream]('never', index)));
        const out = textOf(tap.push(event(says[upstream]('never', 100))));
        expect(out.length).toBeLessThan(1_000);
        expect(tap.reading().losses).toContain('choices');
      }
    }
  });

  test('gives indexes that are none, and kinds that nobody knows: nothing is thrown', () => {
    const odd: readonly JsonValue[] = [-1, 1e9, 1e308, 0.5, '7', '__proto__', null, [], {}, true, -0];
    const bodies = (at: JsonValue): readonly JsonValue[] => [
      { choices: [{ index: at, delta: { content: 'x' } }] },
      { choices: [{ index: 0, delta: { tool_calls: [{ index: at, id: 'a', function: { name: 'f' } }] } }] },
      { choices: at },
      { choices: [at, { delta: at }, { delta: { tool_calls: [at], content: [at] } }] },
      { type: 'content_block_start', index: at, content_block: { type: at, name: at, input: at } },
      { type: 'content_block_start', index: at, content_block: { type: 'tool_use', id: at, name: at, input: at } },
      { type: 'content_block_delta', index: at, delta: { type: 'text_delta', text: at } },
      { type: 'content_block_delta', index: at, delta: at },
      { type: 'content_block_stop', index: at },
      { type: 'message_delta', delta: { stop_reason: at }, usage: { output_tokens: at } },
      { type: 'response.output_item.added', output_index: at, item: { type: 'function_call', name: at } },
      { type: 'response.output_text.delta', output_index: at, content_index: at, delta: at, logprobs: at },
      { type: 'response.output_text.annotation.added', annotation: { type: 'url_citation', url: at } },
      { type: 'response.output_item.done', output_index: at, item: { type: at, content: [at], summary: [at] } },
      { candidates: [{ index: at, content: { parts: [at, { text: at }] } }] },
      { candidates: [{ content: { parts: [{ functionCall: { name: at, args: at } }] } }] },
      { candidates: at, usageMetadata: at, promptFeedback: at },
      { type: at },
      at,
    ];
    for (const [upstream, client] of pairs) {
      for (const at of odd) {
        const tap = tapOf(upstream, client);
        for (const body of bodies(at)) tap.push(event(body));
        tap.end();
        tap.reading();
        tap.held();
      }
    }
    expect(Object.getOwnPropertyNames(Object.prototype)).not.toContain('x');
  });

  test('lists more probabilities than a call takes arguments', () => {
    const tokens = Array(3_000_000).fill({ token: 'a', logprob: 0, bytes: undefined, top: [] });
    const gatherer = new ReplyGatherer();
    gatherer.blockStart(0, { kind: 'text' });
    gatherer.annotate(0, { kind: 'logprobs', tokens });
    expect(gatherer.reply().choices[0]?.logprobs.length).toBe(3_000_000);
  });

  test('cites very often, beside an open call', () => {
    const written: number[] = [];
    const counting = { losses: [], keepAlive: '', blockStart: () => '', blockEnd: () => '', delta: () => '' };
    const writer: StreamWriter = {
      ...counting,
      head: () => '',
      stop: () => '',
      end: () => '',
      error: () => '',
      annotate: () => {
        written.push(1);
        return '';
      },
    };
    const order = new BlockOrder(writer, () => 'made');
    order.blockStart(0, 0, { kind: 'tool-call', id: 'a', name: 'f' });
    order.blockStart(0, 1, { kind: 'text' });
    const citation = { kind: 'citation', citation: { url: 'https://example.test' } } as const;
    for (let i = 0; i < 100_000; i++) order.annotate(0, 1, citation);
    expect(written.length).toBeGreaterThan(90_000);
  });
});

describe('what an upstream counts in a translated stream', () => {
  let gateway: TestGateway;
  let answer = '';
  const upstream = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch: () => new Response(answer, { headers: { 'content-type': 'text/event-stream' } }),
  });
  const inputs = ['input', 'cacheRead', 'cacheWrite5m', 'cacheWrite1h', 'audioInput'];
  const kinds = [...inputs, 'output', 'reasoning', 'toolCalls'];
  const rates = Object.fromEntries(kinds.map((kind) => [kind, 1_000_000n]));

  beforeAll(async () => {
    const where = {
      baseUrl: `http://127.0.0.1:${upstream.port}/v1`,
      addresses: 'any',
      credential: fromEnvironment('HOSTILE_KEY'),
    } as const;
    gateway = await startTestGateway({
      environment: { HOSTILE_KEY: 'sk-hostile-0815' },
      config: testConfig({
        providers: [openAiCompatible({ chat: ['openai-chat'] }), anthropic(), gemini()],
        upstreams: ['openai-compatible', 'anthropic', 'gemini'].map((provider) => ({
          ...where,
          name: provider,
          provider,
        })),
        models: ['openai-compatible', 'anthropic', 'gemini'].map((name) =>
          simulatorModel(name, {
            operations: ['chat'],
            price: { currency: 'USD', rates: { input: 0n, output: 0n, ...rates } },
            offers: [{ upstream: name }],
          }),
        ),
      }),
    });
  });
  afterAll(async () => {
    await gateway.stop();
    await upstream.stop(true);
  });

  const sse = (...bodies: readonly string[]): string => bodies.map((body) => `data: ${body}\n\n`).join('');
  const replies: Readonly<Record<string, (count: string) => string>> = {
    'openai-compatible': (count) =>
      sse(
        '{"choices":[{"index":0,"delta":{"content":"well"},"finish_reason":"stop"}]}',
        `{"choices":[],"usage":{"prompt_tokens":${count},"completion_tokens":${count},"total_tokens":${count},` +
          `"prompt_tokens_details":{"cached_tokens":${count}},` +
          `"completion_tokens_details":{"reasoning_tokens":${count}}}}`,
        '[DONE]',
      ),
    anthropic: (count) =>
      sse(
        `{"type":"message_start","message":{"id":"m","usage":{"input_tokens":${count},"output_tokens":${count}}}}`,
        '{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}',
        '{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"well"}}',
        `{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":${count},` +
          `"cache_read_input_tokens":${count}}}`,
        '{"type":"message_stop"}',
      ),
    gemini: (count) =>
      sse(
        '{"candidates":[{"content":{"parts":[{"text":"well"}]},"finishReason":"STOP"}],"usageMetadata":{' +
          `"promptTokenCount":${count},"candidatesTokenCount":${count},"thoughtsTokenCount":${count}}}`,
      ),
  };

  test.each(['-1', '-1e308', '1e308', '1e400', '0.5', '"7"', '"NaN"', 'null', '[]', '9007199254740993', '1e15'])(
    'as %p charges no more than the model can use, and no less than nothing',
    async (count) => {
      for (const model of Object.keys(replies)) {
        answer = replies[model]?.(count) ?? '';
        const body = { model, input: 'x', max_output_tokens: 50, stream: true };
        const text = await (await gateway.client('/responses', body)).text();
        expect([model, text.includes('well')]).toEqual([model, true]);
        const { body: list } = await gateway.admin('GET', '/usage?limit=1');
        const record = Array.isArray(list['items']) ? list['items'][0] : undefined;
        const charge = BigInt(String(field(record, 'chargeNano')));
        // The window of the model and the most that it answers.
        expect(charge).toBeGreaterThanOrEqual(0n);
        expect(charge).toBeLessThanOrEqual((128_000n + 16_384n) * 1_000n);
        expect(text).not.toMatch(/NaN|Infinity|tokens":-|tokens":\d*\.\d|tokens":\d{17}|e\+/);
        expect(openHolds(gateway)).toBe(0);
      }
    },
  );
});
