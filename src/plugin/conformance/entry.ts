// What every plugin must be, whatever its kind: an inert, named, versioned entry whose options pass its own
// strict schema, and whose instances keep no state that shows.

import { expect } from 'bun:test';
import { Value } from '@sinclair/typebox/value';
import type { PluginEntry, PluginKind, PluginOf } from '../define.ts';
import type { AddCheck } from './checks.ts';

/** Freezes a value and all that hangs on it, so that a plugin that writes to its input throws. */
export function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const member of Object.values(value)) deepFreeze(member);
  }
  return value;
}

/** Numbers in [0, 1) that repeat with the seed: a 32-bit mixing counter. */
export function seededChance(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e37_79b9) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0_aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a_2d97);
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32;
  };
}

/** A new instance, as the host makes one at start. */
export function createFrom<K extends PluginKind>(entry: PluginEntry<K>): PluginOf<K> {
  return entry.create(entry.options);
}

export function checkEntry<K extends PluginKind>(check: AddCheck, kind: K, entry: PluginEntry<K>): void {
  check('names its kind, itself, its version and its purpose', () => {
    expect(entry.kind).toBe(kind);
    expect(entry.name).toMatch(/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/);
    expect(entry.version).toMatch(/^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$/);
    expect(entry.summary.trim().length).toBeGreaterThan(10);
    expect(entry.summary).not.toContain('\n');
  });

  check('its options pass its own schema, and a misspelt option does not', () => {
    expect(
      [...Value.Errors(entry.schema, entry.options)].map((error) => `${error.path}: ${error.message}`),
    ).toEqual([]);
    const misspelt = { ...Object(entry.options), 'no-such-option': true };
    expect(Value.Check(entry.schema, misspelt)).toBe(false);
  });

  check('creating it twice gives two instances and leaves the options alone', () => {
    const before = structuredClone(entry.options);
    const frozen = deepFreeze(structuredClone(entry.options));
    expect(entry.create(frozen)).not.toBe(entry.create(frozen));
    expect(entry.options).toEqual(before);
  });
}
