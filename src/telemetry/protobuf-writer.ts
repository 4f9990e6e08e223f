// Protocol buffers, the writing half of it: tags, varints, fixed numbers, text, and messages within messages. One
// growing piece of memory, so that a span is written without an object of its own.

const VARINT_MAX = 10;

export class ProtobufWriter {
  #bytes: Buffer;
  #view: DataView;
  #at = 0;

  constructor(capacity: number) {
    this.#bytes = Buffer.allocUnsafeSlow(capacity);
    this.#view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset, capacity);
  }

  get length(): number {
    return this.#at;
  }

  reset(): void {
    this.#at = 0;
  }

  /** A copy of what was written. */
  copy(): Uint8Array {
    return Uint8Array.prototype.slice.call(this.#bytes, 0, this.#at);
  }

  copyTo(target: Buffer, at: number): void {
    this.#bytes.copy(target, at, 0, this.#at);
  }

  #room(bytes: number): void {
    const needed = this.#at + bytes;
    if (needed <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.#bytes.length * 2));
    this.#bytes.copy(larger, 0, 0, this.#at);
    this.#bytes = larger;
    this.#view = new DataView(larger.buffer, larger.byteOffset, larger.length);
  }

  /** A whole number from 0 to 2^53 - 1. */
  varint(value: number): void {
    this.#room(VARINT_MAX);
    let rest = value;
    while (rest >= 0x80) {
      this.#bytes[this.#at++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.#bytes[this.#at++] = rest;
  }

  number(field: number, value: number): void {
    this.varint(field << 3);
    this.varint(value);
  }

  double(field: number, value: number): void {
    this.varint((field << 3) | 1);
    this.bareDouble(value);
  }

  /** Without a tag, inside a packed list. */
  bareDouble(value: number): void {
    this.#room(8);
    this.#view.setFloat64(this.#at, value, true);
    this.#at += 8;
  }

  /** An unsigned 64-bit number, up to 2^53 - 1. */
  fixed64(field: number, value: number): void {
    this.varint((field << 3) | 1);
    this.bareFixed64(value);
  }

  bareFixed64(value: number): void {
    this.#room(8);
    this.#view.setUint32(this.#at, value % 0x1_0000_0000, true);
    this.#view.setUint32(this.#at + 4, Math.floor(value / 0x1_0000_0000), true);
    this.#at += 8;
  }

  /** Milliseconds since the epoch, as nanoseconds; exact to the microsecond. */
  nanoseconds(field: number, epochMs: number): void {
    this.varint((field << 3) | 1);
    this.#room(8);
    this.#at += 8;
    this.nanosecondsAt(this.#at - 8, epochMs);
  }

  /** The number alone, over what was written at that place. Nanoseconds are above 2^53, so they are made of halves. */
  nanosecondsAt(at: number, epochMs: number): void {
    const microseconds = Math.round(epochMs * 1000);
    const quotient = Math.floor(microseconds / 0x400_0000);
    const thousandHigh = quotient * 1000;
    const high = Math.floor(thousandHigh / 64);
    const low = (thousandHigh - high * 64) * 0x400_0000 + (microseconds - quotient * 0x400_0000) * 1000;
    const carry = Math.floor(low / 0x1_0000_0000);
    this.#view.setUint32(at, low - carry * 0x1_0000_0000, true);
    this.#view.setUint32(at + 4, high + carry, true);
  }

  /** Bytes over what was written at that place. They are few: a loop is quicker than a call out of the engine. */
  bytesAt(at: number, value: Uint8Array): void {
    const bytes = this.#bytes;
    for (let index = 0; index < value.length; index += 1) bytes[at + index] = value[index] ?? 0;
  }

  fixed32(field: number, value: number): void {
    this.varint((field << 3) | 5);
    this.#room(4);
    this.#view.setUint32(this.#at, value, true);
    this.#at += 4;
  }

  text(field: number, value: string): void {
    this.varint((field << 3) | 2);
    const length = Buffer.byteLength(value);
    this.varint(length);
    this.#room(length);
    this.#at += this.#bytes.write(value, this.#at);
  }

  /** Text of which every character is one byte, as ASCII is. */
  ascii(field: number, value: string): void {
    this.varint((field << 3) | 2);
    this.varint(value.length);
    this.#room(value.length);
    this.#at += this.#bytes.write(value, this.#at);
  }

  bytes(field: number, value: Uint8Array): void {
    this.varint((field << 3) | 2);
    this.varint(value.length);
    this.raw(value);
  }

  /** Fields that were written before. */
  raw(fields: Uint8Array): void {
    this.#room(fields.length);
    this.#bytes.set(fields, this.#at);
    this.#at += fields.length;
  }

  /** A message inside this one. Its length stands before it, so what was written is moved to make room. */
  message(field: number, write: () => void): void {
    this.varint((field << 3) | 2);
    const start = this.#at;
    write();
    const length = this.#at - start;
    const prefix = varintLength(length);
    this.#room(prefix);
    this.#bytes.copyWithin(start + prefix, start, this.#at);
    this.#at = start;
    this.varint(length);
    this.#at += length;
  }
}

export function varintLength(value: number): number {
  let length = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) length += 1;
  return length;
}
