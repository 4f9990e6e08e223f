import { expect, test } from 'bun:test';
import fc from 'fast-check';
import type { UsageFacts } from '../../src/store/usage-facts.ts';
import { readMovementPositions, unpack, UsagePacker, type UsagePack } from '../../src/store/usage-packs.ts';

const text = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 50 }).map((value) => JSON.stringify({ value })),
  fc.constant(JSON.stringify({ long: 'x'.repeat(100_000) })),
);

const facts = (id: number, over: Partial<UsageFacts> = {}): UsageFacts => ({
  requestId: `req_${String(id).padStart(4, '0')}`, accountId: 'acc_a', apiKeyId: 'key_k', admittedAt: id, endedAt: id,
  model: 'small', upstream: 'up', stream: false, status: 200, outcome: 'finished', inputTokens: 1, outputTokens: 1,
  currency: 'USD', heldNano: 0, chargeNano: 0, lossNano: 0, costs: [], ...over,
});

function packed(texts: readonly string[], position = 1) {
  const packs: UsagePack[] = [];
  const packer = new UsagePacker(position, (pack) => packs.push(pack));
  texts.forEach((item, index) => packer.add(Buffer.from(`head ${item}`), 5, facts(index), 7));
  return { packs, sha256: packer.finish() };
}

test('every text comes back at its position, however many there are and however long', () => {
  fc.assert(fc.property(fc.array(text, { maxLength: 200, size: 'max' }), fc.nat(1_000), (texts, position) => {
    const { packs } = packed(texts, position);
    const found = new Map<number, string>();
    for (const pack of packs) {
      const inPack = unpack(pack.texts);
      expect(pack.movements).toEqual(inPack.map(() => 7));
      expect(pack.requestIds).toEqual(inPack.map((_, index) => facts(pack.position - position + index).requestId));
      inPack.forEach((item, index) => found.set(pack.position + index, item));
    }
    expect([...found.keys()]).toEqual(texts.map((_, index) => position + index));
    expect([...found.values()]).toEqual([...texts]);
  }), { numRuns: 60 });
});

test('the hash is of the texts and of the movements that the rows name; without records there is none', () => {
  expect(packed([])).toEqual({ packs: [], sha256: undefined });
  const once = packed(['{"a":1}', '{"b":2}']).sha256;
  expect(packed(['{"a":1}', '{"b":2}']).sha256).toBe(once);
  expect(packed(['{"a":1}', '{"b":3}']).sha256).not.toBe(once);
  const packer = new UsagePacker(1, () => undefined);
  packer.add(Buffer.from('{"a":1}'), 0, facts(1), 7);
  packer.add(Buffer.from('{"b":2}'), 0, facts(2), 8);
  expect(packer.finish()).not.toBe(once);
});

test('a pack says what occurs in it, and from when to when', () => {
  const packs: UsagePack[] = [];
  const packer = new UsagePacker(1, (pack) => packs.push(pack));
  const records = [
    facts(5), facts(9, { accountId: 'acc_b', upstream: undefined, outcome: 'timed-out' }), facts(2, { model: 'large' }),
    facts(7),
  ];
  for (const record of records) packer.add(Buffer.from('{}'), 0, record, 1);
  packer.finish();
  expect(packs[0]?.facets.span()).toEqual({ firstId: 'req_0002', lastId: 'req_0009', firstAt: 2, lastAt: 9 });
  expect(packs[0]?.facets.facets().toSorted()).toEqual([
    'account/acc_a', 'account/acc_b', 'every', 'model/large', 'model/small', 'outcome/finished', 'outcome/timed-out',
    'upstream/up',
  ]);
});

test('what is not a pack is an error', () => {
  expect(() => readMovementPositions('{}')).toThrow('movements');
  expect(() => readMovementPositions('[1.5]')).toThrow('movements');
  expect(() => unpack(Buffer.from('{}'))).toThrow();
});
