// Where a client is said to be: by nobody, by a proxy's header, by a database that is replaced while we run.

import { afterAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseRanges } from '../../../src/core/addresses.ts';
import { openCountryDatabase } from '../../../src/domain/compliance/country-database.ts';
import { createCountrySource } from '../../../src/domain/compliance/country.ts';
import { countryOfCode } from '../../../src/plugin/country.ts';
import { countryDatabaseFile } from './mmdb-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'tollgate-country-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const none = new Headers();
let writes = 0;

/** Each write has a later date than the one before, however quick they follow each other. */
function write(name: string, bytes: Uint8Array | string): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  writes += 1;
  utimesSync(path, 1_700_000_000 + writes, 1_700_000_000 + writes);
  return path;
}

function services() {
  const complaints: string[] = [];
  let elapsedMs = 0;
  return {
    clock: { now: () => Date.UTC(2026, 0, 1), monotonicMs: () => elapsedMs },
    isTrusted: parseRanges(['10.0.0.0/8']),
    onBrokenFile: (message: string) => void complaints.push(message),
    complaints,
    pass: (milliseconds: number) => void (elapsedMs += milliseconds),
  };
}

const nets = (code: string) =>
  countryDatabaseFile({
    '203.0.113.0/24': { country: { iso_code: code } },
    '198.51.100.0/25': { country_code: 'de' },
    '198.51.100.128/25': { country: 'FR' },
    '192.0.2.0/25': { registered_country: { iso_code: 'JP' } },
    '192.0.2.128/25': { continent: { code: 'EU' } },
  });

describe('codes', () => {
  const cases = {
    CN: 'CN',
    hk: 'HK',
    'CN-HK': 'HK',
    'cn-mo': 'MO',
    'CN-TW': 'TW',
    'CN-71': 'TW',
    'US-CA': 'US',
    XX: 'unknown',
    T1: 'unknown',
    A1: 'unknown',
    ZZ: 'unknown',
    AP: 'unknown',
    EU: 'unknown',
    '': 'unknown',
    CHN: 'unknown',
    XK: 'XK',
    local: 'local',
    unknown: 'unknown',
    'C\u0130': 'unknown',
    __proto__: 'unknown',
    constructor: 'unknown',
  };
  for (const [code, country] of Object.entries(cases))
    test(`${code} is ${country}`, () => expect(countryOfCode(code)).toBe(country));
});

describe('no source', () => {
  const source = createCountrySource({ kind: 'none' }, services());
  const cases = {
    '127.0.0.1': 'local',
    '127.9.9.9': 'local',
    '::1': 'local',
    '10.1.2.3': 'local',
    '172.31.0.1': 'local',
    '192.168.1.1': 'local',
    'fd00::1': 'local',
    'fe80::1': 'local',
    '203.0.113.9': 'unknown',
    '172.32.0.1': 'unknown',
    '100.64.0.1': 'unknown',
    unknown: 'unknown',
  };
  for (const [address, country] of Object.entries(cases)) {
    test(`${address} is ${country}`, () => expect(source.countryOf(address, address, none)).toBe(country));
  }
});

describe('a header', () => {
  const source = createCountrySource({ kind: 'header', name: 'CF-IPCountry' }, services());
  const says = (value: string) => new Headers({ 'cf-ipcountry': value });

  test('is believed from a trusted proxy', () => {
    expect(source.countryOf('203.0.113.9', '10.0.0.1', says('hk'))).toBe('HK');
    expect(source.countryOf('203.0.113.9', '10.0.0.1', says('XX'))).toBe('unknown');
    expect(source.countryOf('203.0.113.9', '10.0.0.1', says('T1'))).toBe('unknown');
    expect(source.countryOf('10.0.0.7', '10.0.0.1', says('XX'))).toBe('unknown');
    expect(source.countryOf('203.0.113.9', '10.0.0.1', says('US, CN'))).toBe('unknown');
  });

  test('is not read from anybody else, and its absence leaves the country unknown', () => {
    expect(source.countryOf('203.0.113.9', '203.0.113.9', says('US'))).toBe('unknown');
    expect(source.countryOf('127.0.0.1', '127.0.0.1', says('CN'))).toBe('local');
    expect(source.countryOf('203.0.113.9', '10.0.0.1', none)).toBe('unknown');
    expect(source.countryOf('10.0.0.1', '10.0.0.1', none)).toBe('local');
  });
});

describe('a database', () => {
  test('is read in the forms that vendors use', () => {
    const source = createCountrySource({ kind: 'mmdb', file: write('forms.mmdb', nets('HK')) }, services());
    const at = (address: string) => source.countryOf(address, address, none);
    expect(
      [
        '203.0.113.9',
        '198.51.100.1',
        '198.51.100.200',
        '192.0.2.1',
        '192.0.2.200',
        '8.8.8.8',
        '2001:db8::1',
      ].map(at),
    ).toEqual(['HK', 'DE', 'FR', 'JP', 'unknown', 'unknown', 'unknown']);
    expect(at('192.168.0.1')).toBe('local');
    expect(at('unknown')).toBe('unknown');
    expect(source.describe()).toContain('built 2026-01-01');
  });

  test('is replaced when its file changes, and what was remembered of the old one is forgotten', async () => {
    const held = services();
    const path = write('changing.mmdb', nets('HK'));
    const database = openCountryDatabase(path, held);
    expect(database.find('203.0.113.9')).toBe('HK');
    write('changing.mmdb', nets('SG'));
    await database.reload();
    expect(database.find('203.0.113.9')).toBe('SG');
    expect(database.generation).toBe(1);
    await database.reload();
    expect(database.generation).toBe(1);
    expect(held.complaints).toEqual([]);
  });

  test('is looked at only every few seconds, and never waited for', async () => {
    const held = services();
    const path = write('seldom.mmdb', nets('HK'));
    const source = createCountrySource({ kind: 'mmdb', file: path }, held);
    const country = () => source.countryOf('203.0.113.9', '203.0.113.9', none);
    expect(country()).toBe('HK');
    write('seldom.mmdb', nets('SG'));
    held.pass(4_999);
    expect(country()).toBe('HK');
    held.pass(1);
    const deadline = Date.now() + 5_000;
    while (country() !== 'SG' && Date.now() < deadline) await Bun.sleep(1);
    expect(country()).toBe('SG');
  });

  const truncated = nets('SG').slice(0, 400);
  for (const [name, bytes] of [
    ['empty', ''],
    ['no database', 'hello '.repeat(100)],
    ['truncated', truncated],
  ] as const) {
    test(`that is ${name} leaves the old one in use, and is complained about once`, async () => {
      const held = services();
      const path = write(`${name}.mmdb`, nets('HK'));
      const database = openCountryDatabase(path, held);
      write(`${name}.mmdb`, bytes);
      await database.reload();
      await database.reload();
      expect(database.find('203.0.113.9')).toBe('HK');
      expect(held.complaints.length).toBe(1);
      rmSync(path);
      await database.reload();
      await database.reload();
      expect(database.find('203.0.113.9')).toBe('HK');
      expect(held.complaints.length).toBe(2);
      write(`${name}.mmdb`, nets('SG'));
      await database.reload();
      expect(database.find('203.0.113.9')).toBe('SG');
    });
  }

  test('that cannot be opened at start is an error that names the file', () => {
    const open = (file: string) => () => createCountrySource({ kind: 'mmdb', file }, services());
    expect(open(join(folder, 'absent.mmdb'))).toThrow(/absent\.mmdb cannot be used as a country database/);
    expect(open(write('text.mmdb', 'hello'))).toThrow(/text\.mmdb cannot be used/);
  });

  test('remembers a bounded number of addresses and stays right', () => {
    const source = createCountrySource({ kind: 'mmdb', file: write('many.mmdb', nets('HK')) }, services());
    for (let index = 0; index < 12_000; index += 1) {
      const address = `8.${index >> 16}.${(index >> 8) & 255}.${index & 255}`;
      if (source.countryOf(address, address, none) !== 'unknown') throw new Error(address);
    }
    expect(source.countryOf('203.0.113.9', '203.0.113.9', none)).toBe('HK');
  });
});
