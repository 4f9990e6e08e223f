// The part of the provider suite that feeds `usage`: a vendor's own blocks, those blocks spoilt, and any JSON at all.

import { expect } from 'bun:test';
import fc from 'fast-check';
import type { PluginEntry } from '../define.ts';
import type { UsageSample } from '../expectations.ts';
import { operations } from '../operations.ts';
import type { Operation, ProtocolName } from '../operations.ts';
import type { Provider } from '../provider.ts';
import type { UsageParts, UsageReading } from '../usage.ts';
import type { AddCheck } from './checks.ts';
import { createFrom, deepFreeze } from './entry.ts';

const usageFlag = /^[a-z][a-z0-9]*(?:-[a-z0-9]+)*$/;
const hostileValues: readonly unknown[] = [
  -1,
  -0,
  0.5,
  1e308,
  Infinity,
  NaN,
  2 ** 53,
  2 ** 64,
  '7',
  '',
  'NaN',
  null,
  true,
  [],
  [1],
  {},
  { tokens: 1 },
];

export function servedOperations(provider: Provider): readonly Operation[] {
  return operations.filter((operation) => (provider.speaks[operation]?.length ?? 0) > 0);
}

function expectSoundReading(provider: Provider, operation: Operation, reading: UsageReading | undefined): void {
  if (reading === undefined) return;
  const declared: readonly string[] = provider.parts(operation);
  for (const [part, quantity] of Object.entries(reading.parts)) {
    expect(declared).toContain(part);
    if (!Number.isSafeInteger(quantity) || quantity < 0 || Object.is(quantity, -0)) {
      throw new Error(`${operation}: part ${part} is ${String(quantity)}: no non-negative integer up to 2^53-1`);
    }
  }
  for (const flag of reading.flags) expect(flag).toMatch(usageFlag);
  expect(reading.flags.length).toBeLessThanOrEqual(32);
}

function isContainer(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

/** Paths of every leaf and branch below `value`. */
function pathsIn(value: unknown, prefix: readonly string[] = []): readonly (readonly string[])[] {
  if (!isContainer(value)) return [prefix];
  return [prefix, ...Object.entries(value).flatMap(([key, inner]) => pathsIn(inner, [...prefix, key]))];
}

function replacedAt(value: unknown, path: readonly string[], replacement: unknown): unknown {
  const [key, ...rest] = path;
  if (key === undefined || !isContainer(value)) return replacement;
  const copy: Record<string, unknown> = { ...value };
  copy[key] = replacedAt(copy[key], rest, replacement);
  return copy;
}

function nonZero(parts: UsageParts): Record<string, number> {
  return Object.fromEntries(Object.entries(parts).filter(([, quantity]) => quantity !== 0));
}

/** The protocol whose usage block the sample is. */
function protocolIn(provider: Provider, { operation, protocol }: UsageSample): ProtocolName {
  const spoken = protocol ?? provider.speaks[operation]?.[0];
  if (spoken === undefined) throw new Error(`a sample for ${operation}, which this provider does not serve`);
  return spoken;
}

export function checkUsage(check: AddCheck, entry: PluginEntry<'provider'>, samples: readonly UsageSample[]): void {
  check('reads the samples exactly', () => {
    const provider = createFrom(entry);
    for (const operation of servedOperations(provider)) {
      if (!samples.some((sample) => sample.operation === operation)) throw new Error(`no sample of a usage block for ${operation}`);
    }
    for (const sample of samples) {
      const reading = provider.usage(sample.usage, sample.operation, protocolIn(provider, sample));
      expectSoundReading(provider, sample.operation, reading);
      expect(nonZero(reading?.parts ?? {})).toEqual(nonZero(sample.expected));
      expect([...(reading?.flags ?? ['no-reading'])].sort()).toEqual([...(sample.flags ?? [])].sort());
    }
  });

  check('usage survives any JSON', () => {
    const provider = createFrom(entry);
    fc.assert(
      fc.property(fc.jsonValue(), (raw) => {
        for (const operation of servedOperations(provider)) {
          for (const protocol of provider.speaks[operation] ?? []) {
            expectSoundReading(provider, operation, provider.usage(raw, operation, protocol));
          }
        }
      }),
      { numRuns: 500 },
    );
  });

  check('usage survives samples with any member spoilt', () => {
    const provider = createFrom(entry);
    for (const sample of samples) {
      const protocol = protocolIn(provider, sample);
      for (const path of pathsIn(sample.usage)) {
        for (const hostile of hostileValues) {
          const raw = replacedAt(sample.usage, path, hostile);
          expectSoundReading(provider, sample.operation, provider.usage(raw, sample.operation, protocol));
        }
      }
    }
  });

  check('usage does not change what it reads, and answers alike each time', () => {
    const provider = createFrom(entry);
    for (const sample of samples) {
      const frozen = deepFreeze(structuredClone(sample.usage));
      const protocol = protocolIn(provider, sample);
      const first = provider.usage(frozen, sample.operation, protocol);
      expect(provider.usage(frozen, sample.operation, protocol)).toEqual(first);
    }
  });
}
