// Reads protocol buffers without a schema, and OTLP's messages by the field numbers of its `.proto` files: written
// apart from the encoder, so that both would have to be wrong alike.

export type Field = { readonly field: number } & (
  { readonly wire: 0 | 1 | 5; readonly value: bigint } | { readonly wire: 2; readonly value: Uint8Array }
);

export function readFields(bytes: Uint8Array): readonly Field[] {
  const fields: Field[] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = bytes[at];
      if (byte === undefined) throw new Error('a varint that does not end');
      at += 1;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    throw new Error('a varint of too many bytes');
  };
  while (at < bytes.length) {
    const tag = Number(varint());
    const [field, wire] = [tag >> 3, tag & 7];
    if (field === 0) throw new Error('field 0');
    if (wire === 0) fields.push({ field, wire, value: varint() });
    else if (wire === 1) {
      fields.push({ field, wire, value: view.getBigUint64(at, true) });
      at += 8;
    } else if (wire === 5) {
      fields.push({ field, wire, value: BigInt(view.getUint32(at, true)) });
      at += 4;
    } else if (wire === 2) {
      const length = Number(varint());
      if (at + length > bytes.length) throw new Error('a message that is cut off');
      fields.push({ field, wire, value: bytes.slice(at, at + length) });
      at += length;
    } else throw new Error(`wire type ${wire}`);
  }
  return fields;
}

const messages = (fields: readonly Field[], number: number): readonly Uint8Array[] =>
  fields.flatMap((one) => (one.field === number && one.wire === 2 ? [one.value] : []));
const numberIn = (fields: readonly Field[], number: number): bigint =>
  fields.flatMap((one) => (one.field === number && one.wire !== 2 ? [one.value] : []))[0] ?? 0n;
const textIn = (fields: readonly Field[], number: number): string =>
  new TextDecoder('utf-8', { fatal: true }).decode(messages(fields, number)[0]);
const hexIn = (fields: readonly Field[], number: number): string =>
  Buffer.from(messages(fields, number)[0] ?? []).toString('hex');
const doubleOf = (value: bigint): number => {
  const view = new DataView(new ArrayBuffer(8));
  view.setBigUint64(0, value, true);
  return view.getFloat64(0, true);
};

export type Attributes = Readonly<Record<string, string | number | boolean>>;

export function readAttributes(list: readonly Uint8Array[]): Attributes {
  return Object.fromEntries(
    list.map((bytes) => {
      const pair = readFields(bytes);
      const [value] = readFields(messages(pair, 2)[0] ?? new Uint8Array());
      if (value === undefined) throw new Error('an attribute without a value');
      const key = textIn(pair, 1);
      if (value.wire === 2 && value.field === 1) return [key, new TextDecoder().decode(value.value)];
      if (value.wire === 0 && value.field === 2) return [key, value.value === 1n];
      if (value.wire === 0 && value.field === 3) return [key, Number(value.value)];
      if (value.wire === 1 && value.field === 4) return [key, doubleOf(value.value)];
      throw new Error(`an attribute of kind ${value.field}`);
    }),
  );
}

export interface ReadSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string;
  readonly name: string;
  readonly kind: 'server' | 'client';
  readonly startNano: bigint;
  readonly endNano: bigint;
  readonly attributes: Attributes;
  readonly failed: boolean;
}

export interface ReadTraces {
  readonly resource: Attributes;
  readonly scope: string;
  readonly spans: readonly ReadSpan[];
}

export function readTraces(body: Uint8Array): ReadTraces {
  const { resource, scope, items } = unwrapped(body);
  return { resource, scope, spans: items.map(readSpan) };
}

function unwrapped(body: Uint8Array) {
  const [all, ...others] = messages(readFields(body), 1);
  if (all === undefined || others.length > 0) throw new Error('not one resource');
  const ofResource = readFields(all);
  const [within, ...more] = messages(ofResource, 2);
  if (within === undefined || more.length > 0) throw new Error('not one scope');
  const ofScope = readFields(within);
  return {
    resource: readAttributes(messages(readFields(messages(ofResource, 1)[0] ?? new Uint8Array()), 1)),
    scope: textIn(readFields(messages(ofScope, 1)[0] ?? new Uint8Array()), 1),
    items: messages(ofScope, 2),
  };
}

function readSpan(bytes: Uint8Array): ReadSpan {
  const fields = readFields(bytes);
  const kind = numberIn(fields, 6);
  if (kind !== 2n && kind !== 3n) throw new Error(`kind ${kind}`);
  return {
    traceId: hexIn(fields, 1),
    spanId: hexIn(fields, 2),
    parentSpanId: hexIn(fields, 4),
    name: textIn(fields, 5),
    kind: kind === 2n ? 'server' : 'client',
    startNano: numberIn(fields, 7),
    endNano: numberIn(fields, 8),
    attributes: readAttributes(messages(fields, 9)),
    failed: numberIn(readFields(messages(fields, 15)[0] ?? new Uint8Array()), 3) === 2n,
  };
}

export interface ReadPoint {
  readonly attributes: Attributes;
  readonly count: number;
  readonly sum: number;
  readonly buckets: readonly number[];
  readonly bounds: readonly number[];
}

/** Points by name of metric. */
export function readMetrics(body: Uint8Array): ReadonlyMap<string, readonly ReadPoint[]> {
  return new Map(
    unwrapped(body).items.map((bytes) => {
      const metric = readFields(bytes);
      const histogram = readFields(messages(metric, 9)[0] ?? new Uint8Array());
      if (numberIn(histogram, 2) !== 2n) throw new Error('not cumulative');
      return [textIn(metric, 1), messages(histogram, 1).map(readPoint)];
    }),
  );
}

function readPoint(bytes: Uint8Array): ReadPoint {
  const fields = readFields(bytes);
  const packed = (number: number): readonly bigint[] => {
    const all = messages(fields, number)[0] ?? new Uint8Array();
    const view = new DataView(all.buffer, all.byteOffset, all.byteLength);
    return Array.from({ length: all.length / 8 }, (_, index) => view.getBigUint64(index * 8, true));
  };
  return {
    attributes: readAttributes(messages(fields, 9)),
    count: Number(numberIn(fields, 4)),
    sum: doubleOf(numberIn(fields, 5)),
    buckets: packed(6).map(Number),
    bounds: packed(7).map(doubleOf),
  };
}
