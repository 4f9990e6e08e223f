// A country database in MaxMind's file format, replaced while we run: a changed file is read beside the
// requests, and takes over only when it was read whole and answers; until then, and if it is broken, the old
// one stays in use.

import { readFileSync, statSync } from 'node:fs';
import { Reader, type Response as MmdbRecord } from 'mmdb-lib';
import type { Clock } from '../../core/clock.ts';
import { countryOfCode } from '../../plugin/country.ts';
import type { Country } from '../../plugin/policy.ts';

/** How often a lookup may look at the file's date. */
const LOOK_EVERY_MS = 5_000;

export interface CountryDatabase {
  /** Grows with each new file, so that what was remembered of the old one can be dropped. */
  readonly generation: number;
  describe(): string;
  /** A normalised address. Never throws. */
  readonly find: (address: string) => Country;
  /** Looks at the file if the last look is some seconds ago, without waiting for it. */
  reloadIfDue(): void;
  /** Looks now; resolves when a changed file is in use or was found broken. */
  reload(): Promise<void>;
}

export interface CountryDatabaseServices {
  readonly clock: Clock;
  readonly onBrokenFile: (message: string) => void;
}

function member(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null
    ? Object.entries(value).find(([key]) => key === name)?.[1]
    : undefined;
}

/** Vendors differ: `country.iso_code`, `country_code`, or `country` as a code itself. */
function codeOf(record: unknown): string | undefined {
  const country = member(record, 'country');
  const found = [
    member(country, 'iso_code'),
    member(record, 'country_code'),
    country,
    member(member(record, 'registered_country'), 'iso_code'),
  ];
  return found.find((code) => typeof code === 'string');
}

/** Reads and tries a file. Throws if it is none of the kind, or answers nothing but errors. */
function parse(bytes: Uint8Array): Reader<MmdbRecord> {
  const reader = new Reader<MmdbRecord>(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  const { nodeCount, searchTreeSize } = reader.metadata;
  if (nodeCount < 1 || searchTreeSize >= bytes.byteLength)
    throw new Error('its search tree does not fit into the file');
  for (const address of ['1.1.1.1', '203.0.113.1']) reader.get(address);
  return reader;
}

const stampOf = (file: { readonly mtimeMs: number; readonly size: number }): string => `${file.mtimeMs}/${file.size}`;

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

export function openCountryDatabase(path: string, services: CountryDatabaseServices): CountryDatabase {
  let reader: Reader<MmdbRecord>;
  let stamp: string;
  try {
    stamp = stampOf(statSync(path));
    reader = parse(readFileSync(path));
  } catch (error) {
    throw new Error(`country: ${path} cannot be used as a country database: ${messageOf(error)}`, {
      cause: error,
    });
  }
  let generation = 0;
  let lookedAtMs = services.clock.monotonicMs();
  let running: Promise<void> | undefined;
  let complaint = '';

  const look = async (): Promise<void> => {
    try {
      const found = stampOf(await Bun.file(path).stat());
      if (found === stamp) return;
      // Also of a broken file, so that it is read once and not every few seconds.
      stamp = found;
      reader = parse(await Bun.file(path).bytes());
      generation += 1;
      complaint = '';
    } catch (error) {
      const before = complaint;
      complaint = `${path} cannot be loaded, the database of before stays in use: ${messageOf(error)}`;
      if (complaint !== before) services.onBrokenFile(complaint);
    }
  };

  const reload = (): Promise<void> => {
    lookedAtMs = services.clock.monotonicMs();
    running ??= look().finally(() => {
      running = undefined;
    });
    return running;
  };

  return {
    get generation() {
      return generation;
    },
    describe: () =>
      `${path} (${reader.metadata.databaseType}, built ${reader.metadata.buildEpoch.toISOString().slice(0, 10)})`,
    find(address) {
      try {
        const code = codeOf(reader.get(address));
        return code === undefined ? 'unknown' : countryOfCode(code);
      } catch {
        // An address of a family that the file does not hold, or a damaged leaf: nobody can tell.
        return 'unknown';
      }
    },
    reloadIfDue() {
      if (services.clock.monotonicMs() - lookedAtMs >= LOOK_EVERY_MS) void reload();
    },
    reload,
  };
}
