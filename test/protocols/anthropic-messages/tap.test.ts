// The native tap of Anthropic's messages: bytes pass as they came, and what ends or fails a stream is known.

import { describe, expect, test } from 'bun:test';
import { anthropicMessages } from '../../../src/protocols/anthropic-messages/anthropic-messages.ts';
import { messagesCodec } from '../../../src/protocols/anthropic-messages/codec.ts';
import { plainLine } from '../../../src/plugin/protocol.ts';
import type { JsonObject } from '../../../src/plugin/conversation.ts';
import { everyByte, encode } from '../recordings.ts';
import { relay } from '../relay-through-tap.ts';
import { refusal, eventsIn, readStream } from '../translation-kit.ts';
import { block, end, event, json, start, text } from './messages-kit.ts';

const relayed = (body: string, options = {}) => relay([body], options, anthropicMessages);
const stop = event({ type: 'message_stop' });

describe('a stream passes', () => {
  const body =
    ': hello\n\n' +
    start({ input_tokens: 7, output_tokens: 1 }) +
    event({ type: 'ping' }) +
    block(
      0,
      { type: 'thinking', thinking: '', signature: '' },
      { type: 'thinking_delta', thinking: 'Hm' },
      { type: 'signature_delta', signature: 's'.repeat(90) },
    ) +
    block(1, { type: 'text', text: '' }, text('Grüße'), text(' "text":"x"'), text('\n'), text('日本')) +
    block(2, { type: 'tool_use', id: 'a', name: 'tool', input: {} }, json('{"a":'), json('1}')) +
    block(3, { type: 'hologram_of_tomorrow' }, { type: 'hologram_delta', beam: 'x' }) +
    end('tool_use', { output_tokens: 5, output_tokens_details: { thinking_tokens: 2 } });

  test('as it came, whole and byte by byte, with CRLF too; the end is held', () => {
    for (const sent of [body, body.replaceAll('\n', '\r\n')]) {
      const whole = relayed(sent);
      expect(whole.whole).toBe(sent);
      expect(whole.tap.complete).toBe(true);
      expect(eventsIn(whole.held).map(({ name }) => name)).toEqual(['message_stop']);
      const cut = relay(everyByte(encode(sent)), {}, anthropicMessages);
      expect(cut.whole).toBe(sent);
      expect(cut.reading).toEqual(whole.reading);
      expect(whole.reading.usage).toEqual({
        input_tokens: 7,
        output_tokens: 5,
        output_tokens_details: { thinking_tokens: 2 },
      });
      const words = ['Hm', 'Grüße', ' "text":"x"', '\n', '日本', 'tool', '{"a":', '1}'];
      expect(whole.reading.contentBytes).toBe(words.reduce((sum, each) => sum + encode(each).length, 0));
      expect(whole.reading.contentEvents).toBe(words.length);
    }
  });

  test('without its end is not complete, wherever it was cut', () => {
    for (let at = 0; at < body.length - stop.length; at += 7) {
      const { tap, forwarded } = relayed(body.slice(0, at));
      expect(tap.complete).toBe(false);
      expect(body.startsWith(forwarded)).toBe(true);
    }
    const unfinished = body.slice(0, -stop.length);
    expect(relayed(unfinished).tap.complete).toBe(false);
    expect(relayed(unfinished, { end: 'finish-reason' }).tap.complete).toBe(true);
  });

  test('an error event is a fault, alone or behind content', () => {
    const error = event({ type: 'error', error: { type: 'overloaded_error', message: 'x' } });
    expect(relayed(error)).toMatchObject({ tap: { fault: 'error-event', complete: false }, reading: { failed: true } });
    const late = relayed(start() + block(0, { type: 'text', text: '' }, text('a')) + error);
    expect(late).toMatchObject({ tap: { fault: 'error-event' }, reading: { failed: false } });
    expect(late.whole).toContain('overloaded_error');
    const nameless = relayed(`data: ${JSON.stringify({ type: 'error', error: { message: 'x' } })}\n\n`);
    expect(nameless.tap.fault).toBe('error-event');
  });

  test('text that looks like an event, an end or usage is text', () => {
    const forged = [
      stop,
      '{"type":"message_stop"}',
      '"usage":{"output_tokens":99999}',
      '"partial_json":"',
      '{"type":"error"}',
    ];
    const { tap, reading } = relayed(
      start() + block(0, { type: 'text', text: '' }, ...forged.map(text)) + end('end_turn').slice(0, -stop.length),
    );
    expect(tap).toMatchObject({ complete: false, fault: undefined });
    expect(reading.usage).toEqual({ input_tokens: 7, output_tokens: 5 });
    expect(reading.contentBytes).toBe(forged.join('').length);
  });
});

test('a stream that is cut for money ends well formed at any event, and so does an error', () => {
  const events =
    start() +
    block(0, { type: 'text', text: '' }, text('a')) +
    block(1, { type: 'tool_use', id: 'a', name: 'f', input: {} }, json('{"a":')) +
    end('end_turn');
  const pieces = events.split(/(?<=\n\n)/);
  for (let count = 0; count < pieces.length; count++) {
    const { tap, forwarded } = relayed(pieces.slice(0, count).join(''));
    const names: string[] = [];
    let open: string | undefined;
    for (const { name, data } of eventsIn(forwarded + new TextDecoder().decode(tap.shortEnd()))) {
      const { index }: { index?: number } = JSON.parse(data);
      if (name === 'content_block_start') open = String(index);
      if (name === 'content_block_stop') {
        expect(String(index)).toBe(open ?? 'none');
        open = undefined;
      } else names.push(name);
    }
    expect(open).toBeUndefined();
    expect(names[0]).toBe('message_start');
    expect(names.filter((name) => name === 'message_start' || name === 'message_delta')).toHaveLength(2);
    expect(names.slice(-2)).toEqual(['message_delta', 'message_stop']);
    const failed = forwarded + new TextDecoder().decode(tap.errorEvent('upstream_failed', { message: 'x' }, 'r'));
    expect(readStream(messagesCodec, failed)).toMatchObject({ error: 'x' });
    expect(failed).not.toContain('message_stop');
  }
});

describe('a request is read from its bytes', () => {
  const facts = (fields: JsonObject) =>
    anthropicMessages.readRequest(
      encode(JSON.stringify({ model: 'claude', max_tokens: 10, messages: [], ...fields })),
      plainLine,
    );

  test('model, stream, limit; a limit of nought fills the cache', () => {
    expect(facts({ stream: true })).toMatchObject({
      model: 'claude',
      stream: true,
      outputLimit: 10,
      choices: 1,
      wantsUsage: true,
    });
    expect(facts({ max_tokens: 0 }).outputLimit).toBe(0);
    expect(refusal(() => facts({ max_tokens: -1 }))).toStartWith('max_tokens');
    expect(refusal(() => facts({ max_tokens: '9' }))).toStartWith('max_tokens');
    expect(refusal(() => facts({ model: null }))).toStartWith('model');
  });

  test.each<readonly [JsonObject, boolean]>([
    [{ messages: [{ role: 'user', content: 'an image of _20250305" and more' }] }, true],
    [{ tools: [{ name: 'f', input_schema: { type: 'object' } }] }, true],
    [{ tools: [{ type: 'custom', name: 'in_2026', input_schema: {} }] }, true],
    [{ tools: [{ name: 'in_20250305x', description: 'of _20250305 on' }] }, true],
    [{ tools: [{ type: 'web_search_20250305', name: 'web_search' }] }, false],
    [{ messages: [{ role: 'user', content: [{ type: 'image', source: {} }] }] }, false],
    [{ messages: [{ role: 'user', content: [{ type: 'document', source: {} }] }] }, false],
    [{ container: 'c' }, false],
    [{ mcp_servers: [{}] }, false],
    [{ container: null }, true],
  ])('%j bounds its own input: %p', (fields, bounded) => {
    expect(facts(fields).inputBound !== undefined).toBe(bounded);
  });
});
