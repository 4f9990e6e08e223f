// The tap of OpenAI streams: what goes on at once, what is held, hidden and counted.

import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { bounds } from '../../src/core/bounds.ts';
import { openAiChat } from '../../src/protocols/openai-chat/openai-chat.ts';
import { openAiCompletions } from '../../src/protocols/openai-completions/openai-completions.ts';
import { decode, encode, everyByte } from './recordings.ts';
import { chatEvent, doneEvent, relay, usageEvent } from './relay-through-tap.ts';

const usage = { prompt_tokens: 5, completion_tokens: 2, total_tokens: 7 };
const eventOf = (payload: unknown): string => `data: ${JSON.stringify(payload)}\n\n`;

describe('relay', () => {
  test('a chunk of whole events is handed on as it is, at once', () => {
    const tap = openAiChat.openTap({ hideUsage: true, end: 'done' });
    for (const text of [chatEvent('Hello'), chatEvent('a') + chatEvent('b'), ': ping\n\n', chatEvent(undefined)]) {
      const chunk = encode(text);
      expect(tap.push(chunk)).toBe(chunk);
    }
  });

  test('only an incomplete event is kept back', () => {
    const tap = openAiChat.openTap({ hideUsage: false, end: 'done' });
    const [first, second] = [chatEvent('one'), chatEvent('two')];
    expect(decode(tap.push(encode(first + second.slice(0, 20))) ?? encode(''))).toBe(first);
    expect(tap.push(encode(second.slice(20, 30)))).toBeUndefined();
    expect(decode(tap.push(encode(second.slice(30))) ?? encode(''))).toBe(second);
  });

  test('the terminal event is held, and split off inside a chunk', () => {
    const { forwarded, held, tap } = relay([chatEvent('a') + usageEvent(usage) + doneEvent]);
    expect(forwarded).toBe(chatEvent('a') + usageEvent(usage));
    expect(held).toBe(doneEvent);
    expect(tap.complete).toBe(true);
  });

  test('the usage-only event is left out where it was not asked for', () => {
    const middle = [chatEvent('a'), usageEvent(usage), chatEvent('b'), doneEvent].join('');
    for (const chunks of [[encode(middle)], everyByte(encode(middle))]) {
      const { whole, reading } = relay(chunks, { hideUsage: true });
      expect(whole).toBe(chatEvent('a') + chatEvent('b') + doneEvent);
      expect(reading.usage).toEqual(usage);
    }
  });

  test('usage beside choices is read and never hidden; empty choices without usage are not, either', () => {
    const beside = chatEvent('a', { usage });
    const filters = 'data: {"choices":[],"prompt_filter_results":[],"usage":null}\n\n';
    const { whole, reading } = relay([filters, beside, doneEvent], { hideUsage: true });
    expect(whole).toBe(filters + beside + doneEvent);
    expect(reading.usage).toEqual(usage);
  });

  test('`usage: null` goes out of each event where it is there because we asked, wherever it stands', () => {
    const piece = fc.constantFrom('a', 'word', '"', '\\', ',"usage":null', 'é', '');
    const before = fc.constantFrom('', '"id":"c" , ', '"x_groq":{"usage":null},');
    const behind = fc.constantFrom('', ', "obfuscation":"x"', ' ,"error":null,"n":[{"usage":null}]', ' ');
    const choicesOf = (content: string): string =>
      `"choices":[{"index":0,"delta":${JSON.stringify({ content })},"usage":null,"finish_reason":null}]`;
    const event = fc.tuple(piece, before, behind, fc.constantFrom('first', 'middle', 'last', 'absent'));
    const lineEnd = fc.constantFrom('\n', '\r\n');
    fc.assert(
      fc.property(fc.array(event, { maxLength: 8 }), lineEnd, fc.integer({ min: 1, max: 90 }), (events, nl, size) => {
        const sent: string[] = [];
        const relayed: string[] = [];
        for (const [content, first, last, place] of events) {
          const rest = `${first}${choicesOf(content)}${last}`;
          const data = {
            first: `{"usage": null ,${rest}}`,
            middle: `{${first}${choicesOf(content)} , "usage"\t:null${last}}`,
            last: `{${rest},"usage":null}`,
            absent: `{${rest}}`,
          }[place];
          sent.push(`data: ${data}${nl}${nl}`);
          const left = { first: `{${rest}}`, middle: `{${first}${choicesOf(content)} ${last}}`, last: `{${rest}}` };
          relayed.push(`data: ${place === 'absent' ? data : left[place]}${nl}${nl}`);
        }
        const whole = encode(sent.join('') + doneEvent);
        const cut = Array.from({ length: Math.ceil(whole.length / size) }, (_, i) =>
          whole.subarray(i * size, (i + 1) * size),
        );
        for (const chunks of [[whole], cut, everyByte(whole)]) {
          expect(relay(chunks, { hideUsage: true, nullUsage: true }).whole).toBe(relayed.join('') + doneEvent);
          expect(relay(chunks, { hideUsage: false, nullUsage: true }).whole).toBe(sent.join('') + doneEvent);
          // Other vendors say it whether they are asked for usage or not.
          expect(relay(chunks, { hideUsage: true }).whole).toBe(sent.join('') + doneEvent);
        }
      }),
      { numRuns: 300 },
    );
  });

  test('`usage: null` stays where leaving it out would say something else, or needs the event written anew', () => {
    const events = [
      'data: {"choices":[{"index":0,"delta":{"usage":null}}]}\n\n',
      'data: {"choices":[],"usage":nullify}\n\n',
      'data: {"choices":[],\ndata: "usage":null}\n\n',
      'data: {"choices":[],"usage":"null"}\n\n',
      'data: ["usage",null]\n\n',
    ];
    expect(relay([...events, doneEvent], { hideUsage: true, nullUsage: true }).whole).toBe(events.join('') + doneEvent);
  });

  test('an event without anything but `usage: null` is an empty one; a dropped one leaves nothing behind', () => {
    const both = 'data: {"choices":[],"usage":null,"usage":{"total_tokens":1}}\n\n';
    const { whole, reading } = relay([chatEvent('a'), both, chatEvent('b'), 'data: {"usage":null}\n\n', doneEvent], {
      hideUsage: true,
      nullUsage: true,
    });
    expect(whole).toBe(chatEvent('a') + chatEvent('b') + 'data: {}\n\n' + doneEvent);
    expect(reading.usage).toEqual({ total_tokens: 1 });
  });

  test('the last usage that is one is kept; a vendor copy stands in only where the own is missing', () => {
    const later = { ...usage, completion_tokens: 9 };
    expect(
      relay([usageEvent(usage), usageEvent(later), usageEvent(null), usageEvent('x'), usageEvent(3)]).reading.usage,
    ).toEqual(later);
    expect(relay([chatEvent('a', { x_groq: { id: 'r', usage } })]).reading.usage).toEqual(usage);
    expect(relay([chatEvent('a', { usage, x_groq: { usage: later } })]).reading.usage).toEqual(usage);
    expect(relay([chatEvent('a', { x_groq: { usage: later }, usage })]).reading.usage).toEqual(usage);
  });

  test('the text of a usage block is bounded', () => {
    const big = { ...usage, note: 'é'.repeat(4_000) };
    const { reading } = relay([usageEvent(big)]);
    expect(reading.usage).toEqual(big);
    expect(encode(reading.usageText ?? '').length).toBeLessThanOrEqual(4_096);
    expect(reading.usageText).not.toContain('\ufffd');
    expect(relay([usageEvent({ ...usage, note: 'x'.repeat(bounds.heldEventBytes) })]).reading.usage).toBeUndefined();
  });

  test('an empty chunk is nothing', () => {
    expect(openAiChat.openTap({ hideUsage: false, end: 'done' }).push(new Uint8Array())).toBeUndefined();
  });
});

describe('content', () => {
  const bytesOf = (delta: unknown): number =>
    relay([`data: ${JSON.stringify({ choices: [{ index: 0, delta, finish_reason: null }] })}\n\n`]).reading
      .contentBytes;

  test('counts text, reasoning, refusals, tool names and arguments, as UTF-8', () => {
    expect(bytesOf({ role: 'assistant', content: 'Grüße\n"你"' })).toBe(encode('Grüße\n"你"').length);
    expect(bytesOf({ reasoning_content: 'abc' })).toBe(3);
    expect(bytesOf({ reasoning: 'abc', reasoning_content: 'abcd', content: 'e' })).toBe(5);
    expect(bytesOf({ refusal: 'no' })).toBe(2);
    expect(
      bytesOf({
        tool_calls: [{ index: 0, id: 'call_1', type: 'function', function: { name: 'add', arguments: '{"a":1}' } }],
      }),
    ).toBe(10);
    expect(bytesOf({ function_call: { name: 'add', arguments: '' } })).toBe(3);
    expect(
      bytesOf({
        content: [
          { type: 'thinking', thinking: [{ type: 'text', text: 'abc' }] },
          { type: 'text', text: 'de' },
        ],
      }),
    ).toBe(5);
    expect(bytesOf({ audio: { id: 'a', data: 'AAAA', transcript: 'hey' } })).toBe(3);
    expect(bytesOf({ role: 'assistant', content: null, tool_calls: null })).toBe(0);
    expect(bytesOf({})).toBe(0);
  });

  test('counts any text exactly', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 120 }), (text) => {
        expect(bytesOf({ content: text })).toBe(encode(text).length);
      }),
    );
  });

  test('counts the same whether events are alike or all different', () => {
    const content = fc.string({
      unit: fc.constantFrom('a', '"', '\\', '\n', 'é', '😀', '"}}]}', '","usage":{"a":1}', 'word '.repeat(12)),
    });
    const more = fc.constantFrom(
      {},
      { usage: null },
      { created: 2 },
      { usage: { total_tokens: 1 } },
      { obfuscation: 'x' },
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(content, more), { maxLength: 12 }), (events) => {
        const { reading, whole } = relay(events.map(([text, members]) => chatEvent(text, members)));
        const texts = events.map(([text]) => encode(text).length);
        expect(reading.contentBytes).toBe(texts.reduce((sum, length) => sum + length, 0));
        expect(reading.contentEvents).toBe(texts.filter((length) => length > 0).length);
        expect(reading.usage).toEqual(
          events.some(([, members]) => 'total_tokens' in (members.usage ?? {})) ? { total_tokens: 1 } : undefined,
        );
        expect(whole).toBe(events.map(([text, members]) => chatEvent(text, members)).join(''));
      }),
      { numRuns: 500 },
    );
  });

  test('an event that is alike in length only is read anew', () => {
    const choices = [{ index: 0, delta: { content: 'a' } }];
    const pairs = [
      [eventOf({ choices, error: null }), eventOf({ choices, error: 1234 })],
      [eventOf({ error: null, choices }), eventOf({ error: 1234, choices })],
    ] as const;
    for (const [plain, failing] of pairs) {
      expect(failing.length).toBe(plain.length);
      const { reading, tap } = relay([plain, plain, failing, plain]);
      expect([tap.fault, reading.contentBytes]).toEqual(['error-event', 4]);
    }
  });

  test('an event of the same shape but for its end is read anew', () => {
    const alike = [chatEvent('a'), chatEvent('b'), chatEvent('c')].join('');
    const { reading, tap } = relay([
      alike,
      chatEvent('d', { usage }),
      alike,
      chatEvent('e', { error: { code: 1 } }),
      alike,
    ]);
    expect([reading.contentBytes, reading.usage, tap.fault]).toEqual([11, usage, 'error-event']);
  });

  test('counts events that carried some, not probabilities or names of keys', () => {
    const { reading } = relay([chatEvent(undefined), chatEvent(''), chatEvent('a'), chatEvent('b'), usageEvent(usage)]);
    expect([reading.contentEvents, reading.contentBytes]).toEqual([2, 2]);
    const logprobs = { content: [{ token: 'a', text: 'x', top_logprobs: [] }] };
    const event = eventOf({ choices: [{ delta: { content: 'a' }, logprobs, text: 'a' }], content: 'zzz' });
    expect(relay([event]).reading.contentBytes).toBe(1);
  });

  test('legacy completions have it in text', () => {
    const event = eventOf({ choices: [{ text: 'abc', delta: { content: 'abc' } }] });
    expect(relay([event], {}, openAiCompletions).reading.contentBytes).toBe(3);
  });
});

describe('finish-reason quirk', () => {
  const finish = `data: ${JSON.stringify({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] })}\n\n`;

  test('a finish reason and a clean end are complete; neither alone is', () => {
    const { tap, whole } = relay([chatEvent('a'), finish], { end: 'finish-reason' });
    expect([tap.complete, whole]).toEqual([true, chatEvent('a') + finish]);
    expect(relay([chatEvent('a')], { end: 'finish-reason' }).tap.complete).toBe(false);
    expect(relay([chatEvent('a'), finish]).tap.complete).toBe(false);
    const running = openAiChat.openTap({ hideUsage: false, end: 'finish-reason' });
    running.push(encode(finish));
    expect(running.complete).toBe(false);
  });

  test('an empty reason is none', () => {
    expect(relay([finish.replace('"stop"', '""')], { end: 'finish-reason' }).tap.complete).toBe(false);
  });
});

describe('ends of our own', () => {
  test.each([openAiChat, openAiCompletions])('shortEnd is a well-formed end that says length', (protocol) => {
    const shortEnd = protocol.openTap({ hideUsage: false, end: 'done' }).shortEnd();
    const { tap, held, forwarded } = relay([shortEnd], {}, protocol);
    expect([tap.complete, held, tap.fault]).toEqual([true, doneEvent, undefined]);
    expect(JSON.parse(forwarded.slice('data: '.length)).choices[0].finish_reason).toBe('length');
  });

  test('errorEvent is read as an error event', () => {
    const running = openAiChat.openTap({ hideUsage: false, end: 'done' });
    const error = running.errorEvent('upstream_failed', { message: 'm' }, 'r');
    expect(relay([error]).tap.fault).toBe('error-event');
  });
});
