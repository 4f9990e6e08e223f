// Attributes whose key never changes, written without building anything: the key's bytes stand ready, and lengths are
// known before the value is written.

import { ProtobufWriter, varintLength } from './protobuf-writer.ts';

const LENGTH_DELIMITED = 2;
const VALUE_TAG = (2 << 3) | LENGTH_DELIMITED;
const WHOLE = 3;
const DOUBLE = 4;
const TEXT = 1;

export interface AttributeSlot {
  whole(writer: ProtobufWriter, value: number): void;
  double(writer: ProtobufWriter, value: number): void;
  /** Printable ASCII. */
  text(writer: ProtobufWriter, value: string): void;
}

/** `field` is that of the list of attributes in the message that they are written into. */
export function attributeSlot(field: number, key: string): AttributeSlot {
  const written = new ProtobufWriter(key.length + 8);
  written.text(1, key);
  const keyBytes = written.copy();
  const open = (writer: ProtobufWriter, valueLength: number) => {
    writer.varint((field << 3) | LENGTH_DELIMITED);
    writer.varint(keyBytes.length + 1 + varintLength(valueLength) + valueLength);
    writer.raw(keyBytes);
    writer.varint(VALUE_TAG);
    writer.varint(valueLength);
  };
  return {
    whole(writer, value) {
      open(writer, 1 + varintLength(value));
      writer.number(WHOLE, value);
    },
    double(writer, value) {
      open(writer, 9);
      writer.double(DOUBLE, value);
    },
    text(writer, value) {
      open(writer, 1 + varintLength(value.length) + value.length);
      writer.ascii(TEXT, value);
    },
  };
}
