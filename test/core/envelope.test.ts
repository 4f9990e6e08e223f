import { describe, expect, test } from 'bun:test';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { MasterKeyError, newMasterKeyText, readMasterKey, seal, sealedWith, unseal } from '../../src/core/envelope.ts';
import { systemRandomBytes } from '../../src/core/secrets.ts';

const makeKey = () => readMasterKey(newMasterKeyText(systemRandomBytes), 'the test');
const key = makeKey();
const place = { table: 'upstream', recordId: 'ups_1', field: 'credential' };
const sealed = (secret: string) => seal(key, place, secret, systemRandomBytes);

describe('what was sealed', () => {
  test('opens again, whatever it is, and says which key sealed it', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 300 }), (secret) => {
        const text = sealed(secret);
        expect(unseal(key, place, text)).toBe(secret);
        expect(sealedWith(text)).toBe(key.id);
        if (secret.length > 8) expect(text).not.toContain(secret);
      }),
    );
  });

  test('is different each time: neither the key of the record nor a nonce is used twice', () => {
    const texts = Array.from({ length: 50 }, () => sealed('the same'));
    const parts = texts.flatMap((text) => text.split('.').slice(2));
    expect(new Set(parts.map((part) => part.slice(0, 16))).size).toBe(100);
  });

  test.each([
    ['another table', { ...place, table: 'model' }],
    ['another row', { ...place, recordId: 'ups_2' }],
    ['another field', { ...place, field: 'other' }],
  ])('does not open in %s', (_, elsewhere) => {
    expect(() => unseal(key, elsewhere, sealed('secret'))).toThrow(MasterKeyError);
  });

  test('does not open with another key, and says which is needed', () => {
    const other = makeKey();
    expect(() => unseal(other, place, sealed('secret'))).toThrow(key.id);
    const claimed = sealed('secret').replace(key.id, other.id);
    expect(() => unseal(other, place, claimed)).toThrow(MasterKeyError);
  });

  test('does not open once a single bit of it is another', () => {
    const text = sealed('secret');
    const [form = '', id = '', ...parts] = text.split('.');
    for (const [index, part] of parts.entries()) {
      const bytes = Buffer.from(part, 'base64url');
      for (let at = 0; at < bytes.length; at += 1) {
        const changed = Buffer.from(bytes);
        changed[at] = (changed[at] ?? 0) ^ 1;
        const forged = [form, id, ...parts.with(index, changed.toString('base64url'))].join('.');
        expect(() => unseal(key, place, forged)).toThrow(MasterKeyError);
      }
    }
  });

  test.each([
    '',
    'v1',
    'v2.a.b.c',
    'v1.a.b',
    `v1.${key.id}..`,
    `v1.${key.id}.AAAA.AAAA`,
    `v1.${key.id}.AAAA.AAAA.AAAA`,
  ])('is not mistaken for %p', (text) => {
    expect(() => unseal(key, place, text)).toThrow(MasterKeyError);
  });
});

describe('a master key', () => {
  test('has the same id at each start, another one than others, and is printed nowhere', () => {
    const text = newMasterKeyText(systemRandomBytes);
    const again = readMasterKey(text, 'here');
    expect(readMasterKey(text, 'there').id).toBe(again.id);
    expect(makeKey().id).not.toBe(again.id);
    const bytes = Buffer.from(text, 'base64');
    for (const printed of [
      JSON.stringify(again),
      inspect(again, { depth: 9, showHidden: true }),
      String(again.secret),
    ]) {
      expect(printed).not.toContain(text);
      expect(printed.toLowerCase()).not.toContain(bytes.toString('hex').slice(0, 12));
    }
  });

  test('is read without its padding, and in the alphabet of URLs', () => {
    const text = Buffer.alloc(32, 0xfb).toString('base64');
    expect(readMasterKey(text.replace(/=+$/, ''), 'x').id).toBe(readMasterKey(text, 'x').id);
    expect(readMasterKey(Buffer.alloc(32, 0xfb).toString('base64url'), 'x').id).toBe(readMasterKey(text, 'x').id);
  });

  test.each([
    '',
    'secret',
    'A'.repeat(44),
    Buffer.alloc(31).toString('base64'),
    Buffer.alloc(33).toString('base64'),
    `${Buffer.alloc(32, 7).toString('base64')}!`,
    '0'.repeat(64),
    ` ${Buffer.alloc(32, 7).toString('base64')}`,
  ])('is not %p; the refusal names the source and not the text', (text) => {
    expect(() => readMasterKey(text, 'TOLLGATE_MASTER_KEY')).toThrow(
      'TOLLGATE_MASTER_KEY must be base64 of 32 random bytes',
    );
    if (text !== '') expect(() => readMasterKey(text, 'TOLLGATE_MASTER_KEY')).not.toThrow(text);
  });
});
