// A8 and U11 of the attack catalogue for the four chat protocols: what the worst client puts into a body that is
// translated, and the worst upstream into a reply, costs work that is linear in its bytes, and leaves no hold open.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { TollgateError } from '../../src/core/errors.ts';
import type { ProtocolName } from '../../src/plugin/operations.ts';
import { fromEnvironment } from '../../src/plugin/index.ts';
import type { Codec } from '../../src/plugin/codec.ts';
import { protocolOf } from '../../src/protocols/protocols.ts';
import { dialectOf } from '../../src/protocols/translation/dialects.ts';
import { conversationOf, translateReply, translateRequest } from '../../src/protocols/translation/translate.ts';
import { TranslatedTap } from '../../src/protocols/translation/translated-tap.ts';
import { openAiCompatible } from '../../plugins/index.ts';
import { openHolds } from '../pipeline/stage.ts';
import { testContext } from '../protocols/translation-kit.ts';
import { simulatorModel, startTestGateway, testConfig, type TestGateway } from '../support/gateway.ts';

setDefaultTimeout(60_000);

const names = ['openai-chat', 'openai-responses', 'anthropic-messages', 'gemini-generate'] as const;
type ChatProtocol = (typeof names)[number];
const others = (name: ProtocolName): readonly ChatProtocol[] => names.filter((each) => each !== name);

function codecOf(name: ChatProtocol): Codec {
  const { codec } = protocolOf(name);
  if (codec === undefined) throw new Error(`${name} has no codec`);
  return codec;
}

const many = (count: number, each: (index: number) => string): string =>
  Array.from({ length: count }, (_, index) => each(index)).join(',');
/** Deep enough that a recursive writer would run out of stack. */
const deep = (levels: number): string => `{"a":${'['.repeat(levels)}${']'.repeat(levels)}}`;
const DEEP = 200_000;

const target = { model: 'up', stream: false, outputTokensMax: 1_000, askUsage: false } as const;
const line = { model: 'm', stream: false, framing: 'sse' } as const;

function translated(client: ChatProtocol, upstream: ChatProtocol, body: string) {
  const conversation = conversationOf(codecOf(client), Buffer.from(body), line);
  return translateRequest(codecOf(upstream), upstream, conversation, {
    ...target,
    dialect: dialectOf(upstream, undefined),
  });
}

/** Milliseconds of the fastest of three, so that a busy machine is not taken for slow code. */
function fastest(work: () => void): number {
  let best = Infinity;
  for (let round = 0; round < 3; round++) {
    const startedMs = performance.now();
    work();
    best = Math.min(best, performance.now() - startedMs);
  }
  return best;
}

const withCall = (client: 'openai-chat' | 'openai-responses', text: string): string => {
  const written = JSON.stringify(text);
  return client === 'openai-chat'
    ? `{"model":"m","messages":[{"role":"user","content":"x"},{"role":"assistant","tool_calls":[{"type":"function",` +
        `"id":"c","function":{"name":"f","arguments":${written}}}]},{"role":"tool","tool_call_id":"c","content":"r"}]}`
    : `{"model":"m","input":[{"type":"function_call","call_id":"c","name":"f","arguments":${written}},` +
        `{"type":"function_call_output","call_id":"c","output":"r"}]}`;
};

describe('a client', () => {
  test('nests the arguments of a call deeper than a body may be: they go on as text', () => {
    for (const client of ['openai-chat', 'openai-responses'] as const) {
      for (const upstream of ['anthropic-messages', 'gemini-generate'] as const) {
        const { body, losses } = translated(client, upstream, withCall(client, deep(DEEP)));
        expect([client, upstream, losses]).toEqual([client, upstream, ['tool-arguments']]);
        expect(JSON.stringify(JSON.parse(body)).length).toBeGreaterThan(2 * DEEP);
      }
    }
  });

  test('allows very many names beside very many tools', () => {
    const tools = many(20_000, (i) => `{"name":"f${i}"}`);
    const allowed = many(200_000, (i) => `"g${i}"`);
    const body =
      `{"contents":[{"role":"user","parts":[{"text":"x"}]}],"tools":[{"functionDeclarations":[${tools}]}],` +
      `"toolConfig":{"functionCallingConfig":{"mode":"ANY","allowedFunctionNames":[${allowed}]}}}`;
    for (const upstream of others('gemini-generate')) {
      const startedMs = performance.now();
      try {
        translated('gemini-generate', upstream, body);
      } catch (error) {
        expect(error).toBeInstanceOf(TollgateError);
      }
      // One name at a time beside one tool at a time took 20 seconds.
      expect(performance.now() - startedMs).toBeLessThan(2_000);
    }
  });

  test('answers very many calls at once, one message each', () => {
    const calls = many(150_000, (i) => `{"id":"c${i}","type":"function","function":{"name":"f","arguments":"{}"}}`);
    const results = many(150_000, (i) => `{"role":"tool","tool_call_id":"c${i}","content":"x"}`);
    const body =
      `{"model":"m","messages":[{"role":"user","content":"x"},{"role":"assistant","content":"","tool_calls":[${calls}]},` +
      `${results}]}`;
    for (const upstream of others('openai-chat')) {
      const startedMs = performance.now();
      translated('openai-chat', upstream, body);
      // Joining one result at a time with all before it took twenty seconds.
      expect(performance.now() - startedMs).toBeLessThan(5_000);
    }
  });

  test.each([
    ['answers very many calls from the last to the first', (i: number) => `c${100_000 - 1 - i}`],
    ['answers calls that nobody made', (i: number) => `x${i}`],
  ])('%s', (_what, idOf) => {
    const calls = many(100_000, (i) => `{"functionCall":{"id":"c${i}","name":"f"}}`);
    const results = many(100_000, (i) => `{"functionResponse":{"id":"${idOf(i)}","name":"f","response":{}}}`);
    const body = `{"contents":[{"role":"model","parts":[${calls}]},{"role":"user","parts":[${results}]}]}`;
    for (const upstream of others('gemini-generate')) {
      const startedMs = performance.now();
      translated('gemini-generate', upstream, body);
      // A search among all that are open took a minute, and grew with the square.
      expect(performance.now() - startedMs).toBeLessThan(4_000);
    }
  });

  test('gives a megabyte for a name: the refusal stays short', () => {
    const long = 'n'.repeat(1024 * 1024);
    const bodies: readonly (readonly [ChatProtocol, string])[] = [
      ['openai-chat', `{"model":"m","messages":[{"role":"user","content":"x"}],"tools":[{"type":"${long}"}]}`],
      ['openai-responses', `{"model":"m","input":[{"type":"${long}"}]}`],
      [
        'anthropic-messages',
        `{"model":"m","max_tokens":1,"messages":[{"role":"user","content":[{"type":"${long}"}]}]}`,
      ],
      ['gemini-generate', `{"contents":[{"role":"user","parts":[{"${long}":{}}]}]}`],
    ];
    for (const [client, body] of bodies) {
      for (const upstream of others(client)) {
        let refusal: unknown;
        try {
          translated(client, upstream, body);
        } catch (error) {
          refusal = error;
        }
        if (!(refusal instanceof TollgateError)) throw new Error(`${client} to ${upstream} was not refused`);
        expect(JSON.stringify(refusal.details).length).toBeLessThan(2_000);
      }
    }
  });

  test('asks for no tokens at all: an upstream that takes 0 for no limit is not asked', () => {
    const body = '{"model":"m","max_tokens":0,"messages":[{"role":"user","content":"x"}]}';
    for (const upstream of others('anthropic-messages'))
      expect(() => translated('anthropic-messages', upstream, body)).toThrow(/^max_tokens: /);
  });
});

const sse = (events: readonly string[]): Buffer => Buffer.from(events.map((data) => `data: ${data}\n\n`).join(''));

/** Streams that open very many blocks, and then add to an early one. */
const floods: Readonly<Record<Exclude<ChatProtocol, 'gemini-generate'>, Buffer>> = {
  'openai-chat': sse([
    ...Array.from({ length: 40_000 }, (_, i) => {
      const call = `{"index":${i},"id":"c${i}","function":{"name":"f","arguments":"{"}}`;
      return `{"choices":[{"index":0,"delta":{"tool_calls":[${call}]}}]}`;
    }),
    ...Array.from({ length: 20_000 }, () => {
      const call = '{"index":1,"function":{"arguments":" "}}';
      return `{"choices":[{"index":0,"delta":{"tool_calls":[${call}]}}]}`;
    }),
  ]),
  'openai-responses': sse([
    ...Array.from({ length: 40_000 }, (_, i) => {
      const item = `{"type":"function_call","id":"i${i}","call_id":"c${i}","name":"f"}`;
      return `{"type":"response.output_item.added","output_index":${i},"item":${item}}`;
    }),
    ...Array.from(
      { length: 20_000 },
      () => '{"type":"response.function_call_arguments.delta","output_index":1,"delta":"{"}',
    ),
  ]),
  'anthropic-messages': sse([
    ...Array.from({ length: 40_000 }, (_, i) => {
      const block = `{"type":"tool_use","id":"c${i}","name":"f","input":{}}`;
      return `{"type":"content_block_start","index":${i},"content_block":${block}}`;
    }),
    ...Array.from({ length: 20_000 }, () => {
      const delta = '{"type":"input_json_delta","partial_json":"{"}';
      return `{"type":"content_block_delta","index":1,"delta":${delta}}`;
    }),
  ]),
};

function pushedThrough(upstream: ChatProtocol, client: ChatProtocol, bytes: Buffer): void {
  const tap = new TranslatedTap(codecOf(upstream), codecOf(client), testContext(), {
    hideUsage: false,
    end: 'finish-reason',
  });
  for (let at = 0; at < bytes.length; at += 65_536) tap.push(bytes.subarray(at, at + 65_536));
  tap.end();
  tap.reading();
}

describe('an upstream', () => {
  test('leaves very many calls open, and goes on with an early one', () => {
    for (const upstream of ['openai-chat', 'openai-responses', 'anthropic-messages'] as const) {
      for (const client of others(upstream)) {
        const startedMs = performance.now();
        pushedThrough(upstream, client, floods[upstream]);
        expect(performance.now() - startedMs).toBeLessThan(1_500);
      }
    }
  });

  test('begins call after call at one index', () => {
    const events = (count: number): Buffer =>
      sse(
        Array.from({ length: count }, (_, i) => {
          const call = `{"index":0,"id":"c${i}","function":{"name":"f","arguments":"{}"}}`;
          return `{"choices":[{"index":0,"delta":{"tool_calls":[${call}]}}]}`;
        }),
      );
    const [small, large] = [events(2_000), events(20_000)];
    const few = fastest(() => pushedThrough('openai-chat', 'gemini-generate', small));
    const all = fastest(() => pushedThrough('openai-chat', 'gemini-generate', large));
    expect(all).toBeLessThan(Math.max(100, few * 10 * 3));
  });

  test('states a usage block that grows with every event', () => {
    const events = sse(
      Array.from(
        { length: 10_000 },
        (_, i) => `{"type":"message_delta","delta":{},"usage":{"k${i}":1,"output_tokens":7}}`,
      ),
    );
    const startedMs = performance.now();
    pushedThrough('anthropic-messages', 'openai-chat', events);
    const tap = protocolOf('anthropic-messages').openTap({ hideUsage: false, end: 'done' });
    tap.push(events);
    expect(tap.reading().usage).toMatchObject({ output_tokens: 7 });
    expect(performance.now() - startedMs).toBeLessThan(1_000);
  });

  test('nests what it says deeper than anybody can write: nothing is thrown', () => {
    const replies: Readonly<Record<ChatProtocol, readonly string[]>> = {
      'openai-chat': [
        `{"choices":[{"index":0,"message":{"content":"a"},"finish_reason":"stop"}],"usage":${deep(DEEP)}}`,
        `{"choices":[{"message":{"tool_calls":[{"id":"c","function":{"name":"f","arguments":${deep(DEEP)}}}]}}]}`,
        `{"choices":[{"message":{"tool_calls":[{"id":"c","function":{"name":"f","arguments":${JSON.stringify(deep(DEEP))}}}]}}]}`,
      ],
      'openai-responses': [
        `{"type":"response.completed","response":{"status":"completed","output":[],"usage":${deep(DEEP)}},"usage":${deep(DEEP)}}`,
        `{"type":"response.output_item.done","output_index":0,"item":{"type":"web_search_call","action":${deep(DEEP)}}}`,
        `{"type":"response.created","response":{"id":"r","metadata":${deep(DEEP)}}}`,
      ],
      'anthropic-messages': [
        `{"type":"message_start","message":{"usage":${deep(DEEP)}},"usage":${deep(DEEP)}}`,
        `{"type":"content_block_start","content_block":{"type":"tool_use","id":"c","name":"f","input":${deep(DEEP)}}}`,
      ],
      'gemini-generate': [
        `{"candidates":[{"content":{"parts":[{"text":"a"}]},"finishReason":"STOP"}],"usageMetadata":${deep(DEEP)}}`,
        `{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":${deep(DEEP)}}}]}}]}`,
        `{"candidates":[{"content":{"parts":[{"toolCall":${deep(DEEP)}}]}}]}`,
      ],
    };
    for (const upstream of names) {
      for (const reply of replies[upstream]) {
        const body = Buffer.from(reply);
        protocolOf(upstream).readReply(body);
        const tap = protocolOf(upstream).openTap({ hideUsage: false, end: 'done' });
        tap.push(sse([reply]));
        tap.end();
        tap.reading();
        tap.errorEvent('upstream_failed', { message: 'x' }, 'req_1');
        tap.shortEnd();
        for (const client of others(upstream)) {
          translateReply(codecOf(upstream), codecOf(client), body, testContext());
          pushedThrough(upstream, client, sse([reply]));
        }
      }
    }
  });
});

describe('a gateway in front of such an upstream', () => {
  let gateway: TestGateway;
  let answer: { readonly body: string; readonly type: string };
  const upstream = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch: () => new Response(answer.body, { headers: { 'content-type': answer.type } }),
  });

  beforeAll(async () => {
    gateway = await startTestGateway({
      environment: { HOSTILE_KEY: 'sk-hostile-0815' },
      config: testConfig({
        providers: [openAiCompatible({ chat: ['openai-responses'] })],
        upstreams: [
          {
            name: 'hostile',
            provider: 'openai-compatible',
            baseUrl: `http://127.0.0.1:${upstream.port}/v1`,
            addresses: 'any',
            credential: fromEnvironment('HOSTILE_KEY'),
          },
        ],
        models: [simulatorModel('m', { operations: ['chat'], offers: [{ upstream: 'hostile' }] })],
      }),
    });
  });
  afterAll(async () => {
    await gateway.stop();
    await upstream.stop(true);
  });

  const said = (usage: string) =>
    `{"id":"resp_1","status":"completed","output":[{"type":"message","content":[{"type":"output_text","text":"well"}]}],` +
    `"usage":${usage}}`;
  const streamed = (usage: string) => `data: {"type":"response.completed","response":${said(usage)}}\n\n`;

  test('is answered, closes every hold, and serves the next request', async () => {
    const asks = [
      ['/responses', { model: 'm', input: 'x' }],
      ['/messages', { model: 'm', max_tokens: 9, messages: [{ role: 'user', content: 'x' }] }],
      ['/chat/completions', { model: 'm', messages: [{ role: 'user', content: 'x' }] }],
    ] as const;
    for (const [path, body] of asks) {
      for (const stream of [false, true]) {
        const type = stream ? 'text/event-stream' : 'application/json';
        for (const usage of [deep(DEEP), '{"input_tokens":1,"output_tokens":1}']) {
          answer = { body: stream ? streamed(usage) : said(usage), type };
          const reply = await gateway.client(path, { ...body, stream });
          const text = await reply.text();
          expect([path, stream, openHolds(gateway)]).toEqual([path, stream, 0]);
          if (usage.length < 100) expect(text).toContain('well');
        }
      }
    }
    expect(gateway.log.filter((entry) => entry.includes('defect'))).toEqual([]);
  });
});
