// Which address counts, with and without proxies; that no spelling of a header by a client changes it is in
// test/attacks/region.test.ts as well, case by case.

import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { parseRanges } from '../../../src/core/addresses.ts';
import { clientAddress, type ClientAddressSettings } from '../../../src/domain/compliance/client-address.ts';

const isTrusted = parseRanges(['10.0.0.0/8', '2001:db8:1::/48']);
const nobody = parseRanges([]);
const behind = (header: ClientAddressSettings['header']): ClientAddressSettings => ({ header, isTrusted });

const forwardedFor = (value: string, peer = '10.0.0.1'): string =>
  clientAddress(peer, new Headers({ 'x-forwarded-for': value }), behind('x-forwarded-for'));
const forwarded = (value: string, peer = '10.0.0.1'): string =>
  clientAddress(peer, new Headers({ forwarded: value }), behind('forwarded'));

describe('without a trusted proxy', () => {
  test('the peer is the client, whatever the headers say', () => {
    const headers = new Headers({ 'x-forwarded-for': '198.51.100.1', 'x-real-ip': '198.51.100.2' });
    expect(clientAddress('203.0.113.9', headers, { header: 'x-forwarded-for', isTrusted: nobody })).toBe(
      '203.0.113.9',
    );
    expect(clientAddress('203.0.113.9', headers, behind('x-forwarded-for'))).toBe('203.0.113.9');
  });

  test('so it is when the proxy itself calls without the header', () => {
    expect(clientAddress('10.0.0.1', new Headers(), behind('x-forwarded-for'))).toBe('10.0.0.1');
    expect(forwardedFor(' ')).toBe('10.0.0.1');
  });
});

describe('x-forwarded-for', () => {
  const cases: readonly (readonly [value: string, expected: string])[] = [
    ['203.0.113.9', '203.0.113.9'],
    ['198.51.100.1, 203.0.113.9', '203.0.113.9'],
    ['203.0.113.9, 10.0.0.2', '203.0.113.9'],
    ['198.51.100.1,203.0.113.9 ,10.0.0.3,10.0.0.2', '203.0.113.9'],
    ['2001:db8:1::5, 2001:DB8:2:0::7', '2001:db8:2::7'],
    ['203.0.113.9:4711', '203.0.113.9'],
    ['[2001:db8:2::7]:443', '2001:db8:2::7'],
    ['::ffff:203.0.113.9', '203.0.113.9'],
    ['fe80::1%eth0', 'fe80::1'],
    ['10.0.0.9, 10.0.0.2', '10.0.0.9'],
    ['unknown', 'unknown'],
    ['198.51.100.1, unknown, 10.0.0.2', 'unknown'],
    ['198.51.100.1, ', 'unknown'],
    ['010.0.0.1', 'unknown'],
  ];
  for (const [value, expected] of cases)
    test(`${value} is ${expected}`, () => expect(forwardedFor(value)).toBe(expected));

  test('another header than the configured one is not read', () => {
    expect(
      clientAddress('10.0.0.1', new Headers({ 'x-real-ip': '198.51.100.1' }), behind('x-forwarded-for')),
    ).toBe('10.0.0.1');
  });
});

describe('forwarded', () => {
  const cases: readonly (readonly [value: string, expected: string])[] = [
    ['for=203.0.113.9', '203.0.113.9'],
    ['For="[2001:db8:2::7]:4711";proto=https', '2001:db8:2::7'],
    ['for=198.51.100.1, by=10.0.0.1;for=203.0.113.9;host="a,b;c"', '203.0.113.9'],
    ['for=203.0.113.9;proto=http, for=10.0.0.2', '203.0.113.9'],
    ['for="198.51.100.1, for=203.0.113.9', '203.0.113.9'],
    ['for=_hidden', 'unknown'],
    ['for=unknown', 'unknown'],
    ['by=10.0.0.1', 'unknown'],
    ['for=203.0.113.9;for=198.51.100.1', 'unknown'],
    ['for="203.0.113.\\9"', 'unknown'],
    ['203.0.113.9', 'unknown'],
  ];
  for (const [value, expected] of cases)
    test(`${value} is ${expected}`, () => expect(forwarded(value)).toBe(expected));
});

describe('headers of one value', () => {
  test('give that value', () => {
    expect(
      clientAddress('10.0.0.1', new Headers({ 'x-real-ip': ' 203.0.113.9 ' }), behind('x-real-ip')),
    ).toBe('203.0.113.9');
  });

  test('with two values, nobody knows which one the proxy wrote', () => {
    const headers = new Headers([
      ['cf-connecting-ip', '198.51.100.1'],
      ['cf-connecting-ip', '203.0.113.9'],
    ]);
    expect(clientAddress('10.0.0.1', headers, behind('cf-connecting-ip'))).toBe('unknown');
  });
});

test('whatever stands to the left of the hop that the proxy wrote decides nothing', () => {
  const anything = fc.string({ maxLength: 200 }).filter((text) => /^[\u0020-\u007e]*$/.test(text));
  fc.assert(
    fc.property(anything, fc.ipV4(), (left, hop) => {
      fc.pre(!isTrusted(hop));
      expect(forwardedFor(`${left}, ${hop}`)).toBe(hop);
      expect(forwarded(`${left}, for=${hop}`)).toBe(hop);
    }),
  );
});
