import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { NANO_MAX } from '../../../src/core/money.ts';
import type { Closing } from '../../../src/domain/ledger/ledger.ts';
import { chargeTable, outcomes } from '../../../src/domain/ledger/charge-table.ts';
import {
  holdJson,
  readHold,
  readUsageRecord,
  recordJson,
  usageRecordJson,
} from '../../../src/domain/ledger/record-json.ts';
import type { Attempt, Hold, PinnedTerms } from '../../../src/domain/ledger/records.ts';
import { operations, protocolNames } from '../../../src/plugin/operations.ts';
import type { ChargeLine } from '../../../src/plugin/billing.ts';
import { usageParts, type UsageParts } from '../../../src/plugin/usage.ts';
import { readUsageFacts } from '../../../src/store/usage-facts.ts';
import { factsWithin, scanUsageFacts } from '../../../src/store/usage-scan.ts';
import { sampleClosing, sampleHold } from './sample-records.ts';

const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 12 }),
  fc.constantFrom('"', '\\', '\n\u2028', '\ud800', 'gpt-5', ''),
);
const nano = fc.oneof(
  fc.bigInt({ min: 0n, max: NANO_MAX }),
  fc.bigInt({ min: 0n, max: 1_000_000n }),
  fc.constant(2n ** 53n),
  fc.constant(2n ** 53n - 1n),
);
const rate = fc.oneof(nano, fc.constant(10n ** 30n));
const moment = fc.integer({ min: 0, max: 4_000_000_000_000 });
const count = fc.nat({ max: Number.MAX_SAFE_INTEGER });
const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
const id = <P extends string>(prefix: P) =>
  fc.stringMatching(/^[0-9a-f]{1,32}$/).map((digits): `${P}_${string}` => `${prefix}_${digits}`);
const ordered = <T>(values: readonly (T | undefined)[]) =>
  Object.fromEntries(usageParts.flatMap((part, index) => (values[index] === undefined ? [] : [[part, values[index]]])));

const usage: fc.Arbitrary<UsageParts> = fc
  .array(maybe(count), { minLength: usageParts.length, maxLength: usageParts.length })
  .map(ordered);
const terms: fc.Arbitrary<PinnedTerms> = fc.record({
  priceVersionId: id('prc'),
  rule: text,
  currency: fc.constantFrom('USD', 'EUR'),
  rates: fc.array(maybe(rate), { minLength: usageParts.length, maxLength: usageParts.length }).map(ordered),
  perCallNano: nano,
  multipliers: fc.array(fc.record({ of: text, ppm: count }), { maxLength: 3 }),
});
const line: fc.Arbitrary<ChargeLine> = fc.oneof(
  fc.record({ kind: fc.constant('quantity' as const), part: fc.constantFrom(...usageParts), quantity: count, rate }),
  fc.record({ kind: fc.constant('per-call' as const), amountNano: nano }),
);
const attempt: fc.Arbitrary<Attempt> = fc.record({
  upstream: text,
  provider: text,
  model: text,
  startedAt: moment,
  durationMs: fc.double({ min: 0, max: 1e7, noNaN: true }).map((value) => (value === 0 ? 0 : value)),
  status: maybe(fc.nat(999)),
  fault: maybe(text),
  costNano: maybe(nano),
  costCurrency: maybe(fc.constantFrom('USD', 'EUR')),
});
const closing: fc.Arbitrary<Closing> = fc.record({
  requestId: id('req'),
  accountId: id('acc'),
  apiKeyId: id('key'),
  userId: maybe(id('usr')),
  group: maybe(text),
  admittedAt: moment,
  endedAt: moment,
  firstByteMs: maybe(fc.nat()),
  operation: fc.constantFrom(...operations),
  protocol: fc.constantFrom(...protocolNames),
  model: text,
  stream: fc.boolean(),
  status: fc.nat(999),
  outcome: fc.constantFrom(...outcomes),
  upstream: maybe(text),
  attempts: fc.array(attempt, { maxLength: 3 }),
  usage,
  usageSource: fc.constantFrom('upstream' as const, 'estimated' as const, 'none' as const),
  flags: fc.array(text, { maxLength: 3 }),
  usageText: maybe(text),
  terms,
  lines: fc.array(line, { maxLength: 4 }),
  chargeNano: nano,
  address: text,
  country: text,
});
const hold: fc.Arbitrary<Hold> = fc.record({
  requestId: id('req'),
  accountId: id('acc'),
  apiKeyId: id('key'),
  amountNano: nano,
  terms,
  placedAt: moment,
  expiresAt: moment,
  operation: fc.constantFrom(...operations),
  model: text,
  protocol: fc.constantFrom(...protocolNames),
  stream: fc.boolean(),
  userId: maybe(id('usr')),
  group: maybe(text),
  address: text,
  country: text,
});

/** The general serialiser, with its keys in the order of the record. */
function generalUsage(record: Closing, heldNano: bigint, lossNano: bigint): unknown {
  return JSON.parse(recordJson({ ...record, heldNano, lossNano }));
}

describe('records as JSON', () => {
  test('the usage writer says what a general serialiser says, on one line, and reads back', () => {
    fc.assert(
      fc.property(closing, nano, nano, (record, heldNano, lossNano) => {
        const json = usageRecordJson(record, heldNano, lossNano);
        expect(json).not.toContain('\n');
        expect(JSON.parse(json)).toEqual(generalUsage(record, heldNano, lossNano));
        expect(readUsageRecord(json)).toEqual({ ...record, heldNano, lossNano });
      }),
      { numRuns: 400 },
    );
  });

  test('the scan takes a common record, and never says anything but what the parser says', () => {
    const exact = (_: string, value: unknown): unknown => (typeof value === 'bigint' ? Number(value) : value);
    fc.assert(
      fc.property(closing, nano, nano, (record, heldNano, lossNano) => {
        const json = usageRecordJson(record, heldNano, lossNano);
        const head = Buffer.from(json).toString('utf8', 0, Math.min(factsWithin, Buffer.byteLength(json)));
        const scanned = scanUsageFacts(head);
        if (scanned === undefined) return;
        const parsed: unknown = JSON.parse(JSON.stringify(readUsageFacts(json), exact));
        expect(JSON.parse(JSON.stringify(scanned))).toEqual(parsed);
      }),
      { numRuns: 2_000 },
    );
    const common = sampleClosing(sampleHold('1', 9n), 70n, { usage: { output: 3, input: 70, reasoning: 4, calls: 1 } });
    const odd: readonly Partial<Closing>[] = [{}, { attempts: [] }, { upstream: undefined, userId: 'usr_1' }];
    for (const over of odd) expect(scanUsageFacts(usageRecordJson({ ...common, ...over }, 90n, 1n))).toBeDefined();
    expect(scanUsageFacts(usageRecordJson(common, 90n, 1n))).toMatchObject({
      requestId: 'req_1', inputTokens: 70, outputTokens: 7, heldNano: 90, chargeNano: 70, lossNano: 1, currency: 'USD',
      costs: [{ upstream: 'up', currency: 'USD', costNano: 3 }],
    });
    expect(scanUsageFacts(usageRecordJson({ ...common, model: 'a","lossNano":"0' }, 90n, 1n))).toBeUndefined();
    expect(scanUsageFacts(usageRecordJson(common, 10n ** 15n, 1n))).toBeUndefined();
  });

  test('the hold writer says what a general serialiser says, and reads back', () => {
    fc.assert(
      fc.property(hold, (value) => {
        const json = holdJson(value);
        expect(json).not.toContain('\n');
        expect(JSON.parse(json)).toEqual(JSON.parse(recordJson(value)));
        expect(readHold(json)).toEqual(value);
      }),
      { numRuns: 300 },
    );
  });

  test('a hold of a journal from before it said who and how is read, with what is likely', () => {
    fc.assert(
      fc.property(hold, ({ protocol: _p, stream: _s, userId: _u, group: _g, address: _a, country: _c, ...old }) => {
        expect(readHold(recordJson(old))).toEqual({
          ...old,
          protocol: `openai-${old.operation}`,
          stream: false,
          userId: undefined,
          group: undefined,
          address: '',
          country: '',
        });
      }),
    );
    const [sample] = fc.sample(hold, { numRuns: 1, seed: 7 });
    if (sample === undefined) throw new Error('no sample');
    const unknown = holdJson(sample).replace(`"protocol":"${sample.protocol}"`, '"protocol":"morse"');
    expect(() => readHold(unknown)).toThrow('protocol');
  });

  test('a stored record that misses a field or has another type is refused by its name', () => {
    const [sample] = fc.sample(closing, { numRuns: 1, seed: 7 });
    if (sample === undefined) throw new Error('no sample');
    const json = usageRecordJson(sample, 0n, 0n);
    expect(() => readUsageRecord(json.replace(`"chargeNano":"${sample.chargeNano}"`, '"chargeNano":1.5'))).toThrow(
      'chargeNano',
    );
    expect(() => readUsageRecord(json.replace('"outcome":', '"outcame":'))).toThrow('outcome');
    expect(() => readUsageRecord('[]')).toThrow('the record must be an object');
  });

  test('the charge table names every outcome once', () => {
    expect(Object.keys(chargeTable).toSorted()).toEqual([...outcomes].map(String).toSorted());
    expect(new Set(outcomes).size).toBe(outcomes.length);
  });
});
