// Reads an archive as strictly as it was written: first the manifest, then exactly the members that it names, each of
// the size and with the SHA-256 that it states, and nothing after them. The first thing that differs ends the reading.

import { BackupArchiveError, MANIFEST_BYTES_MAX, MANIFEST_NAME, parseManifest } from './manifest.ts';
import type { BackupManifest, BackupMember } from './manifest.ts';
import { paddingAfter, statedIn, TAR_BLOCK_BYTES, TAR_END_BYTES, tarHead } from './tar.ts';

/** Takes what is read, in its order. What it throws ends the reading. */
export interface ArchiveTaker {
  /** Before any member: what is refused here was never read. */
  manifest(manifest: BackupManifest): void | Promise<void>;
  begin(member: BackupMember): void | Promise<void>;
  /** The bytes are the taker's only until it returns. */
  bytes(member: BackupMember, bytes: Uint8Array): void | Promise<void>;
  /** All of it was there, and it is what the manifest says it is. */
  complete(member: BackupMember): void | Promise<void>;
}

/** Throws BackupArchiveError; what the taker got until then must not be used. */
export async function readArchive(source: AsyncIterable<Uint8Array>, taker: ArchiveTaker): Promise<BackupManifest> {
  const pieces = new Pieces(source);
  try {
    const { manifest, time } = await readManifest(pieces);
    await taker.manifest(manifest);
    for (const member of manifest.members) {
      await pieces.mustBe(tarHead(member.name, member.size, time), `what stands in the place of ${member.name} is not it`);
      await taker.begin(member);
      const hash = new Bun.CryptoHasher('sha256');
      for await (const bytes of pieces.next(member.size, member.name)) {
        hash.update(bytes);
        await taker.bytes(member, bytes);
      }
      if (hash.digest('hex') !== member.sha256) {
        throw new BackupArchiveError(`${member.name} does not have the SHA-256 that the manifest states; it was changed or damaged`);
      }
      await pieces.mustBe(new Uint8Array(paddingAfter(member.size)), `${member.name} is followed by what is not part of it`);
      await taker.complete(member);
    }
    await pieces.mustBe(new Uint8Array(TAR_END_BYTES), 'it goes on after the last member that the manifest names');
    if (!(await pieces.atEnd())) throw new BackupArchiveError('it goes on after its end');
    return manifest;
  } finally {
    await pieces.close();
  }
}

async function readManifest(pieces: Pieces): Promise<{ readonly manifest: BackupManifest; readonly time: number }> {
  const head = await pieces.whole(TAR_BLOCK_BYTES, 'its first block');
  const stated = statedIn(head);
  const asWritten = stated === undefined ? undefined : tarHead(MANIFEST_NAME, stated.size, stated.time);
  if (stated === undefined || asWritten === undefined || Buffer.compare(head, asWritten) !== 0) {
    throw new BackupArchiveError('it does not begin with a manifest; it is not a backup of Tollgate');
  }
  if (stated.size > MANIFEST_BYTES_MAX) {
    throw new BackupArchiveError(`its manifest has ${stated.size} bytes; at most ${MANIFEST_BYTES_MAX} are read`);
  }
  const bytes = await pieces.whole(stated.size, MANIFEST_NAME);
  await pieces.mustBe(new Uint8Array(paddingAfter(stated.size)), 'its manifest is followed by what is not part of it');
  const manifest = parseManifest(Buffer.from(bytes).toString('utf8'));
  return { manifest, time: stated.time };
}

/** A stream in pieces of wanted lengths. */
class Pieces {
  readonly #source: AsyncIterator<Uint8Array>;
  #rest: Uint8Array = new Uint8Array(0);
  #ended = false;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  async *next(length: number, what: string): AsyncGenerator<Uint8Array> {
    for (let left = length; left > 0;) {
      if (!(await this.#fill())) throw new BackupArchiveError(`it is cut short within ${what}`);
      const piece = this.#rest.subarray(0, Math.min(left, this.#rest.length));
      this.#rest = this.#rest.subarray(piece.length);
      left -= piece.length;
      yield piece;
    }
  }

  async whole(length: number, what: string): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    let at = 0;
    for await (const piece of this.next(length, what)) {
      bytes.set(piece, at);
      at += piece.length;
    }
    return bytes;
  }

  async mustBe(expected: Uint8Array, otherwise: string): Promise<void> {
    const found = await this.whole(expected.length, 'its frame');
    if (Buffer.compare(found, expected) !== 0) throw new BackupArchiveError(otherwise);
  }

  async atEnd(): Promise<boolean> {
    return !(await this.#fill());
  }

  async close(): Promise<void> {
    if (!this.#ended) await this.#source.return?.();
  }

  /** False at the end. */
  async #fill(): Promise<boolean> {
    while (this.#rest.length === 0 && !this.#ended) {
      const { value, done } = await this.#nextOf();
      if (done === true) this.#ended = true;
      else this.#rest = value;
    }
    return this.#rest.length > 0;
  }

  async #nextOf(): Promise<IteratorResult<Uint8Array, unknown>> {
    try {
      return await this.#source.next();
    } catch (error) {
      this.#ended = true;
      throw error;
    }
  }
}
