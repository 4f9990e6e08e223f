// Gemini's stream beside its relay, its framing as one JSON array, and errors in its form.

import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { errorTable } from '../../../src/core/errors.ts';
import type { ErrorCode } from '../../../src/core/errors.ts';
import { geminiGenerate } from '../../../src/protocols/gemini-generate/gemini-generate.ts';
import { asJsonArray } from '../../../src/protocols/json-array-tap.ts';
import { openAiChat } from '../../../src/protocols/openai-chat/openai-chat.ts';
import { chatCodec } from '../../../src/protocols/openai-chat/codec.ts';
import { geminiCodec } from '../../../src/protocols/gemini-generate/codec.ts';
import type { StreamTap } from '../../../src/plugin/protocol.ts';
import { TranslatedTap } from '../../../src/protocols/translation/translated-tap.ts';
import { field } from '../../support/gateway.ts';
import { cutAt, decode, encode } from '../recordings.ts';
import { relay, chatEvent, doneEvent } from '../relay-through-tap.ts';
import { eventsIn, testContext } from '../translation-kit.ts';

const event = (text: string, more: object = {}, beside: object = {}): string => {
  const candidate = { content: { parts: [{ text }], role: 'model' }, index: 0, ...more };
  return `data: ${JSON.stringify({ candidates: [candidate], ...beside })}\n\n`;
};
const finish = event(
  '!',
  { finishReason: 'STOP' },
  { usageMetadata: { promptTokenCount: 3, candidatesTokenCount: 4 } },
);
const errorEvent = 'data: {"error":{"code":503,"message":"overloaded","status":"UNAVAILABLE"}}\n\n';
const stream = `${event('a')}: ping\n\n${event('bé')}${event('c')}${finish}`;

const native = (chunks: readonly (Uint8Array | string)[], framing: 'sse' | 'json-array' = 'sse') =>
  relay(chunks, { framing }, geminiGenerate);

describe('a Gemini stream is relayed', () => {
  test('at once but for what ends it, and is complete only when its body ends', () => {
    const read = native([stream]);
    expect(read.forwarded + read.atEnd).toBe(stream.slice(0, -finish.length));
    expect(read.held).toBe(finish);
    expect(read.tap.complete).toBe(true);
    expect(read.reading).toMatchObject({
      usage: { promptTokenCount: 3, candidatesTokenCount: 4 },
      contentBytes: 6,
      contentEvents: 4,
      failed: false,
    });
    const tap = geminiGenerate.openTap({ hideUsage: false, end: 'done' });
    tap.push(encode(stream));
    expect(tap.complete).toBe(false);
  });

  test('usage behind the finish reason is held with it, and read', () => {
    const later = `data: ${JSON.stringify({ usageMetadata: { promptTokenCount: 9 } })}\n\n`;
    const uncounted = later.replace('"promptTokenCount":9', '"trafficType":"ON_DEMAND"');
    const read = native([event('a'), finish, ': late\n\n', later, uncounted]);
    expect(read.held).toBe(`${finish}: late\n\n${later}${uncounted}`);
    expect(read.reading.usage).toEqual({ promptTokenCount: 9 });
  });

  test('cut anywhere before the finish reason it is not complete, and no part of an event goes out', () => {
    const end = stream.length - finish.length;
    for (let length = 0; length < stream.length - 4; length++) {
      const cut = native([stream.slice(0, length)]);
      expect(cut.tap.complete).toBe(false);
      expect(stream.slice(0, end).startsWith(cut.forwarded)).toBe(true);
    }
  });

  test('a blocked prompt ends it, too; an error does not', () => {
    const blocked = 'data: {"promptFeedback":{"blockReason":"SAFETY"}}\n\n';
    expect(native([blocked])).toMatchObject({ held: blocked, tap: { complete: true, fault: undefined } });
    const failed = native([event('a'), errorEvent]);
    expect(failed).toMatchObject({ whole: event('a') + errorEvent, tap: { complete: false, fault: 'error-event' } });
    expect(failed.reading.failed).toBe(false);
    expect(native([errorEvent]).reading.failed).toBe(true);
  });

  test('a finish reason within a call or a text is none', () => {
    const call = {
      functionCall: { name: 'f', args: { finishReason: 'STOP', usageMetadata: { promptTokenCount: 1 } } },
    };
    const forged = `data: ${JSON.stringify({ candidates: [{ content: { parts: [call] } }] })}\n\n`;
    const read = native([forged, event('"finishReason":"STOP"')]);
    expect(read.tap.complete).toBe(false);
    expect(read.held).toBe('');
    expect(read.reading.usage).toBeUndefined();
  });

  test('an event with a picture is read, however large it is and however it is cut', () => {
    const picture = { inlineData: { mimeType: 'image/png', data: 'A'.repeat(300_000) } };
    const large = `data: ${JSON.stringify({
      candidates: [{ content: { parts: [picture] }, finishReason: 'STOP' }],
      usageMetadata: { promptTokenCount: 1 },
    })}\n\n`;
    const chunks = Array.from({ length: Math.ceil(large.length / 9_000) }, (_, i) =>
      large.slice(i * 9_000, (i + 1) * 9_000),
    );
    const read = native([event('a'), ...chunks]);
    expect(read.tap.complete).toBe(true);
    expect(read.held).toBe(large);
    expect(read.reading).toMatchObject({ usage: { promptTokenCount: 1 }, contentBytes: 1, contentEvents: 2 });
  });

  test('what we end ourselves is well-formed, and an error is no end', () => {
    const { tap } = native([event('a')]);
    const [short] = eventsIn(decode(tap.shortEnd()));
    expect(JSON.parse(short?.data ?? '')).toMatchObject({ candidates: [{ finishReason: 'MAX_TOKENS', index: 0 }] });
    const [error] = eventsIn(decode(tap.errorEvent('upstream_timeout', { message: 'silent' }, 'req_1')));
    expect(JSON.parse(error?.data ?? '')).toMatchObject({ error: { code: 504, status: 'DEADLINE_EXCEEDED' } });
  });

  test.each(['<html>', '{"error":{}}', '[{}]'])('%s is no stream', (body) => {
    expect(native([body]).tap.fault).toBe('not-a-stream');
  });
});

/** A tap that has said nothing. */
const tapOf = (): StreamTap => ({
  push: () => undefined,
  end: () => undefined,
  complete: false,
  fault: undefined,
  held: () => new Uint8Array(),
  reading: () => ({ usage: undefined, usageText: undefined, contentBytes: 0, contentEvents: 0, failed: true }),
  errorEvent: () => new Uint8Array(),
  shortEnd: () => new Uint8Array(),
});

describe('a stream as one JSON array', () => {
  const elements = (text: string): unknown => JSON.parse(text);
  const payloads = (text: string): readonly unknown[] => eventsIn(text).map(({ data }) => JSON.parse(data));

  test('has the events as elements, at any chunking, and without the comments', () => {
    const bytes = encode(stream);
    fc.assert(
      fc.property(fc.array(fc.nat(), { maxLength: 20 }), (cuts) => {
        const read = native(cutAt(bytes, cuts), 'json-array');
        expect(elements(read.whole)).toEqual(payloads(stream));
        expect(read.tap.complete).toBe(true);
        expect(read.reading).toEqual(native([stream]).reading);
      }),
      { numRuns: 50 },
    );
  });

  test('goes out element by element', () => {
    const tap = asJsonArray(geminiGenerate.openTap({ hideUsage: false, end: 'done' }));
    expect(decode(tap.push(encode(event('a'))) ?? new Uint8Array())).toBe(`[${event('a').slice(6, -2)}`);
    expect(tap.push(encode(event('b').slice(0, 20)))).toBeUndefined();
    expect(decode(tap.push(encode(event('b').slice(20))) ?? new Uint8Array())).toBe(
      `\n,\r\n${event('b').slice(6, -2)}`,
    );
    expect(tap.held()).toHaveLength(0);
  });

  test.each([
    ['nothing', ''],
    ['something', event('a')],
  ])('is well-formed however it ends after %s', (_, before) => {
    const closed = (bytes: Uint8Array, sent: string) => elements(sent + decode(bytes));
    const { tap, forwarded } = native([before, event('torn').slice(0, 30)], 'json-array');
    expect(tap.complete).toBe(false);
    const sent = payloads(before);
    expect(closed(tap.shortEnd(), forwarded)).toMatchObject([
      ...sent,
      { candidates: [{ finishReason: 'MAX_TOKENS' }] },
    ]);
    const error = tap.errorEvent('upstream_failed', { message: 'broke off' }, 'req_1');
    expect(closed(error, `${forwarded}\n\n`)).toMatchObject([...sent, { error: { code: 502 } }]);
  });

  test("an upstream's error is the last element", () => {
    const silent = asJsonArray({ ...tapOf(), fault: 'not-a-stream' });
    expect(elements(decode(silent.held()))).toEqual([]);
    const read = native([event('a'), errorEvent], 'json-array');
    expect(read.tap.fault).toBe('error-event');
    expect(elements(read.whole)).toEqual(payloads(event('a') + errorEvent));
  });

  test('any tap can be framed so: a translated one, and one with an end that is no JSON', () => {
    const options = { hideUsage: false, end: 'done' } as const;
    const tap = asJsonArray(new TranslatedTap(chatCodec, geminiCodec, testContext(), options));
    const sent = [
      chatEvent('a'),
      ': ping\n\n',
      chatEvent(undefined, { choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] }),
      doneEvent,
    ]
      .map((text) => decode(tap.push(encode(text)) ?? new Uint8Array()))
      .join('');
    expect(tap.complete).toBe(true);
    expect(elements(sent + decode(tap.held()))).toMatchObject([
      { candidates: [{ content: { parts: [{ text: 'a' }] } }] },
      { candidates: [{ finishReason: 'STOP' }] },
    ]);
    const chat = asJsonArray(openAiChat.openTap(options));
    const text = decode(chat.push(encode(chatEvent('a') + doneEvent)) ?? new Uint8Array());
    expect(elements(text + decode(chat.held()))).toEqual(payloads(chatEvent('a')));
  });
});

describe("errors in Gemini's form", () => {
  const rendered = (code: ErrorCode, more: object = {}) => {
    const error = geminiGenerate.renderError(code, { message: 'no', ...more }, 'req_1');
    const parsed: unknown = JSON.parse(error.body);
    const details = field(parsed, 'error', 'details');
    const detail = (type: string): unknown =>
      Array.isArray(details)
        ? details.find((each) => field(each, '@type') === `type.googleapis.com/google.rpc.${type}`)
        : undefined;
    return { ...error, parsed, detail };
  };

  test.each(Object.keys(errorTable) as ErrorCode[])('%s has its status, Google’s word and our code', (code) => {
    const { status, parsed, detail } = rendered(code);
    expect(status).toBe(errorTable[code].status);
    expect(field(parsed, 'error')).toMatchObject({ code: status, message: 'no' });
    expect(String(field(parsed, 'error', 'status'))).toMatch(/^[A-Z_]+$/);
    expect(detail('ErrorInfo')).toMatchObject({ reason: code.toUpperCase(), metadata: { code } });
  });

  test('out of money: nobody tries again', () => {
    const { status, headers, detail } = rendered('insufficient_balance', { retryAfterSeconds: 1 });
    expect(status).toBe(429);
    expect(headers).toContainEqual(['x-should-retry', 'false']);
    expect(headers.map(([name]) => name)).not.toContain('retry-after');
    // Gemini CLI waits as long as it is told, and gives up at once above five minutes.
    expect(detail('RetryInfo')).toMatchObject({ retryDelay: '86400s' });
  });

  test('rate limits say when to try again; fields, clauses and links are told', () => {
    const limited = rendered('rate_limited', { retryAfterSeconds: 1.2 });
    expect(limited.headers).toContainEqual(['retry-after', '2']);
    expect(limited.detail('RetryInfo')).toMatchObject({ retryDelay: '2s' });
    const refused = rendered('policy_refused', {
      field: 'contents',
      clause: 'aup.3',
      link: 'https://x.test/terms',
      detail: 'secret',
    });
    expect(refused.detail('ErrorInfo')).toMatchObject({ metadata: { field: 'contents', clause: 'aup.3' } });
    expect(refused.detail('BadRequest')).toMatchObject({ fieldViolations: [{ field: 'contents' }] });
    expect(refused.detail('Help')).toMatchObject({ links: [{ url: 'https://x.test/terms' }] });
    expect(refused.body).not.toContain('secret');
  });
});
