// The scan of request bodies: it reads what JSON.parse would read, refuses what parsers could read in two
// ways, and never looks at more than it must. Case ids are those of the attack catalogue.

import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { bounds } from '../../src/core/bounds.ts';
import { TollgateError } from '../../src/core/errors.ts';
import { fieldSet, scanBody } from '../../src/core/json-scan.ts';

const fields = fieldSet('model', 'stream', 'max_tokens', 'messages');
const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const scanText = (text: string) => scanBody(encode(text), fields);

function refusalOf(run: () => unknown): TollgateError {
  try {
    run();
  } catch (error) {
    if (error instanceof TollgateError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

function valueText(text: string, field: 'model' | 'stream' | 'max_tokens' | 'messages'): string | undefined {
  const bytes = encode(text);
  const span = scanBody(bytes, fields).spans.get(field);
  return span && new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes.subarray(span.start, span.end));
}

/** The same value with white space and escapes strewn in, as another encoder might write it. */
function rewritten(value: unknown, space: string): string {
  if (Array.isArray(value))
    return `[${space}${value.map((item) => rewritten(item, space)).join(`${space},`)}${space}]`;
  if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value).map(
      ([key, item]) => `${JSON.stringify(key)}${space}:${space}${rewritten(item, space)}`,
    );
    return `{${space}${members.join(`,${space}`)}${space}}`;
  }
  return JSON.stringify(value);
}

describe('scanBody', () => {
  test('finds top-level values and nothing else', () => {
    const text = '{"tools":[{"model":"inner","x":"\\"model\\":1"}],"model":"outer","stream":true}';
    expect(valueText(text, 'model')).toBe('"outer"');
    expect(valueText(text, 'stream')).toBe('true');
    expect(valueText(text, 'max_tokens')).toBeUndefined();
  });

  test('reads any JSON object as JSON.parse does, however it is written', () => {
    const json = fc.dictionary(
      fc.oneof(
        fc.constantFrom('model', 'stream', 'max_tokens', 'messages', 'tools'),
        fc.string({ unit: 'grapheme' }),
      ),
      fc.jsonValue({ noUnicodeString: false, maxDepth: 5 }),
    );
    fc.assert(
      fc.property(json, fc.constantFrom('', ' ', '\n', '\t\r\n '), (value, space) => {
        const parsed: unknown = JSON.parse(JSON.stringify(value));
        if (typeof parsed !== 'object' || parsed === null) throw new Error('not an object');
        const text = rewritten(parsed, space);
        const variants = Object.keys(parsed).filter(
          (key) =>
            fields.folded.has(key.toUpperCase().toLowerCase()) && !fields.names.some((name) => name === key),
        );
        fc.pre(variants.length === 0);
        for (const name of fields.names) {
          const found = valueText(text, name);
          const expected = Object.entries(parsed).find(([key]) => key === name)?.[1];
          expect(found === undefined ? undefined : JSON.parse(found)).toEqual(expected);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  test('never takes what JSON.parse refuses at the top level, on mutated bodies', () => {
    const body =
      '{"model":"gpt","stream":true,"max_tokens":12,"messages":"a\\"b\\u0041","x":-1.5e3,"y":null,"z":0}';
    const edit = fc.tuple(
      fc.nat(body.length - 1),
      fc.constantFrom('', '"', '{', '}', '[', ']', ',', ':', '\\', '0', 'e', ' ', 'x', '\0'),
    );
    fc.assert(
      fc.property(fc.array(edit, { minLength: 1, maxLength: 3 }), (edits) => {
        let text = body;
        for (const [at, replacement] of edits) text = text.slice(0, at) + replacement + text.slice(at + 1);
        let scanned: ReturnType<typeof scanText>;
        try {
          scanned = scanText(text);
        } catch (error) {
          expect(error).toBeInstanceOf(TollgateError);
          return;
        }
        // Below the top level only balance is checked; there the upstream judges. So leave bodies that became
        // nested aside.
        if (/[[{]/.test(text.slice(text.indexOf('{') + 1))) return;
        const parsed: unknown = JSON.parse(harmless(text));
        expect(Object.keys(parsed ?? {}).length).toBe(scanned.keys);
      }),
      { numRuns: 20_000 },
    );
  });

  test.each([
    ['[]', 'must be a JSON object'],
    ['"x"', 'must be a JSON object'],
    ['', 'is empty'],
    [' \n', 'is empty'],
    ['{', 'not valid JSON'],
    ['{"a"}', 'not valid JSON'],
    ['{"a":}', 'not valid JSON'],
    ['{"a":1,}', 'not valid JSON'],
    ['{"a":1 "b":2}', 'not valid JSON'],
    ['{"a":1}{', 'not valid JSON'],
    ['{"a":1}\0', 'not valid JSON'],
    ['{"a":01}', 'not valid JSON'],
    ['{"a":NaN}', 'not valid JSON'],
    ['{"a":nul}', 'not valid JSON'],
    ['{"a":+1}', 'not valid JSON'],
    ['{"a":.5}', 'not valid JSON'],
    ['{"a":1.}', 'not valid JSON'],
    ['{"a":1e}', 'not valid JSON'],
    ['{"a":-}', 'not valid JSON'],
    ['{a:1}', 'not valid JSON'],
    ["{'a':1}", 'not valid JSON'],
    ['{"a":[}]}', 'not valid JSON'],
    ['{"a":{"b":[1}]}', 'not valid JSON'],
    ['{"a":"', 'not valid JSON'],
    ['{"a":"\\"}', 'not valid JSON'],
    ['{"a":[[1]', 'not valid JSON'],
    ['{/**/"a":1}', 'not valid JSON'],
    ['{"a\\q":1}', 'not valid JSON'],
  ])('refuses %p', (text, reason) => {
    const error = refusalOf(() => scanText(text));
    expect(error.code).toBe('invalid_request');
    expect(error.message).toContain(reason);
  });

  test.each(['{}', ' { } \n', '{"a":-0.5E+10,"b":0,"c":[],"d":{},"e":"\\\\"}', '{"a":1e400}'])(
    'takes %p',
    (text) => {
      expect(scanText(text).keys).toBe(Object.keys(JSON.parse(text)).length);
    },
  );

  test('A8: depth is refused at one level too many, and in time linear in the body', () => {
    const nested = (levels: number): string => `{"a":${'['.repeat(levels - 1)}${']'.repeat(levels - 1)}}`;
    expect(scanText(nested(bounds.requestDepth)).keys).toBe(1);
    for (const levels of [bounds.requestDepth + 1, 50_000, 1_000_000]) {
      expect(refusalOf(() => scanText(nested(levels))).message).toContain(
        `deeper than ${bounds.requestDepth}`,
      );
    }
  });

  test('A8: too many keys are refused, at any level', () => {
    const many = (count: number): string => Array.from({ length: count }, (_, i) => `"k${i}":0`).join(',');
    expect(scanText(`{${many(bounds.requestKeys)}}`).keys).toBe(bounds.requestKeys);
    expect(refusalOf(() => scanText(`{${many(80_000)}}`)).message).toContain(`${bounds.requestKeys} keys`);
    expect(refusalOf(() => scanText(`{"a":[{${many(80_000)}}]}`)).message).toContain(
      `${bounds.requestKeys} keys`,
    );
  });

  test('A8: a key that stands twice is refused, however it is written', () => {
    for (const text of [
      '{"model":"a","model":"b"}',
      '{"model":"a","mod\\u0065l":"b"}',
      '{"x":1,"y":2,"x":3}',
      '{"":1,"":2}',
      '{"é":1,"\\u00e9":2}',
      `{${Array.from({ length: 40 }, (_, i) => `"k${i}":0`).join(',')},"k7":1}`,
    ]) {
      expect(refusalOf(() => scanText(text)).message).toContain('stands twice');
    }
    expect(valueText('{"mod\\u0065l":"b"}', 'model')).toBe('"b"');
  });

  test('A8: a key in another letter case is refused, as some parsers fold it', () => {
    for (const key of ['Model', 'MODEL', 'ſtream', 'max_to\u212aens', 'M\\u006fdel']) {
      const error = refusalOf(() => scanText(`{"${key}":1}`));
      expect(error.message).toContain('letter case');
      expect(fields.folded.has(error.details.field ?? '')).toBe(true);
    }
    expect(scanText('{"Temperature":1,"models":2}').keys).toBe(2);
  });

  test('A8: long strings within the body limit pass', () => {
    for (const long of [
      'x'.repeat(1_000_000),
      '\\"'.repeat(500_000),
      '\\\\'.repeat(500_000),
      '{[:'.repeat(300_000),
    ]) {
      expect(valueText(`{"messages":"${long}","model":"m"}`, 'model')).toBe('"m"');
    }
  });

  test('A10: BOM and invalid UTF-8 are refused', () => {
    expect(refusalOf(() => scanText('\ufeff{"model":"m"}')).message).toContain('byte order mark');
    const bytes = encode('{"model":"m?"}');
    bytes[11] = 0xff;
    expect(refusalOf(() => scanBody(bytes, fields)).message).toContain('UTF-8');
  });

  test('A10: NUL and lone surrogates in strings keep their bytes', () => {
    expect(valueText('{"messages":"\\ud800 \\u0000"}', 'messages')).toBe('"\\ud800 \\u0000"');
    expect(valueText('{"messages":"a\0b"}', 'messages')).toBe('"a\0b"');
  });

  test('an error quotes no more than the head of a key', () => {
    const key = 'k'.repeat(10_000);
    expect(refusalOf(() => scanText(`{"${key}":1,"${key}":2}`)).message.length).toBeLessThan(200);
  });

  test('a refused scan leaves nothing behind for the next', () => {
    refusalOf(() => scanText(`{"a":${'['.repeat(500)}`));
    expect(refusalOf(() => scanText('{"a"')).message).toContain('not valid JSON');
    expect(valueText('{"model":"m"}', 'model')).toBe('"m"');
  });
});

/** What stands inside of strings is not judged: escapes and control characters become plain. */
const harmless = (text: string): string => text.replaceAll(/\\[^]/g, '__').replaceAll('\0', '_');
