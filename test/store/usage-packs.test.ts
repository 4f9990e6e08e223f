import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { unpack, UsagePacker, type UsagePack } from '../../src/store/usage-packs.ts';

const text = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 50 }).map((value) => JSON.stringify({ value })),
  fc.constant(JSON.stringify({ long: 'x'.repeat(100_000) })),
);

function packed(texts: readonly string[], position = 1) {
  const packs: UsagePack[] = [];
  const packer = new UsagePacker(position, (pack) => packs.push(pack));
  for (const item of texts) packer.add(Buffer.from(`head ${item}`), 5, 7);
  return { packs, sha256: packer.finish() };
}

test('every text comes back at its position, however many there are and however long', () => {
  fc.assert(fc.property(fc.array(text, { maxLength: 200, size: 'max' }), fc.nat(1_000), (texts, position) => {
    const { packs } = packed(texts, position);
    const found = new Map<number, string>();
    for (const pack of packs) {
      const inPack = unpack(pack.texts);
      expect(inPack).toHaveLength(pack.records);
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
  packer.add(Buffer.from('{"a":1}'), 0, 7);
  packer.add(Buffer.from('{"b":2}'), 0, 8);
  expect(packer.finish()).not.toBe(once);
});

test('what is not a pack is an error', () => {
  expect(() => unpack(Buffer.from('{}'))).toThrow();
});
