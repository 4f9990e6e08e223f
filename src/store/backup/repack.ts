// Copies an archive while it checks it, and adds the secrets that the copy is to hold: whoever takes the snapshot need
// not have them, and they never travel.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { manifestText, secretNames, type BackupManifest } from './manifest.ts';
import { readArchive } from './read-archive.ts';
import { paddingAfter, TAR_END_BYTES } from './tar.ts';
import { headOf, partsOfManifest } from './write-archive.ts';

export interface Secret {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** What of the secrets a data folder has: keys that came by the environment are in no file. */
export const secretsIn = (dataFolder: string): readonly Secret[] =>
  secretNames.filter((name) => existsSync(join(dataFolder, name)))
    .map((name) => ({ name, bytes: readFileSync(join(dataFolder, name)) }));

/**
 * The archive of `source` with these secrets; undefined leaves them out and says so. Throws BackupArchiveError if the
 * source is not whole, at the latest when its last byte was read.
 */
export async function* repacked(
  source: AsyncIterable<Uint8Array>, secrets: readonly Secret[] | undefined,
  onManifest: (manifest: BackupManifest) => void = () => {},
): AsyncGenerator<Uint8Array> {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const writer = writable.getWriter();
  // What is written is read later, and the bytes that a taker gets are not its own.
  const put = (bytes: Uint8Array): Promise<void> => writer.write(bytes.slice());
  let repackedManifest: BackupManifest | undefined;
  const head = (name: string, size: number): Promise<void> =>
    repackedManifest === undefined ? Promise.resolve() : put(headOf(name, size, repackedManifest));
  const copy = async (): Promise<void> => {
    await readArchive(source, {
      async manifest(found) {
        repackedManifest = withSecrets(found, secrets);
        onManifest(repackedManifest);
        const text = Buffer.from(manifestText(repackedManifest));
        for (const part of partsOfManifest(text, repackedManifest)) await put(part);
      },
      begin: (member) => head(member.name, member.size),
      bytes: (_, bytes) => put(bytes),
      complete: (member) => put(new Uint8Array(paddingAfter(member.size))),
    });
    for (const { name, bytes } of secrets ?? []) {
      await head(name, bytes.length);
      await put(bytes);
      await put(new Uint8Array(paddingAfter(bytes.length)));
    }
    await put(new Uint8Array(TAR_END_BYTES));
    await writer.close();
  };
  const copying = copy();
  // Told to whoever reads. A reader that stopped has made `writer` fail, and wants to hear no more.
  copying.catch((error: unknown) => writer.abort(error).catch(() => undefined));
  yield* readable;
}

function withSecrets(manifest: BackupManifest, secrets: readonly Secret[] | undefined): BackupManifest {
  const added = (secrets ?? []).map(({ name, bytes }) => (
    { name, size: bytes.length, sha256: new Bun.CryptoHasher('sha256').update(bytes).digest('hex') }));
  return { ...manifest, withSecrets: secrets !== undefined, members: [...manifest.members, ...added] };
}
