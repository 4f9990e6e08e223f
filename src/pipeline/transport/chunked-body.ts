// Takes chunked framing off a body, incrementally, split wherever it may be. Invariant: content comes out in
// order and once, in one piece for each read: later chunks move up inside the read itself.

import { contentOf, EMPTY } from './content-of.ts';

const CHUNK_SIZE_DIGITS_MAX = 13;
const EXTENSION_BYTES_MAX = 64 * 1024;
const TRAILER_BYTES_MAX = 16 * 1024;

const CR = 13;
const LF = 10;
const SEMICOLON = 59;

const enum Phase {
  Size, SizeTail, SizeLf, Data, DataCr, DataLf, TrailerStart, Trailer, TrailerLf, FinalLf, Over,
}

/** The value of a hexadecimal digit, or 255. */
const HEX = Uint8Array.from({ length: 256 }, (_, code) => {
  const digit = '0123456789abcdef'.indexOf(String.fromCharCode(code).toLowerCase());
  return digit < 0 ? 255 : digit;
});

export interface ChunkedStep {
  /** The content of this read; empty if it held framing only. */
  content: Uint8Array;
  /** Bytes of the read that belong to the body; the rest follows after its end. */
  used: number;
  state: 'more' | 'complete' | 'bad';
  /** Why, if `bad`. */
  detail: string;
}

export class ChunkedBody {
  #phase = Phase.Size;
  #left = 0;
  #digits = 0;
  #extensionBytes = 0;
  #trailerBytes = 0;
  readonly #step: ChunkedStep = { content: EMPTY, used: 0, state: 'more', detail: '' };

  /** Expects another body, from its first chunk, and forgets the last one's content. */
  reset(): void {
    this.#phase = Phase.Size;
    this.#left = this.#digits = this.#extensionBytes = this.#trailerBytes = 0;
    this.#step.content = EMPTY;
  }

  /**
   * Reads on from where the last read ended. Moves bytes inside `bytes`; the result is valid until the next
   * call.
   */
  read(bytes: Buffer, from: number): ChunkedStep {
    const length = bytes.length;
    let at = from;
    let first = from;
    let end = from;
    let problem: string | undefined;
    while (at < length && this.#phase !== Phase.Over) {
      if (this.#phase === Phase.Data) {
        const taken = Math.min(this.#left, length - at);
        if (end === first) first = end = at;
        else if (end !== at) bytes.copyWithin(end, at, at + taken);
        end += taken;
        at += taken;
        this.#left -= taken;
        if (this.#left === 0) this.#phase = Phase.DataCr;
        continue;
      }
      problem = this.#framing(bytes[at]!);
      if (problem !== undefined) break;
      at += 1;
    }
    const step = this.#step;
    step.content = contentOf(bytes, first, end);
    step.used = at;
    step.state = problem !== undefined ? 'bad' : this.#phase === Phase.Over ? 'complete' : 'more';
    step.detail = problem ?? '';
    return step;
  }

  /** One byte outside the content. Returns what is wrong with it. */
  #framing(byte: number): string | undefined {
    switch (this.#phase) {
      case Phase.Size:
        return this.#size(byte);
      case Phase.SizeTail:
        if (byte === CR) return this.#enter(Phase.SizeLf);
        if (byte < 32 && byte !== 9) return 'control character in a chunk extension';
        this.#extensionBytes += 1;
        return this.#extensionBytes > EXTENSION_BYTES_MAX ? 'chunk extensions too long' : undefined;
      case Phase.SizeLf:
        if (byte !== LF) return 'chunk size without line break';
        this.#digits = 0;
        return this.#enter(this.#left === 0 ? Phase.TrailerStart : Phase.Data);
      case Phase.DataCr:
        return byte === CR ? this.#enter(Phase.DataLf) : 'chunk longer than its size';
      case Phase.DataLf:
        return byte === LF ? this.#enter(Phase.Size) : 'chunk longer than its size';
      case Phase.TrailerStart:
        if (byte === CR) return this.#enter(Phase.FinalLf);
        this.#phase = Phase.Trailer;
        return this.#trailer(byte);
      case Phase.Trailer:
        return this.#trailer(byte);
      case Phase.TrailerLf:
        return byte === LF ? this.#enter(Phase.TrailerStart) : 'trailer line without line break';
      case Phase.FinalLf:
        return byte === LF ? this.#enter(Phase.Over) : 'last chunk without line break';
      default:
        return 'byte outside a chunk';
    }
  }

  #enter(phase: Phase): undefined {
    this.#phase = phase;
    return undefined;
  }

  #size(byte: number): string | undefined {
    const digit = HEX[byte]!;
    if (digit !== 255) {
      this.#digits += 1;
      this.#left = this.#left * 16 + digit;
      return this.#digits > CHUNK_SIZE_DIGITS_MAX ? 'chunk size too large' : undefined;
    }
    if (this.#digits === 0) return 'chunk without a size';
    if (byte === CR) return this.#enter(Phase.SizeLf);
    if (byte !== SEMICOLON && byte !== 32 && byte !== 9) return 'chunk size is not hexadecimal';
    this.#extensionBytes += 1;
    return this.#enter(Phase.SizeTail);
  }

  /** Trailers are read and dropped: nothing after the content may change what was said before it. */
  #trailer(byte: number): string | undefined {
    if (byte === CR) return this.#enter(Phase.TrailerLf);
    if (byte < 32 && byte !== 9) return 'control character in a trailer';
    this.#trailerBytes += 1;
    return this.#trailerBytes > TRAILER_BYTES_MAX ? 'trailers too long' : undefined;
  }
}
