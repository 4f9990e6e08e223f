// Writes an archive: the manifest, then the members in its order, as a tar. It is made piece by piece, however large
// the files are, and its length is known before its first byte.

import { closeSync, openSync, read } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { MANIFEST_NAME, manifestText, type BackupManifest } from './manifest.ts';
import { paddingAfter, TAR_BLOCK_BYTES, TAR_END_BYTES, tarHead } from './tar.ts';

/** Large enough to cost few turns of the event loop, small enough to cost each of them little. */
const CHUNK_BYTES = 256 * 1024;
const readAt = promisify(read);

export interface OpenArchive {
  /** Bytes. */
  readonly size: number;
  /** Each chunk is the reader's to keep. Throws when a file is not what its manifest says it is. Once. */
  chunks(): AsyncGenerator<Uint8Array>;
  /** Lets go of the files. May be called at any time, and again. */
  close(): void;
}

/** Opens all members at once: after that the folder may be removed. */
export function openArchive(folder: string, manifest: BackupManifest): OpenArchive {
  const files: number[] = [];
  let closed = false;
  const close = (): void => {
    if (closed) return;
    closed = true;
    for (const file of files) closeSync(file);
  };
  try {
    for (const { name } of manifest.members) files.push(openSync(join(folder, name), 'r'));
  } catch (error) {
    close();
    throw error;
  }
  const text = Buffer.from(manifestText(manifest));
  const members = manifest.members.reduce((sum, member) => sum + spaceOf(member.size), 0);
  const size = spaceOf(text.length) + members + TAR_END_BYTES;
  async function* chunks(): AsyncGenerator<Uint8Array> {
    yield* partsOfManifest(text, manifest);
    for (const [index, member] of manifest.members.entries()) {
      yield headOf(member.name, member.size, manifest);
      yield* bytesOf(files[index] ?? -1, member.size, () => closed);
      yield new Uint8Array(paddingAfter(member.size));
    }
    yield new Uint8Array(TAR_END_BYTES);
  }
  return { size, chunks, close };
}

const spaceOf = (size: number): number => TAR_BLOCK_BYTES + size + paddingAfter(size);

export const headOf = (name: string, size: number, { takenAt }: BackupManifest): Uint8Array =>
  tarHead(name, size, Math.floor(Date.parse(takenAt) / 1000));

/** The first member of an archive. */
export function* partsOfManifest(text: Uint8Array, manifest: BackupManifest): Generator<Uint8Array> {
  yield headOf(MANIFEST_NAME, text.length, manifest);
  yield text;
  yield new Uint8Array(paddingAfter(text.length));
}

async function* bytesOf(file: number, size: number, closed: () => boolean): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < size;) {
    if (closed()) throw new Error('the archive was closed while it was read');
    const buffer = new Uint8Array(Math.min(CHUNK_BYTES, size - at));
    const { bytesRead } = await readAt(file, buffer, 0, buffer.length, at);
    if (bytesRead === 0) throw new Error('a member of the archive has become shorter');
    yield bytesRead === buffer.length ? buffer : buffer.subarray(0, bytesRead);
    at += bytesRead;
  }
}
