// Attributes as OTLP writes them: a key and a value of one kind. Field numbers are those of its `common.proto`.

import type { ProtobufWriter } from './protobuf-writer.ts';

const KEY = 1;
const VALUE = 2;
const AnyValue = { text: 1, boolean: 2, whole: 3, double: 4 } as const;

/** Longer texts are cut: a name of ours is never as long. */
const TEXT_LENGTH_MAX = 512;

export type AttributeValue = string | number | boolean;

/** Whole numbers go as such, all others as doubles. */
export function writeAttribute(writer: ProtobufWriter, field: number, key: string, value: AttributeValue): void {
  writer.message(field, () => {
    writer.text(KEY, key);
    writer.message(VALUE, () => {
      if (typeof value === 'string') writer.text(AnyValue.text, value.slice(0, TEXT_LENGTH_MAX));
      else if (typeof value === 'boolean') writer.number(AnyValue.boolean, Number(value));
      else if (Number.isSafeInteger(value) && value >= 0) writer.number(AnyValue.whole, value);
      else writer.double(AnyValue.double, value);
    });
  });
}
