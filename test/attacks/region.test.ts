// Attack cases R1, R2, R3 and R5: nobody but the proxy that the operator named decides from where a client
// calls. Each case runs through address, country and policy together: a client in a refused country tries to
// be elsewhere.

import { describe, expect, test } from 'bun:test';
import { parseRanges } from '../../src/core/addresses.ts';
import { clientAddress } from '../../src/domain/compliance/client-address.ts';
import { createCountrySource } from '../../src/domain/compliance/country.ts';
import { createJudge } from '../../src/domain/compliance/judge.ts';
import type { ProxyConfig } from '../../src/plugin/gateway.ts';
import { ordinaryFacts } from '../../policies/cases/case.ts';
import { region } from '../../policies/region.ts';

const PROXY = '10.0.0.1';
/** Of the documentation ranges, one stands for a refused country and one for an allowed one. */
const refusedAddress = '203.0.113.9';
const allowedAddress = '198.51.100.7';
const inAllowed = parseRanges(['198.51.100.0/24', '2001:db8:a::/48']);
const inRefused = parseRanges(['203.0.113.0/24', '2001:db8:c::/48']);

function world(header: ProxyConfig['header'], trusted: readonly string[] = ['10.0.0.0/8']) {
  const isTrusted = parseRanges(trusted);
  const entry = region({ denied: ['CN', 'HK', 'MO', 'TW'] });
  const judge = createJudge([{ name: entry.name, policy: entry.create(entry.options) }], (fault) => {
    throw new Error(fault.detail);
  });
  const local = createCountrySource(
    { kind: 'none' },
    {
      isTrusted,
      clock: { now: () => 0, monotonicMs: () => 0 },
      onBrokenFile: () => {},
    },
  );
  return (peer: string, headers: Headers) => {
    const address = clientAddress(peer, headers, { header, isTrusted });
    const country = inAllowed(address)
      ? 'DE'
      : inRefused(address)
        ? 'CN'
        : local.countryOf(address, peer, headers);
    const decision = judge.judge('request', { ...ordinaryFacts, address, country });
    if (decision instanceof Promise) throw new Error('the region policy is synchronous');
    return { address, verdict: decision.verdict };
  };
}

const everyHeader: readonly ProxyConfig['header'][] = [
  'x-forwarded-for',
  'forwarded',
  'cf-connecting-ip',
  'x-real-ip',
];

/** What a client may write to be taken for somebody else. */
const forged: Readonly<Record<string, string>> = {
  'x-forwarded-for': allowedAddress,
  forwarded: `for=${allowedAddress}`,
  'x-real-ip': allowedAddress,
  'cf-connecting-ip': allowedAddress,
  'true-client-ip': allowedAddress,
  'x-client-ip': allowedAddress,
  'x-cluster-client-ip': allowedAddress,
  'fastly-client-ip': allowedAddress,
  'cf-ipcountry': 'DE',
  'x-country-code': 'DE',
};

describe('R1: headers from an untrusted peer are ignored', () => {
  for (const header of everyHeader) {
    test(`all at once, with ${header} configured`, () => {
      expect(world(header)(refusedAddress, new Headers(forged))).toEqual({
        address: refusedAddress,
        verdict: 'deny',
      });
      expect(world(header, [])(refusedAddress, new Headers(forged))).toEqual({
        address: refusedAddress,
        verdict: 'deny',
      });
    });
  }

  test('many lines, and a thousand hops', () => {
    const headers = new Headers();
    for (let line = 0; line < 50; line += 1) headers.append('x-forwarded-for', allowedAddress);
    headers.append(
      'x-forwarded-for',
      Array.from({ length: 1_000 }, () => `10.0.0.1, ${allowedAddress}`).join(', '),
    );
    expect(world('x-forwarded-for')(refusedAddress, headers).verdict).toBe('deny');
  });

  test('a country header is not read from an untrusted peer', () => {
    const source = createCountrySource(
      { kind: 'header', name: 'cf-ipcountry' },
      {
        isTrusted: parseRanges(['10.0.0.0/8']),
        clock: { now: () => 0, monotonicMs: () => 0 },
        onBrokenFile: () => {},
      },
    );
    expect(source.countryOf(refusedAddress, refusedAddress, new Headers(forged))).toBe('unknown');
    expect(source.countryOf(refusedAddress, PROXY, new Headers({ 'cf-ipcountry': 'CN' }))).toBe('CN');
  });
});

describe('R2: behind a trusted proxy the right-most untrusted hop decides', () => {
  const ask = world('x-forwarded-for');
  const cases: readonly (readonly [name: string, value: string, address: string])[] = [
    ["a value of the client's to the left", `${allowedAddress}, ${refusedAddress}`, refusedAddress],
    ['many of them', `${`${allowedAddress},`.repeat(100)}${refusedAddress}`, refusedAddress],
    [
      'a trusted address among them',
      `${allowedAddress}, 10.0.0.7, ${refusedAddress}, 10.0.0.8`,
      refusedAddress,
    ],
    ['nothing but nonsense to the left', `"', "; for=${allowedAddress}, ${refusedAddress}`, refusedAddress],
  ];
  for (const [name, value, address] of cases) {
    test(name, () =>
      expect(ask(PROXY, new Headers({ 'x-forwarded-for': value }))).toEqual({ address, verdict: 'deny' }),
    );
  }

  test('lines of their own count as one list', () => {
    const headers = new Headers([
      ['x-forwarded-for', allowedAddress],
      ['x-forwarded-for', refusedAddress],
    ]);
    expect(ask(PROXY, headers)).toEqual({ address: refusedAddress, verdict: 'deny' });
  });

  test('other headers than the configured one are ignored', () => {
    const headers = new Headers({ ...forged, 'x-forwarded-for': refusedAddress });
    expect(ask(PROXY, headers)).toEqual({ address: refusedAddress, verdict: 'deny' });
  });

  test("an open quote of the client's does not swallow what the proxy wrote", () => {
    const headers = new Headers({ forwarded: `for="${allowedAddress}, for=${refusedAddress};proto=https` });
    expect(world('forwarded')(PROXY, headers)).toEqual({ address: refusedAddress, verdict: 'deny' });
  });

  test('a chain of trusted hops is bounded, and its far end is nobody', () => {
    const hops = (count: number) =>
      new Headers({
        'x-forwarded-for': [allowedAddress, ...Array.from({ length: count }, () => '10.0.0.9')].join(','),
      });
    expect(ask(PROXY, hops(3))).toEqual({ address: allowedAddress, verdict: 'allow' });
    expect(ask(PROXY, hops(1_000))).toEqual({ address: 'unknown', verdict: 'deny' });
  });
});

describe('R3: spellings are normalised, and what is no address is unknown', () => {
  const ask = world('x-forwarded-for');
  const spellings: Readonly<Record<string, string>> = {
    '::ffff:203.0.113.9': refusedAddress,
    '::FFFF:CB00:7109': refusedAddress,
    '203.0.113.9:55555': refusedAddress,
    '  203.0.113.9\t': refusedAddress,
    '[::ffff:203.0.113.9]:443': refusedAddress,
    '2001:DB8:C:0:0:0:0:1': '2001:db8:c::1',
    '[2001:db8:c::1]': '2001:db8:c::1',
    '2001:db8:c::1%eth0': '2001:db8:c::1',
    unknown: 'unknown',
    _hidden: 'unknown',
    '': 'unknown',
    '0xCB007109': 'unknown',
    '3405803785': 'unknown',
    '203.0.113': 'unknown',
    '0313.0.0161.011': 'unknown',
    '203.0.113.9.': 'unknown',
    localhost: 'unknown',
    '127.1': 'unknown',
    '[203.0.113.9': 'unknown',
    '203.0.113.9, unknown': 'unknown',
    '198.51.100.7 203.0.113.9': 'unknown',
    '２０３.0.113.9': 'unknown',
  };
  for (const [spelling, address] of Object.entries(spellings)) {
    test(`"${spelling}" is ${address}`, () => {
      // A header that Headers itself refuses never reaches the walk; the reader is asked for it as it would
      // come.
      const headers = {
        get: (name: string) => (name === 'x-forwarded-for' ? `${allowedAddress}, ${spelling}` : null),
      };
      expect(
        clientAddress(PROXY, headers, { header: 'x-forwarded-for', isTrusted: parseRanges(['10.0.0.0/8']) }),
      ).toBe(address);
    });
  }

  test('an unknown client is refused, also where its proxy would be let in', () => {
    expect(ask(PROXY, new Headers({ 'x-forwarded-for': 'unknown' })).verdict).toBe('deny');
    expect(ask(PROXY, new Headers({ 'x-forwarded-for': '_hidden' })).verdict).toBe('deny');
  });

  test('a mapped IPv6 address of a refused client stays refused', () => {
    expect(ask(PROXY, new Headers({ 'x-forwarded-for': '::ffff:203.0.113.9' }))).toEqual({
      address: refusedAddress,
      verdict: 'deny',
    });
  });
});

describe('R5: headers with underscores are not the configured one', () => {
  for (const header of everyHeader) {
    test(header, () => {
      const headers = new Headers({
        [header.replaceAll('-', '_')]: header === 'forwarded' ? `for=${allowedAddress}` : allowedAddress,
      });
      headers.delete(header);
      const withReal = new Headers(headers);
      withReal.set(header, header === 'forwarded' ? `for=${refusedAddress}` : refusedAddress);
      expect(world(header)(PROXY, headers).address).toBe(PROXY);
      expect(world(header)(PROXY, withReal)).toEqual({ address: refusedAddress, verdict: 'deny' });
    });
  }
});
