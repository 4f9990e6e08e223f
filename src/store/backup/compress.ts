// Archives as files: compressed with Zstandard when they are written, and read with or without it.

import { createReadStream, openSync, closeSync, readSync } from 'node:fs';
import { Readable } from 'node:stream';
import { constants, createZstdCompress, createZstdDecompress } from 'node:zlib';
import { BackupArchiveError } from './manifest.ts';

const LEVEL = 3;
const CHUNK_BYTES = 256 * 1024;
const ZSTD_MAGIC = Buffer.from([0x28, 0xb5, 0x2f, 0xfd]);

/** The chunks, compressed. The checksum lets a cut or broken file be told from a whole one. */
export async function* compressed(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const stream = createZstdCompress({
    params: { [constants.ZSTD_c_compressionLevel]: LEVEL, [constants.ZSTD_c_checksumFlag]: 1 },
  });
  const source = Readable.from(chunks, { objectMode: false, highWaterMark: CHUNK_BYTES });
  source.on('error', (error) => stream.destroy(error));
  source.pipe(stream);
  try {
    for await (const chunk of stream) yield bytesOf(chunk);
  } finally {
    source.destroy();
  }
}

function bytesOf(chunk: unknown): Uint8Array {
  if (chunk instanceof Uint8Array) return chunk;
  throw new TypeError('a stream of bytes gave something else');
}

/** The bytes of an archive's file, without their compression. Throws BackupArchiveError where that is broken. */
export async function* decompressedFile(path: string): AsyncGenerator<Uint8Array> {
  const source = createReadStream(path, { highWaterMark: CHUNK_BYTES });
  if (!beginsCompressed(path)) {
    for await (const chunk of source) yield bytesOf(chunk);
    return;
  }
  const stream = createZstdDecompress();
  source.on('error', (error) => stream.destroy(error));
  source.pipe(stream);
  try {
    for await (const chunk of stream) yield bytesOf(chunk);
  } catch (error) {
    throw new BackupArchiveError(`it cannot be decompressed (${error instanceof Error ? error.message : String(error)})`);
  } finally {
    source.destroy();
  }
}

function beginsCompressed(path: string): boolean {
  const file = openSync(path, 'r');
  try {
    const begin = new Uint8Array(ZSTD_MAGIC.length);
    return readSync(file, begin, 0, begin.length, 0) === begin.length && ZSTD_MAGIC.equals(begin);
  } finally {
    closeSync(file);
  }
}
