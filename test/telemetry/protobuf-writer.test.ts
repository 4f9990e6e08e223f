// The writing half of protocol buffers, against a reader that was written apart from it.

import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { attributeSlot } from '../../src/telemetry/attribute-slot.ts';
import { writeAttribute } from '../../src/telemetry/attributes.ts';
import { ProtobufWriter, varintLength } from '../../src/telemetry/protobuf-writer.ts';
import { readAttributes, readFields } from './read-protobuf.ts';

const written = (write: (writer: ProtobufWriter) => void): Uint8Array => {
  const writer = new ProtobufWriter(1);
  write(writer);
  expect(writer.copy().length).toBe(writer.length);
  return writer.copy();
};

test('numbers of any size', () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), (value) => {
      const [varint, fixed] = readFields(
        written((writer) => {
          writer.number(3, value);
          writer.fixed64(4, value);
        }),
      );
      expect([varint?.value, fixed?.value]).toEqual([BigInt(value), BigInt(value)]);
      expect(varintLength(value)).toBe(written((writer) => writer.varint(value)).length);
    }),
  );
});

test('moments are nanoseconds, exact to the microsecond', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 4_102_444_800_000 }), fc.nat(999), (ms, microseconds) => {
      const [field] = readFields(written((writer) => writer.nanoseconds(7, ms + microseconds / 1000)));
      const exact = BigInt(ms) * 1_000_000n + BigInt(microseconds) * 1_000n;
      // Above 2^51 microseconds a double holds no thousandth of a millisecond exactly: the nearest is meant.
      const off = BigInt(field?.value instanceof Uint8Array ? 0 : (field?.value ?? 0)) - exact;
      expect(off >= -1_000n && off <= 1_000n).toBe(true);
      expect(ms % 1 === 0 && microseconds === 0 ? off : 0n).toBe(0n);
    }),
  );
});

test('texts, and messages within messages, of any length', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 300 }), fc.nat(3), (text, depth) => {
      const nested = (writer: ProtobufWriter, levels: number): void =>
        levels === 0 ? writer.text(9, text) : writer.message(levels, () => nested(writer, levels - 1));
      let bytes = written((writer) => nested(writer, depth));
      for (let level = depth; level > 0; level -= 1) {
        const [field, ...others] = readFields(bytes);
        expect([field?.field, others.length]).toEqual([level, 0]);
        bytes = field?.value instanceof Uint8Array ? field.value : new Uint8Array();
      }
      const [inner] = readFields(bytes);
      expect(inner?.value instanceof Uint8Array ? new TextDecoder().decode(inner.value) : '').toBe(text);
    }),
  );
});

test('attributes by either way read the same', () => {
  fc.assert(
    fc.property(
      fc.string({ minLength: 1, maxLength: 60 }),
      fc.maxSafeNat(),
      fc.double({ noNaN: true }),
      (key, whole, half) => {
        const plain = key.replaceAll(/[^ -~]/g, 'x');
        const slot = attributeSlot(9, plain);
        const list = (write: (writer: ProtobufWriter) => void) =>
          readAttributes(
            readFields(written(write)).flatMap(({ value }) => (value instanceof Uint8Array ? [value] : [])),
          );
        expect(list((writer) => slot.whole(writer, whole))).toEqual({ [plain]: whole });
        expect(list((writer) => slot.double(writer, half))).toEqual({ [plain]: half });
        expect(list((writer) => slot.text(writer, plain))).toEqual({ [plain]: plain });
        for (const value of [whole, plain, true, false, whole + 0.5]) {
          expect(list((writer) => writeAttribute(writer, 9, plain, value))).toEqual({ [plain]: value });
        }
      },
    ),
  );
});
