import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { NANO_MAX } from '../../src/core/money.ts';
import { ExactSum } from '../../src/store/exact-sum.ts';

const amount = fc.oneof(
  fc.integer(), fc.maxSafeInteger(), fc.constantFrom(2 ** 52, -(2 ** 52), Number.MAX_SAFE_INTEGER, 0),
  fc.bigInt({ min: -NANO_MAX, max: NANO_MAX }),
);

test('a sum is what big integers say it is, whatever came as a number', () => {
  fc.assert(fc.property(fc.array(amount, { maxLength: 40 }), amount, (amounts, last) => {
    const sum = new ExactSum();
    for (const item of amounts) sum.add(item);
    const expected = amounts.reduce<bigint>((total, item) => total + BigInt(item), 0n);
    expect(sum.value).toBe(expected);
    expect(sum.hasRoomFor(last, NANO_MAX)).toBe(expected + BigInt(last) <= NANO_MAX);
  }), { numRuns: 1_000 });
});
