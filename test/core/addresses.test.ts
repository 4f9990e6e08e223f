import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import {
  AddressRangeError, allowsAddress, checkUpstreamUrl, classifyAddress, classifyName, hostnameOf, normaliseAddress,
  parseRanges,
} from '../../src/core/addresses.ts';

const dotted = fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255), fc.nat(255)).map((octets) => octets.join('.'));

describe('classifyAddress', () => {
  test('public addresses', () => {
    for (const address of [
      '1.1.1.1', '8.8.8.8', '9.255.255.255', '11.0.0.0', '100.63.255.255', '100.128.0.0', '126.255.255.255',
      '128.0.0.1', '172.15.255.255', '172.32.0.0', '192.167.255.255', '192.169.0.0', '198.17.255.255', '198.20.0.0',
      '223.255.255.255', '2606:4700::1111', '2001:4860:4860::8888', '2a00:1450::1', '2400:cb00::1', '2001:200::1',
    ]) expect([address, classifyAddress(address)]).toEqual([address, 'public']);
  });

  test('the first and last address of each internal IPv4 range', () => {
    for (const address of [
      '0.0.0.0', '0.255.255.255', '10.0.0.0', '10.255.255.255', '100.64.0.0', '100.127.255.255', '127.0.0.1',
      '127.255.255.255', '172.16.0.0', '172.31.255.255', '192.0.0.0', '192.0.0.255', '192.0.2.1', '192.88.99.1',
      '192.168.0.0', '192.168.255.255', '198.18.0.0', '198.19.255.255', '198.51.100.7', '203.0.113.7', '224.0.0.1',
      '239.255.255.255', '240.0.0.0', '255.255.255.255',
    ]) expect([address, classifyAddress(address)]).toEqual([address, 'internal']);
  });

  test('internal IPv6, and IPv6 that carries IPv4', () => {
    for (const address of [
      '::', '::1', '::2', 'fc00::1', 'fdff::1', 'fe80::1', 'febf::1', 'fec0::1', 'ff02::1', '100::1',
      '::ffff:127.0.0.1', '::ffff:a00:1', '::7f00:1', '64:ff9b::7f00:1', '64:ff9b::8.8.8.8', '64:ff9b:1::1',
      '2002:7f00:1::', '2002:808:808::', '2001::1', '2001:10::1', '2001:20::1', '2001:db8::1', '3fff::1', '4000::1',
      '1fff::1',
      '5f00::1', '::ffff:0:7f00:1',
    ]) expect([address, classifyAddress(address)]).toEqual([address, 'internal']);
    expect(classifyAddress('::ffff:8.8.8.8')).toBe('public');
    expect(classifyAddress('fe80::1%eth0')).toBe('internal');
  });

  test('metadata, however wrapped', () => {
    for (const address of [
      '169.254.169.254', '169.254.170.2', '169.254.0.1', '100.100.100.200', '168.63.129.16', '192.0.0.192',
      'fd00:ec2::254', 'fd20:ce::254', '::ffff:169.254.169.254', '::ffff:a9fe:a9fe', '64:ff9b::a9fe:a9fe',
      '2002:a9fe:a9fe::', '::a9fe:a9fe', 'FD00:0EC2:0:0:0:0:0:0254',
    ]) {
      expect([address, classifyAddress(address)]).toEqual([address, 'metadata']);
      expect(allowsAddress('any', address)).toBe(false);
    }
  });

  test('what is not a plain literal is nothing, and allowed by no rule', () => {
    for (const text of [
      '', 'localhost', '127.1', '0x7f.1', '2130706433', '017700000001', '0177.0.0.1', '127.0.0.1.', ' 127.0.0.1',
      '127.0.0.1:80', '[::1]', '1.2.3.256', '1.2.3', '::1::', 'unknown', '١.١.١.١', `1${'0'.repeat(70)}`,
    ]) {
      expect([text, classifyAddress(text)]).toEqual([text, undefined]);
      expect(allowsAddress('any', text)).toBe(false);
    }
  });

  test('a mapped address is judged as the address it carries', () => {
    fc.assert(fc.property(dotted, (address) => {
      expect(classifyAddress(`::ffff:${address}`)).toBe(classifyAddress(address));
      expect(classifyAddress(`64:ff9b::${address}`)).not.toBe('public');
    }));
  });

  test('names that need no lookup', () => {
    expect(classifyName('localhost')).toBe('internal');
    expect(classifyName('a.localhost')).toBe('internal');
    expect(classifyName('metadata.google.internal')).toBe('metadata');
    expect(classifyName('notlocalhost')).toBeUndefined();
    expect(classifyName('api.example.com')).toBeUndefined();
  });
});

describe('checkUpstreamUrl', () => {
  const verdict = (text: string, rule: 'public' | 'any' = 'public') => checkUpstreamUrl(text, rule).kind;
  const message = (text: string, rule: 'public' | 'any' = 'public'): string => {
    const check = checkUpstreamUrl(text, rule);
    return check.kind === 'refused' ? check.message : 'accepted';
  };

  test('accepts what an operator would write', () => {
    for (const text of [
      'https://api.example.com', 'https://api.example.com/v1', 'HTTPS://API.Example.com:8443/a/b/', 'http://1.1.1.1',
      'https://bücher.example', 'https://[2606:4700::1111]/v1', 'https://my_host.example',
    ]) expect([text, message(text)]).toEqual([text, 'accepted']);
    expect(verdict('http://127.0.0.1:8000/v1', 'any')).toBe('accepted');
    expect(verdict('http://localhost:11434', 'any')).toBe('accepted');
    expect(verdict('http://10.0.0.5', 'any')).toBe('accepted');
    const idn = checkUpstreamUrl('https://bücher.example.', 'public');
    expect(idn.kind === 'accepted' && hostnameOf(idn.url)).toBe('xn--bcher-kva.example');
  });

  test('says what is wrong and what would do', () => {
    expect(message('ftp://example.com')).toContain('https://');
    expect(message('https:example.com')).toContain('https://');
    expect(message('https://user:pw@example.com')).toContain('credential');
    expect(message('https://@example.com')).toContain('user name');
    expect(message('https://example.com/?key=1')).toContain('query');
    expect(message('https://example.com/#')).toContain('fragment');
    expect(message('https://exam ple.com')).toContain('space');
    expect(message('https://example.com\\@evil.test')).toContain('backslash');
    expect(message('https://exa\nmple.com')).toContain('control');
    expect(message('https://example.com:0/')).toContain('Port 0');
    expect(message('https://')).toContain('cannot be read');
    expect(message('https://a..b/')).toContain('well formed');
    expect(message('http://127.0.0.1..')).toContain('well formed');
    expect(message(`https://example.com/${'a'.repeat(3_000)}`)).toContain('2048');
    expect(message('http://127.0.0.1')).toContain('addresses to "any"');
    expect(message('http://169.254.169.254', 'any')).toContain('never');
    expect(message('https://user:hunter2@example.com')).not.toContain('hunter2');
  });
});

describe('normaliseAddress (R3)', () => {
  test('one spelling for each address', () => {
    const cases: Readonly<Record<string, string | undefined>> = {
      '192.0.2.1': '192.0.2.1', '::ffff:192.0.2.1': '192.0.2.1', '::FFFF:C000:201': '192.0.2.1',
      '[::ffff:192.0.2.1]:443': '192.0.2.1', '192.0.2.1:8080': '192.0.2.1', ' 192.0.2.1 ': '192.0.2.1',
      'FE80::1%eth0': 'fe80::1', '[2001:DB8::0:1]': '2001:db8::1', '2001:db8:0:0:0:0:0:1': '2001:db8::1',
      '[2001:db8::1]:99': '2001:db8::1', '::': '::', '0.0.0.0': '0.0.0.0',
      unknown: undefined, _hidden: undefined, '': undefined, '1.2.3': undefined, '01.2.3.4': undefined,
      '1.2.3.4.': undefined, '1.2.3.4, 5.6.7.8': undefined, '256.1.1.1': undefined, '[1.2.3.4': undefined,
      '"1.2.3.4"': undefined, '1.2.3.4:': undefined, '2130706433': undefined, 'a.example': undefined,
    };
    for (const [text, expected] of Object.entries(cases)) {
      expect([text, normaliseAddress(text)]).toEqual([text, expected]);
    }
  });

  test('is the same for every address and its mapped form, and repeatable', () => {
    fc.assert(fc.property(dotted, (address) => {
      expect(normaliseAddress(address)).toBe(address);
      expect(normaliseAddress(`::ffff:${address}`)).toBe(address);
    }));
    fc.assert(fc.property(fc.ipV6(), (address) => {
      const once = normaliseAddress(address);
      expect(once).toBeDefined();
      expect(normaliseAddress(once!)).toBe(once);
    }));
  });

  test('never throws', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 80 }), (text) => { normaliseAddress(text); }));
  });
});

describe('parseRanges', () => {
  test('matches inside and not outside, in every spelling', () => {
    const inside = parseRanges(['10.0.0.0/8', '192.0.2.7', 'fd00::/8', '2001:db8::1/128', '::ffff:198.51.100.0/120']);
    for (const address of [
      '10.0.0.0', '10.255.255.255', '::ffff:10.1.2.3', '192.0.2.7', 'fd12::1', '2001:db8::1', '198.51.100.9',
    ]) expect([address, inside(address)]).toEqual([address, true]);
    for (const address of ['11.0.0.0', '192.0.2.8', 'fe00::1', '2001:db8::2', '198.51.101.9', 'unknown', '']) {
      expect([address, inside(address)]).toEqual([address, false]);
    }
    expect(parseRanges([])('10.0.0.1')).toBe(false);
    expect(parseRanges(['0.0.0.0/0'])('8.8.8.8')).toBe(true);
    expect(parseRanges(['0.0.0.0/0'])('::1')).toBe(false);
  });

  test('names the entry that is wrong, and the remedy', () => {
    const failure = (entry: string): string => {
      try {
        parseRanges(['10.0.0.0/8', entry]);
      } catch (reason) {
        expect(reason).toBeInstanceOf(AddressRangeError);
        return reason instanceof Error ? reason.message : '';
      }
      return 'accepted';
    };
    expect(failure('10.1.0.0/8')).toBe('"10.1.0.0/8" has bits set after its prefix; write 10.0.0.0/8');
    expect(failure('fd00::1/8')).toBe('"fd00::1/8" has bits set after its prefix; write fd00::/8');
    expect(failure('10.0.0.0/33')).toContain('0 to 32');
    expect(failure('::/129')).toContain('0 to 128');
    for (const entry of [
      '', 'localhost', '10.0.0.0/', '10.0.0.0/8/8', '10.0.0.0/08', '10.0/8', '1.2.3.4/-1', 'fe80::%1/10', '::/8/8',
    ]) {
      expect([entry, failure(entry)]).not.toEqual([entry, 'accepted']);
    }
  });
});
