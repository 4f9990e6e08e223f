// Values read by their spans: strict about numbers, exact about text. Case ids are those of the attack catalogue.

import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { TollgateError } from '../../src/core/errors.ts';
import { decodedLength, JsonCursor } from '../../src/core/json-cursor.ts';
import {
  fieldSet,
  readBoolean,
  readInteger,
  readString,
  scanBody,
  scanObject,
} from '../../src/core/json-scan.ts';

const fields = fieldSet('max_tokens');
const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

function refusalOf(run: () => unknown): TollgateError {
  try {
    run();
  } catch (error) {
    if (error instanceof TollgateError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

describe('readers of values', () => {
  const one = (value: string) => {
    const body = encode(`{"max_tokens":${value}}`);
    return { body, span: scanBody(body, fields).spans.get('max_tokens') };
  };
  const integer = (value: string, min = 1, max = 128): number | undefined => {
    const { body, span } = one(value);
    return readInteger(body, span, 'max_tokens', min, max);
  };

  test.each([
    '-1',
    '0',
    '129',
    '1e20',
    '1.0',
    '1.5',
    '1e1',
    '9007199254740993',
    '18446744073686646784',
    '"1e9"',
    '"5"',
    'true',
    '[1]',
    '{}',
    '-0',
  ])('E4: %s is no integer from 1 to 128', (value) => {
    const error = refusalOf(() => integer(value));
    expect(error.message).toBe('max_tokens: must be an integer from 1 to 128.');
    expect(error.details.field).toBe('max_tokens');
  });

  test('integers within their limits, null and absence', () => {
    expect([
      integer('1'),
      integer('128'),
      integer('null'),
      readInteger(encode(''), undefined, 'n', 1, 2),
    ]).toEqual([1, 128, undefined, undefined]);
    expect(integer('2147483647', 1, 2 ** 31 - 1)).toBe(2 ** 31 - 1);
    expect(refusalOf(() => integer('2147483648', 1, 2 ** 31 - 1)).message).toContain('2147483647');
  });

  test('strings are decoded, bounded and of one kind', () => {
    const text = (value: string, lengthMax = 256): string => {
      const { body, span } = one(value);
      return readString(body, span ?? { start: 0, end: 0 }, 'model', lengthMax);
    };
    expect(text('"a\\u0062\\n\\"é"')).toBe('ab\n"é');
    expect(text(`"${'é'.repeat(256)}"`)).toBe('é'.repeat(256));
    for (const value of [
      'null',
      '5',
      '{}',
      `"${'x'.repeat(257)}"`,
      '"\\x"',
      '"a\u0001b"',
      `"${'y'.repeat(100_000)}"`,
    ]) {
      expect(refusalOf(() => text(value)).details.field).toBe('model');
    }
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 50 }), (value) => {
        expect(text(JSON.stringify(value))).toBe(value);
      }),
    );
  });

  test('booleans', () => {
    const boolean = (value: string): boolean | undefined => {
      const { body, span } = one(value);
      return readBoolean(body, span, 'stream');
    };
    expect([boolean('true'), boolean('false'), boolean('null')]).toEqual([true, false, undefined]);
    for (const value of ['0', '1', '"true"', '[]'])
      expect(refusalOf(() => boolean(value)).details.field).toBe('stream');
  });

  test('nested objects are scanned as strictly, under their path', () => {
    const inner = fieldSet('include_usage');
    const nested = (value: string) => {
      const { body, span } = one(value);
      return scanObject(body, span ?? { start: 0, end: 0 }, inner, 'stream_options');
    };
    expect(nested('{"x":1,"include_usage":true}').spans.get('include_usage')).toBeDefined();
    expect(refusalOf(() => nested('5')).message).toBe('stream_options: must be an object.');
    expect(refusalOf(() => nested('{"x"}')).message).toBe('stream_options: must be valid JSON.');
    expect(refusalOf(() => nested('{"Include_Usage":true}')).details.field).toBe(
      'stream_options.include_usage',
    );
    expect(refusalOf(() => nested('{"a":1,"a":1}')).details.field).toBe('stream_options.a');
  });
});

describe('JsonCursor', () => {
  test('decodedLength is the length of the decoded text in UTF-8', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200 }), fc.boolean(), (text, ascii) => {
        const json = ascii ? escapedToAscii(JSON.stringify(text)) : JSON.stringify(text);
        const bytes = encode(json);
        expect(decodedLength(bytes, 1, bytes.length - 1)).toBe(
          encode(text.toWellFormed()).length - loneSurrogates(text),
        );
      }),
      { numRuns: 2_000 },
    );
  });

  test('finds the end of any string, whatever stands behind it', () => {
    const cursor = new JsonCursor({ depth: 4, keys: 10 });
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('"', '\\', 'a', '\\"', 'long '.repeat(12)) }), (text) => {
        const bytes = encode(`${JSON.stringify(text)}"\\"]}`);
        cursor.reset(bytes, 0, bytes.length);
        expect(cursor.string()).toBe(true);
        expect(cursor.position).toBe(encode(JSON.stringify(text)).length);
      }),
      { numRuns: 2_000 },
    );
  });
});

const escapedToAscii = (json: string): string =>
  json.replaceAll(/[^\0-~]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);

/** Half a pair counts as two bytes, where the replacement character has three. */
function loneSurrogates(text: string): number {
  return [...text].filter((point) => !point.isWellFormed()).length;
}
