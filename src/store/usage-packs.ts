// Usage records, packed: those of a batch say nearly the same, so that compressed together they take a tenth of the
// space, and a tenth of the writing, syncing and hashing. A pack holds the texts of successive positions, one a line.

import { StoredFieldError } from './json-fields.ts';
import { PackFacets } from './usage-facets.ts';
import type { UsageFacts } from './usage-facts.ts';

/** Records of one pack: whoever reads one of them unpacks all. */
const RECORDS_MAX = 128;
const BYTES_MAX = 256 * 1024;
const LF = 10;

/** Quick; records are so alike that more effort gains next to nothing. */
const LEVEL = 1;

export interface UsagePack {
  /** Of the first record. */
  readonly position: number;
  readonly requestIds: readonly string[];
  /** The position of the movement that carries each record's charge. */
  readonly movements: readonly number[];
  readonly texts: Uint8Array;
  readonly facets: PackFacets;
}

/** What a batch's `charges` movements hash of its records: the packs, and which movement each record names. */
export class UsageDigest {
  readonly #hasher = new Bun.CryptoHasher('sha256');
  readonly #packLengths: number[] = [];
  readonly #movementPositions: number[] = [];

  addPack(texts: Uint8Array, movementPositions: readonly number[]): void {
    this.#hasher.update(texts);
    this.#packLengths.push(texts.length);
    this.#movementPositions.push(...movementPositions);
  }

  /** Undefined: there was nothing. The lengths say where a pack ends, so no two lists of packs have the same bytes. */
  sha256(): string | undefined {
    if (this.#movementPositions.length === 0 && this.#packLengths.length === 0) return undefined;
    return this.#hasher.update(JSON.stringify([this.#packLengths, this.#movementPositions])).digest('hex');
  }
}

/** Reused by one batch after another: a batch is packed in one turn. */
let buffer = Buffer.allocUnsafeSlow(BYTES_MAX);

/** The packs of one batch, in the order of its records. */
export class UsagePacker {
  readonly #write: (pack: UsagePack) => void;
  readonly #digest = new UsageDigest();
  #position: number;
  #requestIds: string[] = [];
  #movements: number[] = [];
  #facets = new PackFacets();
  #used = 0;

  /** `position`: of the first record. `write` gets each pack when it is full. */
  constructor(position: number, write: (pack: UsagePack) => void) {
    this.#position = position;
    this.#write = write;
  }

  /** Takes the JSON text of the next position: the bytes of `source` from `start` on. It has no line feed. */
  add(source: Buffer, start: number, facts: UsageFacts, movementPosition: number): void {
    const needed = this.#used + source.length - start + 1;
    if (needed > buffer.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(needed, buffer.length * 2));
      buffer.copy(larger, 0, 0, this.#used);
      buffer = larger;
    }
    source.copy(buffer, this.#used, start);
    buffer[needed - 1] = LF;
    this.#used = needed;
    this.#requestIds.push(facts.requestId);
    this.#movements.push(movementPosition);
    this.#facets.add(facts);
    if (this.#movements.length >= RECORDS_MAX || this.#used >= BYTES_MAX) this.#seal();
  }

  /** Of the last record taken. */
  get lastPosition(): number {
    return this.#position + this.#movements.length - 1;
  }

  /** Writes what is left, and returns the hash that the chain takes. Undefined: there was no record. */
  finish(): string | undefined {
    this.#seal();
    if (buffer.length > 2 * BYTES_MAX) buffer = Buffer.allocUnsafeSlow(BYTES_MAX);
    return this.#digest.sha256();
  }

  #seal(): void {
    const movements = this.#movements;
    if (movements.length === 0) return;
    const texts = Bun.zstdCompressSync(buffer.subarray(0, this.#used - 1), { level: LEVEL });
    this.#digest.addPack(texts, movements);
    this.#write({ position: this.#position, requestIds: this.#requestIds, movements, texts, facets: this.#facets });
    this.#position += movements.length;
    this.#requestIds = [];
    this.#movements = [];
    this.#facets = new PackFacets();
    this.#used = 0;
  }
}

/** The texts of a pack, in the order of their positions. Throws if it is not one. */
export function unpack(texts: Uint8Array): readonly string[] {
  return Bun.zstdDecompressSync(texts).toString('utf8').split('\n');
}

/** The positions of the movements that the records of a pack name, in their order. Throws if there are none. */
export function readMovementPositions(movements: string): readonly number[] {
  const positions: unknown = JSON.parse(movements);
  if (!Array.isArray(positions)) throw new StoredFieldError('movements', 'a list');
  return positions.map((position: unknown) => {
    if (typeof position === 'number' && Number.isSafeInteger(position)) return position;
    throw new StoredFieldError('movements', 'a list of positions');
  });
}
