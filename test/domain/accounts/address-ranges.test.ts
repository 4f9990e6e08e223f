import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { addressIn, checkRange } from '../../../src/domain/accounts/address-ranges.ts';

describe('address ranges', () => {
  test.each([
    ['192.0.2.1', '192.0.2.1/32'],
    ['10.0.0.0/8', '10.0.0.0/8'],
    ['0.0.0.0/0', '0.0.0.0/0'],
    ['::1', '::1/128'],
    ['2001:DB8:0:0::/32', '2001:db8::/32'],
    ['::ffff:192.0.2.0/120', '192.0.2.0/24'],
    ['::/0', '::/0'],
  ])('%s is stored as %s', (text, range) => {
    expect(checkRange(text)).toEqual({ ok: true, range });
  });

  test.each([
    '',
    ' ',
    '10.0.0.0/33',
    '10.0.0.0/',
    '10.0.0.0/08',
    '10.0.0.0/8/8',
    '10.0.0.1/8',
    '010.0.0.1',
    '0x7f.1',
    '127.1',
    '2130706433',
    '1.2.3',
    '1.2.3.256',
    '::ffff:0:0/95',
    'fe80::1%eth0',
    '2001:db8::1/32',
    '::/129',
    'localhost',
    '10.0.0.0/-1',
    '10.0.0.0 /8',
    '①.0.0.1',
    `${'1'.repeat(1_000)}`,
    '[::1]',
    '1.2.3.4:80',
  ])('%j is refused', (text) => {
    expect(checkRange(text).ok).toBe(false);
  });

  test('a range with stray bits says how it should read', () => {
    expect(checkRange('10.1.2.3/8')).toMatchObject({ because: expect.stringContaining('10.0.0.0/8') });
  });

  test('an address is in a range exactly if their first bits agree', () => {
    fc.assert(
      fc.property(
        fc.nat({ max: 2 ** 32 - 1 }),
        fc.nat({ max: 2 ** 32 - 1 }),
        fc.nat({ max: 32 }),
        (left, right, prefix) => {
          const text = (value: number) => [24, 16, 8, 0].map((shift) => (value >>> shift) & 255).join('.');
          const mask = prefix === 0 ? 0 : (0xffffffff << (32 - prefix)) >>> 0;
          const range = checkRange(`${text((left & mask) >>> 0)}/${prefix}`);
          if (!range.ok) throw new Error(range.because);
          const inside = (left & mask) >>> 0 === (right & mask) >>> 0;
          expect(addressIn([range.range], text(right))).toBe(inside);
          expect(addressIn([range.range], `::ffff:${text(right)}`)).toBe(inside);
        },
      ),
    );
  });

  test('families do not mix, and what is no address is in no range', () => {
    const everywhere = ['0.0.0.0/0', '::/0'];
    expect(addressIn(['0.0.0.0/0'], '2001:db8::1')).toBe(false);
    expect(addressIn(['::/0'], '192.0.2.1')).toBe(false);
    expect(addressIn(everywhere, '2001:db8::1')).toBe(true);
    expect(addressIn(everywhere, 'unknown')).toBe(false);
    expect(addressIn([], '192.0.2.1')).toBe(false);
  });
});
