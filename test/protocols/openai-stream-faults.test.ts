// The tap of OpenAI streams under hostile and broken upstreams. Case ids are those of the attack and fault
// catalogues.

import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { bounds } from '../../src/core/bounds.ts';
import { openAiChat } from '../../src/protocols/openai-chat/openai-chat.ts';
import { decode, encode, everyByte } from './recordings.ts';
import { chatEvent, doneEvent, relay, usageEvent } from './relay-through-tap.ts';

const usage = { prompt_tokens: 5, completion_tokens: 2, total_tokens: 7 };

const eventOf = (payload: unknown): string => `data: ${JSON.stringify(payload)}\n\n`;

describe('what cannot be forged', () => {
  const forged = [
    'data: [DONE]',
    '\n\ndata: [DONE]\n\n',
    '","usage":{"prompt_tokens":0}',
    '"}}],"usage":{"total_tokens":1}}',
    '{"error":{"message":"x"}}',
    '\\',
    '\\"',
    '"',
    'data: {"choices":[],"usage":{"total_tokens":1}}',
    '\u2028',
    '\r',
  ];

  test('F8: text that looks like frames, usage, errors or the end is text', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...forged), { maxLength: 6 }), (parts) => {
        const text = parts.join('');
        const stream = chatEvent(text) + usageEvent(usage) + doneEvent;
        const { whole, reading, tap, held } = relay([stream]);
        expect(whole).toBe(stream);
        expect(held).toBe(doneEvent);
        expect(tap.fault).toBeUndefined();
        expect(reading.usage).toEqual(usage);
        expect(reading.contentBytes).toBe(encode(text).length);
      }),
    );
  });

  test('a tool, a key or a choice named usage is none, nor an error below the top', () => {
    const fake = { prompt_tokens: 0, completion_tokens: 0 };
    const calls = [
      { index: 0, id: 'x', function: { name: 'usage', arguments: '{"usage":{"prompt_tokens":0}}' } },
    ];
    const { reading, tap } = relay(
      [
        eventOf({
          choices: [{ delta: { tool_calls: calls, usage: fake, error: 'x' }, usage: fake, error: { a: 1 } }],
        }),
        eventOf({
          meta: {
            usage: fake,
            error: 1,
            deep: { usage: fake, error: 1 },
            choices: [{ finish_reason: 'stop' }],
          },
          choices: [],
        }),
        eventOf([{ usage: fake, error: 'x' }]),
      ],
      { end: 'finish-reason' },
    );
    expect(reading.usage).toBeUndefined();
    expect(tap.fault).toBeUndefined();
    expect(tap.complete).toBe(false);
  });

  test('only the very payload [DONE] ends a stream', () => {
    for (const data of [
      'data: [DONE] x',
      'data: "[DONE]"',
      'data: [DONE]]',
      'event: [DONE]',
      'data: [DONE]\ndata: x',
      ': [DONE]',
      'data: [done]',
    ]) {
      expect(relay([`${data}\n\n`]).tap.complete).toBe(false);
    }
    for (const data of [
      'data:[DONE]',
      'data:  [DONE] ',
      'event: done\ndata: [DONE]',
      'data: [DONE]\r\nid: 1',
    ]) {
      expect(relay([`${data}\n\n`]).tap.complete).toBe(true);
    }
  });
});

describe('faults of upstreams', () => {
  test('U24, U25: nothing after the terminal event is relayed or read', () => {
    const after = chatEvent('more') + usageEvent({ total_tokens: 99 }) + doneEvent;
    for (const chunks of [[doneEvent + after], [doneEvent, after], everyByte(encode(doneEvent + after))]) {
      const { whole, reading, held } = relay([chatEvent('a'), usageEvent(usage), ...chunks]);
      expect(whole).toBe(chatEvent('a') + usageEvent(usage) + doneEvent);
      expect(held).toBe(doneEvent);
      expect([reading.usage, reading.contentBytes]).toEqual([usage, 1]);
    }
  });

  test('U8: a torn or malformed payload is relayed, not read, and does not stop the stream', () => {
    for (const payload of [
      '{"choices":[{"delta":{"content":"x',
      '{"choices":]}',
      '{}}',
      'null',
      '',
      '{"a":"\\"}',
      '['.repeat(1_000),
    ]) {
      const { whole, reading, tap } = relay([`data: ${payload}\n\n`, chatEvent('a'), doneEvent]);
      expect(whole).toBe(`data: ${payload}\n\n${chatEvent('a')}${doneEvent}`);
      expect([reading.contentEvents, tap.complete, tap.fault]).toEqual([1, true, undefined]);
    }
  });

  test('U8: a torn last event is not relayed; one that lacks only its blank line is, with it', () => {
    const torn = relay([chatEvent('a'), 'data: {"choices":[{"delta":{"con']);
    expect([torn.whole, torn.tap.complete]).toEqual([chatEvent('a'), false]);
    const whole = relay([chatEvent('a').trimEnd()], { end: 'finish-reason' });
    expect(whole.atEnd).toBe(chatEvent('a'));
    const done = relay([chatEvent('a'), 'data: [DONE]']);
    expect([done.atEnd, done.held, done.tap.complete]).toEqual(['', doneEvent, true]);
    expect(relay(['data: [DONE']).whole).toBe('');
    expect(relay([chatEvent('a'), 'event: x']).whole).toBe(chatEvent('a'));
  });

  test('U9: invalid and split UTF-8 keeps its bytes', () => {
    const event = encode(chatEvent('??'));
    event.set([0xff, 0xc3], event.indexOf(0x3f));
    const tap = openAiChat.openTap({ hideUsage: false, end: 'done' });
    const out = everyByte(event).flatMap((byte) => tap.push(byte) ?? []);
    expect(Buffer.concat(out).equals(event)).toBe(true);
    expect(tap.reading().contentBytes).toBe(2);
  });

  test.each(['\r\n', '\r'])('U10: line ends %p, with and without space, at any cut', (eol) => {
    const text = (chatEvent('a') + usageEvent(usage) + doneEvent)
      .replaceAll('\n', eol)
      .replace('data: {', 'data:{');
    for (const chunks of [[encode(text)], everyByte(encode(text))]) {
      const { whole, reading, tap } = relay(chunks);
      expect(whole).toBe(text);
      expect([tap.complete, reading.usage, reading.contentBytes]).toEqual([true, usage, 1]);
    }
  });

  test('U11: an event too large to keep is relayed in parts; one beyond its bound is a fault', () => {
    const text = 'x'.repeat(bounds.heldEventBytes);
    const large = encode(chatEvent(text) + usageEvent(usage) + doneEvent);
    const chunks = Array.from({ length: Math.ceil(large.length / 1_000) }, (_, i) =>
      large.subarray(i * 1_000, (i + 1) * 1_000),
    );
    const { whole, reading, tap, held } = relay(chunks);
    expect(whole).toBe(decode(large));
    expect(held).toBe(doneEvent);
    expect([tap.fault, tap.complete, reading.usage]).toEqual([undefined, true, usage]);
    expect(reading.contentBytes).toBeGreaterThanOrEqual(text.length);

    const endless = openAiChat.openTap({ hideUsage: false, end: 'done' });
    const mebibyte = new Uint8Array(1024 * 1024).fill(0x78);
    let out = endless.push(encode('data: "'))?.length ?? 0;
    for (let i = 0; i <= bounds.eventBytes / mebibyte.length + 1; i++)
      out += endless.push(mebibyte)?.length ?? 0;
    expect(endless.fault).toBe('oversized-event');
    expect(out).toBeLessThanOrEqual(bounds.eventBytes);
    expect([endless.push(encode(`"\n\n${doneEvent}`)), endless.end(), endless.complete]).toEqual([
      undefined,
      undefined,
      false,
    ]);
  });

  test('U12: one byte a write gives the same', () => {
    const stream = chatEvent('a') + chatEvent('b', { usage }) + doneEvent;
    const { whole, reading, tap } = relay(everyByte(encode(stream)));
    expect([whole, reading.contentEvents, reading.usage, tap.complete]).toEqual([stream, 2, usage, true]);
  });

  test('U14: comments go on and are no content', () => {
    const { forwarded, reading, tap } = relay([': ping\n', ': ping\n\n', ':\n'.repeat(1_000)]);
    expect(forwarded).toBe(`: ping\n: ping\n\n${':\n'.repeat(1_000)}`);
    expect([reading.contentEvents, tap.complete]).toEqual([0, false]);
  });

  test('U15: an error inside a stream is relayed and told', () => {
    const error = 'data: {"error":{"message":"overloaded","code":503}}\n\n';
    for (const event of [
      error,
      `event: error\n${error}`,
      'event: error\ndata: overloaded\n\n',
      chatEvent('x', { error: { code: 400 } }),
    ]) {
      const { whole, tap, reading } = relay([chatEvent('a'), event, doneEvent]);
      expect(whole).toBe(chatEvent('a') + event + doneEvent);
      expect([tap.fault, tap.complete, reading.failed]).toEqual(['error-event', true, false]);
    }
    expect(relay([error]).reading.failed).toBe(true);
    for (const none of [null, false, ''])
      expect(relay([chatEvent('a', { error: none })]).tap.fault).toBeUndefined();
  });

  test('every choice that ended in an error makes a failed reply', () => {
    const finish = (index: number, reason: string): string =>
      eventOf({ choices: [{ index, delta: {}, finish_reason: reason }] });
    expect(relay([chatEvent('a'), finish(0, 'error'), doneEvent]).reading.failed).toBe(true);
    expect(relay([chatEvent('a'), finish(0, 'error'), finish(1, 'stop'), doneEvent]).reading.failed).toBe(
      false,
    );
  });

  test('U16, U21: a page or a JSON body is no stream, and nothing of it goes out', () => {
    for (const body of [
      '<html><body>',
      '  \n<!doctype html>',
      '{"error":{"message":"x"}}',
      '[1]',
      '\ufeff{"id":1}',
      '"x"',
    ]) {
      for (const chunks of [[encode(`${body}\n\n`)], everyByte(encode(`${body}\n\n`))]) {
        const { tap, whole, reading } = relay(chunks);
        expect([tap.fault, whole.trim(), tap.complete]).toEqual(['not-a-stream', '', false]);
        expect(reading.usage).toBeUndefined();
      }
    }
  });

  test('a byte order mark before the first event does no harm', () => {
    for (const chunks of [
      [encode(`\ufeff${chatEvent('a')}${doneEvent}`)],
      everyByte(encode(`\ufeff${chatEvent('a')}${doneEvent}`)),
    ]) {
      const { whole, reading, tap } = relay(chunks);
      expect([whole, reading.contentBytes, tap.complete]).toEqual([
        `\ufeff${chatEvent('a')}${doneEvent}`,
        1,
        true,
      ]);
    }
  });

  test('never throws, whatever comes, and invents no byte', () => {
    const piece = fc.oneof(
      fc.constantFrom(
        chatEvent('a'),
        usageEvent(usage),
        doneEvent,
        '\n',
        '\r',
        'data: ',
        '{',
        '}',
        '"',
        ':',
        ': c\n',
        '[DONE]',
        'event: error\n',
      ),
      fc.string({ maxLength: 8 }),
    );
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 12 }),
        fc.boolean(),
        fc.boolean(),
        (pieces, hideUsage, done) => {
          const text = pieces.join('');
          const { forwarded, tap } = relay(
            pieces.filter((part) => part !== ''),
            { hideUsage, end: done ? 'done' : 'finish-reason' },
          );
          if (!hideUsage) expect(text.startsWith(forwarded)).toBe(true);
          expect(tap.held().length > 0 && !tap.complete).toBe(false);
        },
      ),
      { numRuns: 3_000 },
    );
  });
});
