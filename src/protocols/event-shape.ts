// Events of one stream mostly differ in a single string, the piece of text they carry. Once such an event was
// scanned, others of its shape are told by two native comparisons, at a fifth of a scan's cost, and with the
// same result.

import { decodedLength, stringEnd } from '../core/json-cursor.ts';

/** Shapes learnt in vain before it is taken that this stream's events are all different. */
const patienceMax = 4;

const noBytes = Buffer.alloc(0);

/** A Buffer, because only its comparison takes ranges; and its own, because a view of a copy is three objects. */
function bufferOf(bytes: Uint8Array, start: number, end: number): Buffer {
  const copy = Buffer.allocUnsafeSlow(end - start);
  for (let i = 0; i < copy.length; i++) copy[i] = bytes[start + i] ?? 0;
  return copy;
}

export class EventShape {
  /** The bytes before and behind the string's content; the latter begin with its closing quote. */
  private before: Buffer | undefined;
  private behind: Buffer = noBytes;
  private patience = patienceMax;
  /** Bytes outside the string that the tap leaves out of such an event. */
  outLength = 0;
  /** Where they stand, counted from the event's start, or if negative, from its end. */
  private outPlace = 0;

  /**
   * An event in bytes[start, end) of which nothing matters but the string whose content is [textStart,
   * textEnd), and what is left out of it: [outStart, outEnd).
   */
  learn(
    bytes: Uint8Array,
    start: number,
    end: number,
    textStart: number,
    textEnd: number,
    outStart = 0,
    outEnd = 0,
  ): void {
    if (this.patience === 0) return;
    this.patience--;
    this.before = bufferOf(bytes, start, textStart);
    this.behind = bufferOf(bytes, textEnd, end);
    this.outLength = outEnd - outStart;
    this.outPlace = outStart < textStart ? outStart - start : outStart - end;
  }

  /** Where to leave out `outLength` bytes of the event of this shape in [start, end). */
  outStart(start: number, end: number): number {
    return this.outPlace < 0 ? end + this.outPlace : start + this.outPlace;
  }

  /** Bytes of text in an event of the learnt shape; -1 if it has another one. */
  textBytes(bytes: Uint8Array, start: number, end: number): number {
    const { before, behind } = this;
    if (before === undefined) return -1;
    const textStart = start + before.length;
    if (textStart + behind.length > end || before.compare(bytes, start, textStart) !== 0) return -1;
    const textEnd = stringEnd(bytes, textStart, end);
    if (end - textEnd !== behind.length || behind.compare(bytes, textEnd, end) !== 0) return -1;
    this.patience = patienceMax;
    return decodedLength(bytes, textStart, textEnd);
  }
}
