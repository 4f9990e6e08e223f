// The kit: every file that a build needs, as one compressed map of path to text, carried by each executable so that it
// can make another. It lies still as a file: a start neither reads nor unpacks it.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

export interface Kit {
  /** Path from the kit's root, with forward slashes, to the file's text. */
  readonly files: Readonly<Record<string, string>>;
  /** Files that every executable embeds anyway, to the SHA-256 of what they hold: carried once. */
  readonly embedded: Readonly<Record<string, string>>;
}

/** What the executable calls it; at the root of what is embedded, beside the program. */
export const KIT_FILE = 'tollgate-kit.bin';

/** The bill of materials, in the kit because what it quotes is not. What an operator's config adds is not in it. */
export const BILL_FILE = 'bill-of-materials.cdx.json';

/** Of the source tree that this runs from; means nothing in an executable. */
export const project = resolve(import.meta.dir, '../../..');

/** 19 would take two seconds to save a tenth of a megabyte. */
const ZSTD_LEVEL = 9;

export const packKit = (kit: Kit): Uint8Array => Bun.zstdCompressSync(JSON.stringify(kit), { level: ZSTD_LEVEL });

export function readKit(bytes: Uint8Array): Kit {
  return JSON.parse(new TextDecoder().decode(Bun.zstdDecompressSync(bytes)));
}

/** Writes all of it below an empty folder. */
export async function unpackKit(kit: Kit, folder: string): Promise<void> {
  writeFiles(kit.files, folder);
  for (const [path, bytes] of await embeddedFiles(kit)) writeFile(join(folder, path), bytes);
}

async function embeddedFiles(kit: Kit): Promise<ReadonlyMap<string, Uint8Array>> {
  const found = new Map<string, Uint8Array>();
  if (!Bun.isStandaloneExecutable) {
    for (const path of Object.keys(kit.embedded)) found.set(path, readFileSync(join(project, path)));
    return found;
  }
  const paths = new Map(Object.entries(kit.embedded).map(([path, sha256]) => [sha256, path]));
  for (const blob of Bun.embeddedFiles) {
    const bytes = await blob.bytes();
    const path = paths.get(sha256Of(bytes));
    if (path !== undefined) found.set(path, bytes);
  }
  const missing = Object.keys(kit.embedded).filter((path) => !found.has(path));
  if (missing.length > 0) throw new Error(`this executable lacks ${missing.join(', ')} and cannot build`);
  return found;
}

export function writeFiles(files: Readonly<Record<string, string>>, folder: string): void {
  for (const [path, text] of Object.entries(files)) writeFile(join(folder, path), text);
}

function writeFile(path: string, content: string | Uint8Array): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
}

export const sha256Of = (content: string | Uint8Array): string =>
  new Bun.CryptoHasher('sha256').update(content).digest('hex');
