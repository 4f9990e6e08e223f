// Replies of Anthropic's messages, whole and streamed: what an upstream says is understood, and what a client gets is
// in order, numbered by block, and never a clean end that was none.

import { describe, expect, test } from 'bun:test';
import { chatCodec } from '../../../src/protocols/openai-chat/codec.ts';
import { messagesCodec } from '../../../src/protocols/anthropic-messages/codec.ts';
import { anthropicMessages } from '../../../src/protocols/anthropic-messages/anthropic-messages.ts';
import { openSignature } from '../../../src/protocols/translation/signature-envelope.ts';
import { BlockOrder } from '../../../src/protocols/translation/block-order.ts';
import { parsedJson } from '../../../src/protocols/json-fields.ts';
import type { ReplySink } from '../../../src/plugin/conversation-reply.ts';
import { unstatedStop } from '../../../src/protocols/translation/reply-choices.ts';
import { eventsIn, readStream, readWhole, testContext, translated } from '../translation-kit.ts';
import { at, block, end, event, json, parsedTurns, start, text } from './messages-kit.ts';

const partsOf = (stream: string) => readStream(messagesCodec, stream).reply.choices[0]?.parts;

/** Blocks are numbered by their beginning, one is open at a time, and nothing is said of any other. */
function expectOrder(events: readonly unknown[]): void {
  let next = 0;
  let open = 'none';
  for (const each of events) {
    const type = at(each, 'type');
    const index = String(at(each, 'index'));
    if (type === 'content_block_start') {
      expect({ index, open }).toEqual({ index: String(next++), open: 'none' });
      open = index;
    } else if (index !== 'undefined') expect({ index }).toEqual({ index: open });
    if (type === 'content_block_stop') open = 'none';
  }
  expect(open).toBe('none');
}

/** What a client is sent for what a reader says; the events of it, parsed. */
function sent(said: (sink: ReplySink) => void) {
  const writer = messagesCodec.openWriter(testContext());
  const order = new BlockOrder(writer, () => 'made');
  said(order);
  order.finish();
  const body = order.takeOutput() + writer.end({ input: 10, cacheRead: 3, cacheWrite1h: 2, output: 4, reasoning: 1 });
  const events = eventsIn(body).map(({ name, data }) => ({ name, data: parsedJson(data) }));
  expectOrder(events.map(({ data }) => data));
  return { body, events, losses: order.losses, reply: readStream(messagesCodec, body).reply };
}

const gemini = { protocol: 'gemini-generate', form: 'signature', value: 'gem' } as const;

describe('a stream is read', () => {
  test('thinking with its signature, redacted thinking, text with citations, calls', () => {
    const page = {
      type: 'web_search_result_location',
      url: 'https://x.example',
      title: 'X',
      cited_text: 'c',
      encrypted_index: 'E',
    };
    const stream =
      start() +
      event({ type: 'ping' }) +
      block(
        0,
        { type: 'thinking', thinking: '', signature: '' },
        { type: 'thinking_delta', thinking: 'Hm' },
        { type: 'signature_delta', signature: 'sig' },
      ) +
      block(1, { type: 'redacted_thinking', data: 'xyz' }) +
      block(2, { type: 'text', text: '' }, { type: 'citations_delta', citation: page }, text('So'), text(' be it')) +
      block(3, { type: 'tool_use', id: 'a', name: 'f', input: {} }, json(''), json('{"x"'), json(':1}')) +
      block(4, { type: 'tool_use', id: 'b', name: 'g', input: {} }) +
      block(5, { type: 'tool_use', id: 'c', name: 'h', input: { y: 2 } }) +
      end('tool_use');
    const read = readStream(messagesCodec, stream);
    const own = { protocol: 'anthropic-messages' } as const;
    expect(read.reply.choices[0]?.parts).toEqual([
      { kind: 'thinking', text: 'Hm', signature: { ...own, form: 'signature', value: 'sig' } },
      { kind: 'thinking', text: '', signature: { ...own, form: 'redacted', value: 'xyz' } },
      {
        kind: 'text',
        text: 'So be it',
        citations: [{ url: page.url, title: 'X', citedText: 'c', native: { ...own, value: page } }],
      },
      { kind: 'tool-call', id: 'a', name: 'f', arguments: '{"x":1}' },
      { kind: 'tool-call', id: 'b', name: 'g', arguments: '{}' },
      { kind: 'tool-call', id: 'c', name: 'h', arguments: '{"y":2}' },
    ]);
    expect(read).toMatchObject({ complete: true, error: undefined, losses: [] });
  });

  test('blocks that only it has are whole, with what came in pieces', () => {
    const stream =
      start() +
      block(0, { type: 'server_tool_use', id: 's', name: 'web_search', input: {} }, json('{"q":'), json('1}')) +
      block(1, { type: 'web_search_tool_result', tool_use_id: 's', content: [] }) +
      block(
        2,
        { type: 'compaction' },
        { type: 'compaction_delta', content: 'Summed' },
        { type: 'compaction_delta', content: ' up' },
      ) +
      end('compaction');
    expect(partsOf(stream)).toMatchObject([
      { kind: 'native', type: 'server_tool_use', value: { id: 's', input: { q: 1 } } },
      { kind: 'native', type: 'web_search_tool_result', value: { tool_use_id: 's' } },
      { kind: 'native', type: 'compaction', value: { content: 'Summed up' } },
    ]);
  });

  test('later numbers of usage replace earlier ones and are never added', () => {
    const first = { input_tokens: 7, cache_read_input_tokens: 3, output_tokens: 1, service_tier: 'standard' };
    const iterations = [{ type: 'compaction', input_tokens: 1, output_tokens: 2 }];
    const later = { input_tokens: 9, output_tokens: 5, cache_read_input_tokens: null, iterations };
    const { usage } = readStream(
      messagesCodec,
      start(first) + block(0, { type: 'text', text: 'a' }) + end('end_turn', later),
    );
    expect(usage).toEqual({ ...first, input_tokens: 9, output_tokens: 5, iterations });
  });

  test.each([
    ['end_turn', 'end'],
    ['stop_sequence', 'stop-sequence'],
    ['max_tokens', 'length'],
    ['tool_use', 'tool-calls'],
    ['pause_turn', 'pause'],
    ['compaction', 'pause'],
    ['refusal', 'refusal'],
    ['model_context_window_exceeded', 'context-window'],
    ['something_new', 'end'],
  ] as const)('%s stops by %s, in both forms, and comes out as it came in', (reason, kind) => {
    const stream =
      start() + block(0, { type: 'text', text: '' }, text('a')) + end(reason, undefined, { stop_sequence: 'X' });
    const whole = { type: 'message', content: [{ type: 'text', text: 'a' }], stop_reason: reason, stop_sequence: 'X' };
    const stop = { kind, native: reason, sequence: 'X' };
    expect(readStream(messagesCodec, stream).reply.choices[0]?.stop).toEqual(stop);
    const read = readWhole(messagesCodec, whole);
    expect(read.reply.choices[0]?.stop).toEqual(stop);
    const same = reason === 'something_new' ? 'end_turn' : reason;
    const again = parsedJson(messagesCodec.renderReply(read.reply, undefined, testContext(), () => {}));
    expect(again).toMatchObject({ stop_reason: same, stop_sequence: 'X' });
    expect(sent((sink) => sink.stop(0, stop)).reply.choices[0]?.stop).toMatchObject({ kind, native: same });
  });

  test('an error is one, before any block and within one, and the stream is not complete', () => {
    const error = event({ type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } });
    const open = event({ type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } });
    for (const before of ['', start(), start() + open])
      expect(readStream(messagesCodec, before + error)).toMatchObject({ error: 'Overloaded', complete: false });
    const crossed = translated(messagesCodec, chatCodec, [Buffer.from(start() + open + error)]);
    expect(crossed).toMatchObject({ fault: 'error-event', complete: false });
    expect(crossed.body).toContain('Overloaded');
    expect(crossed.body).not.toContain('[DONE]');
  });

  test.each([
    'null',
    '[]',
    '"x"',
    '12',
    '{',
    '{"type":7}',
    '{"type":"content_block_delta"}',
    '{"type":"content_block_stop"}',
  ])('%s says nothing and breaks nothing', (data) => {
    const odd = ['message_start', 'content_block_start', 'content_block_delta', 'message_delta', 'later'];
    const events = odd.map((name) => `event: ${name}\ndata: ${data}\n\n`).join('');
    const read = readStream(
      messagesCodec,
      start() + events + block(3, { type: 'text', text: '' }, text('a')) + end('end_turn'),
    );
    expect(read.reply.choices[0]?.parts.filter(({ kind }) => kind === 'text')).toEqual([{ kind: 'text', text: 'a' }]);
    expect(read.complete).toBe(true);
  });

  test('whole replies that are odd break nothing', () => {
    const odd = [null, 3, [], {}, { content: 'x' }, { content: [null, 3, { type: 'text' }, {}], usage: 4 }];
    for (const body of odd) {
      expect(readWhole(messagesCodec, body).error).toBeUndefined();
      expect(anthropicMessages.readReply(Buffer.from(JSON.stringify(body)))).toMatchObject({ contentBytes: 0 });
    }
  });
});

describe('a stream is written', () => {
  test('blocks are numbered by their beginning, and calls that are mixed come one after the other', () => {
    const { events, reply } = sent((sink) => {
      sink.head({ id: 'x' });
      sink.blockStart(0, 0, { kind: 'text' });
      sink.delta(0, 0, 'Hi');
      sink.blockStart(0, 1, { kind: 'tool-call', id: 'a', name: 'f' });
      sink.blockStart(0, 2, { kind: 'tool-call', id: 'b', name: 'g' });
      sink.delta(0, 1, '{"x"');
      sink.delta(0, 2, '{"y"');
      sink.delta(0, 1, ':1}');
      sink.delta(0, 2, ':2}');
      sink.stop(0, { kind: 'tool-calls', native: 'tool_calls' });
    });
    expect(events.filter(({ name }) => name === 'content_block_start')).toHaveLength(3);
    for (const { name, data } of events) expect(at(data, 'type')).toBe(name);
    expect(reply.choices[0]?.parts).toMatchObject([
      { kind: 'text', text: 'Hi' },
      { id: 'a', name: 'f', arguments: '{"x":1}' },
      { id: 'b', name: 'g', arguments: '{"y":2}' },
    ]);
  });

  test('usage is nought at the start and all of it at the end; input leaves out what the cache had', () => {
    const { events } = sent((sink) => sink.head({}));
    expect(at(events[0], 'data', 'message', 'usage')).toMatchObject({ input_tokens: 0, output_tokens: 0 });
    expect(at(events.at(-2), 'data', 'usage')).toMatchObject({
      input_tokens: 10,
      cache_read_input_tokens: 3,
      cache_creation_input_tokens: 2,
      cache_creation: { ephemeral_5m_input_tokens: 0, ephemeral_1h_input_tokens: 2 },
      output_tokens: 5,
      output_tokens_details: { thinking_tokens: 1 },
    });
    expect(events.at(-1)?.name).toBe('message_stop');
  });

  test('empty text beside calls begins no block', () => {
    const { reply, events } = sent((sink) => {
      sink.blockStart(0, 0, { kind: 'text' });
      sink.delta(0, 0, '');
      sink.blockStart(0, 1, { kind: 'tool-call', id: 'a', name: 'f' });
      sink.delta(0, 1, '{}');
    });
    expect(reply.choices[0]?.parts).toMatchObject([{ kind: 'tool-call', id: 'a' }]);
    expect(events.filter(({ name }) => name === 'content_block_start')).toHaveLength(1);
  });

  test("another's signature goes in an envelope; that of a call in empty thinking before it, or behind when it came late", () => {
    for (const late of [false, true]) {
      const { reply } = sent((sink) => {
        sink.blockStart(0, 0, { kind: 'tool-call', id: 'a', name: 'f' });
        if (late) sink.delta(0, 0, '{}');
        sink.annotate(0, 0, { kind: 'signature', signature: gemini });
        if (!late) sink.delta(0, 0, '{}');
      });
      const parts = reply.choices[0]?.parts ?? [];
      expect(parts.map(({ kind }) => kind)).toEqual(late ? ['tool-call', 'thinking'] : ['thinking', 'tool-call']);
      const thinking = parts.find(({ kind }) => kind === 'thinking');
      expect(thinking).toEqual({ kind: 'thinking', text: '', signature: { ...gemini, id: 'a' } });
    }
  });

  test('a signed call comes back signed through a client, whole or streamed', () => {
    const signed = { kind: 'tool-call', id: 'a', name: 'f', arguments: '{"x":1}', signature: gemini } as const;
    const reply = { head: {}, choices: [{ parts: [signed], stop: unstatedStop, logprobs: [] }] };
    const whole = parsedJson(messagesCodec.renderReply(reply, undefined, testContext(), () => {}));
    const content = parsedJson(JSON.stringify(at(whole, 'content'))) ?? null;
    const signature = at(content, 0, 'signature');
    expect(openSignature(String(signature))).toEqual({ ...gemini, id: 'a' });
    const [turn] = parsedTurns({ role: 'assistant', content });
    expect(turn?.parts).toEqual([{ ...signed, cache: undefined }]);
  });

  test('free input of a custom tool is a string of an object, in whatever pieces', () => {
    for (const pieces of [['a"b', '\n', '\ud83d', '\ude00'], []]) {
      const { reply } = sent((sink) => {
        sink.blockStart(0, 0, { kind: 'tool-call', id: 'a', name: 'patch', custom: true });
        for (const piece of pieces) sink.delta(0, 0, piece);
      });
      const [part] = reply.choices[0]?.parts ?? [];
      expect(part?.kind === 'tool-call' ? parsedJson(part.arguments) : part).toEqual({ input: pieces.join('') });
    }
  });

  test('what it cannot say is listed', () => {
    const { losses } = sent((sink) => {
      sink.blockStart(0, 0, { kind: 'refusal' });
      sink.delta(0, 0, 'No');
      sink.annotate(0, 0, { kind: 'logprobs', tokens: [] });
      sink.annotate(0, 0, { kind: 'citation', citation: {} });
      const image = { kind: 'image', source: { from: 'url', url: 'https://x.example' } } as const;
      sink.blockStart(0, 1, { kind: 'media', part: image });
      const native = { kind: 'native', protocol: 'openai-responses', type: 'x', value: {} } as const;
      sink.blockStart(0, 2, { kind: 'native', part: native });
      sink.blockStart(1, 0, { kind: 'text' });
    });
    expect(losses).toEqual(['refusal', 'logprobs', 'citations', 'media-output', 'native-block', 'choices']);
  });

  test('an error is an event that no client takes for an end', () => {
    const writer = messagesCodec.openWriter(testContext());
    const [said, ...more] = eventsIn(writer.error('upstream_timeout', { message: 'Too late' }, 'req'));
    expect(more).toEqual([]);
    expect(said?.name).toBe('error');
    expect(parsedJson(said?.data ?? '')).toEqual({
      type: 'error',
      error: { type: 'timeout_error', message: 'Too late', code: 'upstream_timeout' },
      request_id: 'req',
    });
  });
});

describe('errors', () => {
  const rendered = (...args: Parameters<typeof anthropicMessages.renderError>) => {
    const { status, headers, body } = anthropicMessages.renderError(...args);
    return { status, headers: Object.fromEntries(headers), body: parsedJson(body) };
  };

  test('have their type, code and field; the detail is for the log', () => {
    const details = { message: 'max_tokens: too many', field: 'max_tokens', detail: 'secret' };
    expect(rendered('invalid_request', details, 'req_1')).toEqual({
      status: 400,
      headers: { 'content-type': 'application/json', 'request-id': 'req_1' },
      body: {
        type: 'error',
        error: {
          type: 'invalid_request_error',
          message: details.message,
          code: 'invalid_request',
          param: 'max_tokens',
        },
        request_id: 'req_1',
      },
    });
  });

  test('money that is out stops every agent at once, and a limit says when to come again', () => {
    const money = rendered('insufficient_balance', { message: 'No money' }, 'r');
    expect(money).toMatchObject({ status: 429, headers: { 'x-should-retry': 'false' } });
    expect(money.headers).not.toHaveProperty('retry-after');
    expect(at(money.body, 'error', 'type')).toBe('billing_error');
    const limited = rendered('rate_limited', { message: 'Slow', retryAfterSeconds: 1.2 }, 'r');
    expect(limited).toMatchObject({ status: 429, headers: { 'retry-after': '2' } });
    expect(limited.headers).not.toHaveProperty('x-should-retry');
    expect(at(limited.body, 'error', 'type')).toBe('rate_limit_error');
  });

  test("an upstream's words are kept", () => {
    const body = { type: 'error', error: { type: 'invalid_request_error', message: 'prompt is too long' } };
    expect(messagesCodec.readError(body)).toEqual({ message: 'prompt is too long', type: 'invalid_request_error' });
    for (const none of [null, {}, { error: 'x' }, []]) expect(messagesCodec.readError(none)).toBeUndefined();
    expect(parsedJson(messagesCodec.renderRefusal(404, { message: 'No such model' }, 'r'))).toEqual({
      type: 'error',
      error: { type: 'not_found_error', message: 'No such model' },
      request_id: 'r',
    });
  });
});
