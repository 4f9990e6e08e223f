// Archives as somebody else would make them: each part may be other than what Tollgate writes.

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BackupManifest } from '../../src/store/backup/manifest.ts';
import { readArchive } from '../../src/store/backup/read-archive.ts';
import { paddingAfter, tarHead } from '../../src/store/backup/tar.ts';

export interface Part {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** Instead of the block that Tollgate would write. */
  readonly head?: Uint8Array;
}

export interface Archive {
  readonly manifest: BackupManifest;
  readonly parts: readonly Part[];
}

const TIME = 1_700_000_000;

export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

export const memberOf = ({ name, bytes }: Part) => ({ name, size: bytes.length, sha256: sha256(bytes) });

export const partOf = (folder: string, name: string): Part => ({ name, bytes: readFileSync(join(folder, name)) });

export function tarOf(parts: readonly Part[]): Uint8Array {
  const blocks = parts.flatMap(({ name, bytes, head }) => [
    head ?? tarHead(name, bytes.length, TIME), bytes, new Uint8Array(paddingAfter(bytes.length)),
  ]);
  return Buffer.concat([...blocks, new Uint8Array(1024)]);
}

/** With a manifest whose fields are these instead of the true ones. */
export function archiveOf({ manifest, parts }: Archive, fields: Readonly<Record<string, unknown>> = {}): Uint8Array {
  const stated = {
    format: 'tollgate-backup', version: 1, journalFormat: 1, ...manifest, members: parts.map(memberOf), ...fields,
  };
  return tarOf([{ name: 'manifest.json', bytes: Buffer.from(JSON.stringify(stated)) }, ...parts]);
}

export async function* chunksOf(bytes: Uint8Array, length = 4_096): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += length) yield bytes.subarray(at, at + length);
}

export async function readWhole(bytes: Uint8Array, chunkLength?: number): Promise<Archive> {
  const parts: Part[] = [];
  let pieces: Uint8Array[] = [];
  const manifest = await readArchive(chunksOf(bytes, chunkLength), {
    manifest: () => {},
    begin: () => void (pieces = []),
    bytes: (_, piece) => void pieces.push(piece.slice()),
    complete: ({ name }) => void parts.push({ name, bytes: Buffer.concat(pieces) }),
  });
  return { manifest, parts };
}

