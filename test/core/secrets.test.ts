import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import {
  checkKeyFormat,
  createRedactor,
  generateKey,
  hintOf,
  secretsEqual,
  sha256Hex,
  systemRandomBytes,
} from '../../src/core/secrets.ts';

const digits = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

describe('a key', () => {
  test('has its prefix, 32 random digits and a checksum that fits', () => {
    for (let index = 0; index < 200; index++) {
      const key = generateKey('api-key', systemRandomBytes);
      expect(key).toMatch(/^tg_[0-9A-Za-z]{38}$/);
      expect(checkKeyFormat(key)).toBe('api-key');
      expect(checkKeyFormat(generateKey('operator-key', systemRandomBytes))).toBe('operator-key');
    }
  });

  test('comes from the bytes handed in, each digit as likely as the next', () => {
    const counting = (length: number) => Uint8Array.from({ length }, (_, index) => index);
    expect(generateKey('api-key', counting).slice(3, 35)).toBe('0123456789ABCDEFGHIJKLMNOPQRSTUV');
    // Bytes from 248 on would make the first digits likelier: they are thrown away.
    const mixed = (length: number) =>
      Uint8Array.from({ length }, (_, index) => (index % 2 === 0 ? 248 + (index % 8) : 61));
    expect(generateKey('api-key', mixed).slice(3, 35)).toBe('z'.repeat(32));
    expect(() => generateKey('api-key', (length) => new Uint8Array(length).fill(255))).toThrow('broken');
  });

  test('with any one character changed is refused', () => {
    fc.assert(
      fc.property(
        fc.nat({ max: 40 }),
        fc.constantFrom(...digits, '-', ' ', 'é', '\u0000'),
        (at, character) => {
          const key = generateKey('api-key', systemRandomBytes);
          fc.pre(key[at] !== character);
          expect(checkKeyFormat(key.slice(0, at) + character + key.slice(at + 1))).toBeUndefined();
        },
      ),
    );
  });

  test('with two neighbours swapped is refused', () => {
    fc.assert(
      fc.property(fc.integer({ min: 3, max: 39 }), (at) => {
        const key = generateKey('api-key', systemRandomBytes);
        fc.pre(key[at] !== key[at + 1]);
        const swapped = key.slice(0, at) + key.charAt(at + 1) + key.charAt(at) + key.slice(at + 2);
        expect(checkKeyFormat(swapped)).toBeUndefined();
      }),
    );
  });

  test('is not made out of any other text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (text) => {
        expect(checkKeyFormat(text)).toBeUndefined();
        expect(checkKeyFormat(`tg_${text}`)).toBeUndefined();
      }),
    );
  });

  test('of one kind is not of the other with its prefix exchanged', () => {
    const key = generateKey('api-key', systemRandomBytes);
    expect(checkKeyFormat(`tgo_${key.slice(3)}`)).toBeUndefined();
  });

  test('is told apart by prefix and last four', () => {
    const key = generateKey('operator-key', systemRandomBytes);
    expect(hintOf(key)).toBe(`tgo_...${key.slice(-4)}`);
  });
});

test('hashes are SHA-256 in lower-case hex, of text and of bytes', () => {
  const abc = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad';
  expect(sha256Hex('abc')).toBe(abc);
  expect(sha256Hex(new Uint8Array([0x61, 0x62, 0x63]))).toBe(abc);
});

test('secrets are equal only if they are the same', () => {
  expect(secretsEqual('abc', 'abc')).toBe(true);
  for (const other of ['', 'ab', 'abd', 'abcd', 'ABC']) expect(secretsEqual('abc', other)).toBe(false);
});

describe('a redactor', () => {
  test('cuts keys out by their form, whole or cut off', () => {
    const { redact } = createRedactor();
    const key = generateKey('api-key', systemRandomBytes);
    expect(redact(`key ${key} end`)).toBe('key tg_[redacted] end');
    expect(redact(`{"a":"x${key.slice(0, 20)}`)).toBe('{"a":"xtg_[redacted]');
    expect(redact(`GET /v1beta/models?key=${key}&alt=sse`)).toBe('GET /v1beta/models?key=[redacted]&alt=sse');
    expect(redact('Authorization: Bearer abc.def-123')).toBe('Authorization: Bearer [redacted]');
    expect(redact('sk-abcdefghijklmnopqrstuvwxyz')).toBe('sk-[redacted]');
    expect(redact(`hint ${hintOf(key)} of key_0193`)).toBe(`hint ${hintOf(key)} of key_0193`);
  });

  test('cuts live values out, however they are written, until they are forgotten', () => {
    const { register, redact } = createRedactor();
    const secret = 'p"ä/+ssw.rd$&*';
    const forget = register(secret);
    const again = register(secret);
    const forms = [
      secret,
      JSON.stringify(secret),
      encodeURIComponent(secret),
      Buffer.from(`${secret}`).toString('base64'),
    ];
    for (const form of forms)
      expect(redact(`before ${form} after`)).toMatch(/^before "?\[redacted\]"?=* after$/);
    forget();
    forget();
    expect(redact(secret)).toBe('[redacted]');
    again();
    expect(redact(secret)).toBe(secret);
  });

  test('does not cut ordinary words for a secret too short to be one', () => {
    const { register, redact } = createRedactor();
    register('')();
    register('a');
    expect(redact('a banana')).toBe('a banana');
  });

  test('cuts the longer of two values that begin alike', () => {
    const { register, redact } = createRedactor();
    register('secret-1');
    register('secret-1234');
    expect(redact('secret-1234')).toBe('[redacted]');
  });
});
