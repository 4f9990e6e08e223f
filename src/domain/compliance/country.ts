// Where a client calls from, by the one source that the operator configured. Loopback and private peers are
// `local`; what no source can tell is `unknown`, and the region policy decides what that means.

import { parseRanges } from '../../core/addresses.ts';
import type { Clock } from '../../core/clock.ts';
import { countryOfCode } from '../../plugin/country.ts';
import type { CountrySourceConfig } from '../../plugin/gateway.ts';
import type { Country } from '../../plugin/policy.ts';
import { UNKNOWN_ADDRESS, type HeaderReader } from './client-address.ts';
import { openCountryDatabase, type CountryDatabase } from './country-database.ts';

export interface CountrySource {
  /** For operators: which source, and of what date. */
  describe(): string;
  /** `address` is the client's, `peer` the socket's, both normalised. Never throws, never waits. */
  countryOf(address: string, peer: string, headers: HeaderReader): Country;
}

export interface CountryServices {
  readonly clock: Clock;
  /** Whether a socket peer is a trusted proxy. Only its word on a country is taken. */
  readonly isTrusted: (address: string) => boolean;
  /** Told when a changed database file could not be loaded; the old one stays in use. */
  readonly onBrokenFile: (message: string) => void;
}

/**
 * Loopback, link-local, private and unique local addresses. Shared carrier space (100.64.0.0/10) is not among
 * them.
 */
const isLocal = parseRanges([
  '127.0.0.0/8',
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '169.254.0.0/16',
  '::1/128',
  'fc00::/7',
  'fe80::/10',
]);

/**
 * Addresses remembered with their country. Clients repeat; the bound keeps a flood of new ones from growing
 * us.
 */
const REMEMBERED_MAX = 10_000;

/** Answers of `isLocal`, which parses: most requests come from few addresses. */
const knownLocal = new Map<string, boolean>();

function remembersLocal(address: string): boolean {
  const known = knownLocal.get(address);
  if (known !== undefined) return known;
  const local = isLocal(address);
  if (knownLocal.size >= REMEMBERED_MAX) knownLocal.clear();
  knownLocal.set(address, local);
  return local;
}

function localOr(address: string, otherwise: (address: string) => Country): Country {
  if (address === UNKNOWN_ADDRESS) return 'unknown';
  return remembersLocal(address) ? 'local' : otherwise(address);
}

/** The header of a trusted proxy. From any other peer it is what a client made up, and is not read. */
function headerCountry(name: string, services: CountryServices): CountrySource {
  return {
    describe: () => `header ${name} of trusted proxies`,
    countryOf(address, peer, headers) {
      if (!services.isTrusted(peer)) return localOr(address, () => 'unknown');
      const value = headers.get(name)?.trim();
      return value === undefined || value === '' ? localOr(address, () => 'unknown') : countryOfCode(value);
    },
  };
}

function databaseCountry(database: CountryDatabase): CountrySource {
  const remembered = new Map<string, Country>();
  let generation = database.generation;
  return {
    describe: () => database.describe(),
    countryOf(address) {
      database.reloadIfDue();
      if (generation !== database.generation) {
        generation = database.generation;
        remembered.clear();
      }
      const known = remembered.get(address);
      if (known !== undefined) return known;
      const country = localOr(address, database.find);
      if (remembered.size >= REMEMBERED_MAX) {
        for (const oldest of remembered.keys()) {
          remembered.delete(oldest);
          break;
        }
      }
      remembered.set(address, country);
      return country;
    },
  };
}

/**
 * Throws with a clear message when a database file cannot be opened: at start a broken source is not hidden.
 */
export function createCountrySource(config: CountrySourceConfig, services: CountryServices): CountrySource {
  switch (config.kind) {
    case 'none':
      return {
        describe: () => 'none: only loopback and private addresses are told apart',
        countryOf: (address) => localOr(address, () => 'unknown'),
      };
    case 'header':
      return headerCountry(config.name.toLowerCase(), services);
    case 'mmdb':
      return databaseCountry(openCountryDatabase(config.file, services));
  }
}
