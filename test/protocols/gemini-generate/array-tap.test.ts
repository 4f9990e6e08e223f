// Gemini's stream as one JSON array, relayed as it comes: its bytes, its reading, and its end.

import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { bounds } from '../../../src/core/bounds.ts';
import { geminiGenerate } from '../../../src/protocols/gemini-generate/gemini-generate.ts';
import { haveRecordings } from '../../support/gateway.ts';
import { cutAt, decode, encode, everyByte } from '../recordings.ts';
import { relay } from '../relay-through-tap.ts';
import { recorded } from './recorded.ts';

const element = (text: string, more: object = {}, beside: object = {}): string =>
  JSON.stringify(
    { candidates: [{ content: { parts: [{ text }], role: 'model' }, index: 0, ...more }], ...beside },
    null,
    2,
  );
const finish = element('!', { finishReason: 'STOP' }, { usageMetadata: { promptTokenCount: 3 } });
const error = '{"error":{"code":503,"message":"overloaded","status":"UNAVAILABLE"}}';
const arrayOf = (...elements: readonly string[]): string => `[${elements.join('\n,\r\n')}\n]`;

const hard = element('}],"finishReason":"STOP" \\" \\\\ 漢字 🦊 [[[ {"error":{}}');
const whole = arrayOf(element('a'), hard, element('bé'), finish);

const native = (chunks: readonly (Uint8Array | string)[]) =>
  relay(chunks, { framing: 'json-array', received: 'json-array' }, geminiGenerate);

/** As a client has it that is told of an error behind what it has got. */
const withError = ({ tap, forwarded }: ReturnType<typeof native>): unknown =>
  JSON.parse(`${forwarded}\n\n${decode(tap.errorEvent('upstream_failed', { message: 'broke off' }, 'req_1'))}`);

describe('an array of replies', () => {
  test('is relayed byte for byte, but for what closes it, and read as its events would be', () => {
    const read = native([whole]);
    expect([read.forwarded + read.atEnd, read.held]).toEqual([whole.slice(0, -2), '\n]']);
    expect(read.tap).toMatchObject({ complete: true, fault: undefined });
    const events = relay(
      [element('a'), hard, element('bé'), finish].map((each) => `data: ${each.replaceAll('\n', '\ndata: ')}\n\n`),
      {},
      geminiGenerate,
    );
    expect(read.reading).toEqual(events.reading);
    expect(read.reading).toMatchObject({ usage: { promptTokenCount: 3 }, contentEvents: 4, failed: false });
  });

  test('goes out element by element, with the push that completes each, and the same wherever it is cut', () => {
    const once = native([whole]);
    const seen = (cut: ReturnType<typeof native>) => [cut.forwarded, cut.held, cut.reading, cut.tap.complete];
    const bytes = encode(whole);
    for (let at = 0; at <= bytes.length; at++)
      expect(seen(native([bytes.subarray(0, at), bytes.subarray(at)]))).toEqual(seen(once));
    fc.assert(
      fc.property(fc.array(fc.nat(), { maxLength: 20 }), (cuts) => {
        expect(seen(native(cutAt(bytes, cuts)))).toEqual(seen(once));
      }),
      { numRuns: 100 },
    );
    const tap = geminiGenerate.openTap({ hideUsage: false, end: 'done', received: 'json-array' });
    expect(decode(tap.push(encode(`[${element('a')}`)) ?? new Uint8Array())).toBe(`[${element('a')}`);
    expect(tap.push(encode(`\n,\r\n${hard.slice(0, -1)}`))).toBeUndefined();
    expect(decode(tap.push(encode('}')) ?? new Uint8Array())).toBe(`\n,\r\n${hard}`);
    const chunk = encode(`,${element('c')},${element('d')}`);
    expect(tap.push(chunk)).toBe(chunk);
  });

  test('cut at any byte it is not complete, no part of an element goes out, and nothing closes it', () => {
    const bytes = encode(whole);
    for (let length = 0; length < bytes.length; length++) {
      const cut = native([bytes.subarray(0, length)]);
      expect([cut.tap.complete, cut.held, cut.atEnd]).toEqual([false, '', '']);
      expect(whole.startsWith(cut.forwarded)).toBe(true);
      expect(withError(cut)).toBeArray();
    }
  });

  test('without a reason to finish it is cut, too', () => {
    for (const body of ['[]', '[ ]', arrayOf(element('a')), '[{}]', '[1,"]",null]']) {
      const read = native([body]);
      expect([read.tap.complete, read.tap.fault, read.held]).toEqual([false, undefined, '']);
      expect(withError(read)).toEqual([...JSON.parse(body), { error: expect.anything() }]);
    }
    const blocked = '[{"promptFeedback":{"blockReason":"SAFETY"}}]';
    expect(native([blocked])).toMatchObject({ whole: blocked, held: ']', tap: { complete: true } });
  });

  test('of what follows its end nothing goes out or is read', () => {
    const late = arrayOf(element('late', { finishReason: 'STOP' }, { usageMetadata: { promptTokenCount: 9 } }));
    for (const behind of ['garbage', late, `,${late}`, ']', '\n', '\0'])
      for (const chunks of [[whole + behind], [whole, behind], [...whole, ...behind]])
        expect(native(chunks)).toMatchObject({ whole, reading: native([whole]).reading, tap: { complete: true } });
  });

  test.each([
    ['an element that is no JSON', `[${element('a')},{"candidates":[}]`],
    ['garbage between elements', `[${element('a')} ${element('b')}]`],
    ['no element', `[${element('a')},,${element('b')}]`],
    ['a bracket too many', `[${element('a')}}]`],
    ['what is nested too deep', `[${element('a')},${'['.repeat(1_000_000)}`],
  ])('%s breaks it off', (_, body) => {
    for (const chunks of [[body], everyByte(encode(body))]) {
      const read = native(chunks);
      expect(read).toMatchObject({ forwarded: `[${element('a')}`, tap: { complete: false, fault: 'not-a-stream' } });
      expect(withError(read)).toBeArrayOfSize(2);
    }
  });

  test.each(['<html>', '{"error":{}}', 'data: {}\n\n', ']', ','])('%s is none', (body) => {
    expect(native([body])).toMatchObject({ whole: '', tap: { fault: 'not-a-stream' } });
  });

  test("an upstream's error goes out and closes the array, whether the upstream does or not", () => {
    for (const body of [arrayOf(element('a'), error), arrayOf(element('a'), error).slice(0, -1)]) {
      const read = native([body]);
      expect(read).toMatchObject({ whole: arrayOf(element('a'), error), tap: { fault: 'error-event' } });
      expect(read.reading.failed).toBe(false);
    }
    expect(native([arrayOf(error)]).reading.failed).toBe(true);
  });

  test('what we end ourselves is well-formed, after nothing and after something', () => {
    for (const before of ['', `[${element('a')}`]) {
      const { tap, forwarded } = native([before]);
      const short: unknown = JSON.parse(forwarded + decode(tap.shortEnd()));
      expect(short).toMatchObject([...(before === '' ? [] : [{}]), { candidates: [{ finishReason: 'MAX_TOKENS' }] }]);
    }
  });

  test('an element with a picture is read whole; one above the bound ends it', () => {
    const withPicture = (size: number) => {
      const parts = [{ inlineData: { mimeType: 'image/png', data: 'A'.repeat(size) } }];
      const body = {
        candidates: [{ content: { parts }, finishReason: 'STOP' }],
        usageMetadata: { promptTokenCount: 1 },
      };
      return encode(`[${element('a')},${JSON.stringify(body)}]`);
    };
    const pieces = (bytes: Uint8Array) =>
      cutAt(
        bytes,
        Array.from({ length: 500 }, (_, at) => at * 48_611),
      );
    const picture = withPicture(4_000_000);
    expect(native(pieces(picture))).toMatchObject({ whole: decode(picture), tap: { complete: true } });
    const huge = native(pieces(withPicture(bounds.eventBytes)));
    expect(huge).toMatchObject({ forwarded: `[${element('a')}`, tap: { complete: false, fault: 'oversized-event' } });
  });
});

describe.skipIf(!haveRecordings)('recorded arrays (skipped without recordings)', () => {
  const arrays = recorded.filter(({ response, status }) => status === 200 && response.toString().startsWith('['));

  test('there is one', () => expect(arrays.length).toBeGreaterThan(0));

  test.each([...arrays])('$id: its bytes go on as they came, wherever they are cut', ({ response, usage }) => {
    const text = response.toString();
    for (let at = 0; at < response.length; at++) {
      const read = native([response.subarray(0, at), response.subarray(at)]);
      expect([read.whole, read.held, read.tap.complete]).toEqual([text, '\n]', true]);
      expect(read.reading.usage).toEqual(usage);
      expect(native([response.subarray(0, at)]).tap.complete).toBe(false);
    }
  });
});
