// The master key that seals credentials: from the environment, or a file of the data folder that is made at first need.
// Invariant: the file is on the disk before anything is stored that only it can open.

import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { newMasterKeyText, readMasterKey } from '../../core/envelope.ts';
import type { MasterKey } from '../../core/envelope.ts';
import type { RandomBytes } from '../../core/secrets.ts';

export const masterKeyVariable = 'TOLLGATE_MASTER_KEY';

export interface MasterKeys {
  /** Where the key comes from, for messages. */
  readonly source: string;
  /** The key, if there is one. */
  readonly known: MasterKey | undefined;
  /** The key; makes it if there is none. */
  need(): MasterKey;
}

/** Throws MasterKeyError if the variable or the file holds something else than a key. */
export function openMasterKeys(
  dataFolder: string,
  fromEnvironment: string | undefined,
  randomBytes: RandomBytes,
): MasterKeys {
  if (fromEnvironment !== undefined) {
    const key = readMasterKey(fromEnvironment, masterKeyVariable);
    return { source: masterKeyVariable, known: key, need: () => key };
  }
  const file = join(dataFolder, 'master-key');
  let known = existsSync(file) ? readMasterKey(readFileSync(file, 'utf8').trim(), file) : undefined;
  return {
    source: file,
    get known() {
      return known;
    },
    need: () => (known ??= makeKeyFile(dataFolder, file, randomBytes)),
  };
}

/** The lock of the data folder is ours, so nobody else makes one at the same time. */
function makeKeyFile(dataFolder: string, file: string, randomBytes: RandomBytes): MasterKey {
  const text = newMasterKeyText(randomBytes);
  const key = readMasterKey(text, file);
  const draft = `${file}.new`;
  // A crash before the renaming leaves a draft that sealed nothing; it is written over.
  const handle = openSync(draft, 'w', 0o600);
  writeSync(handle, `${text}\n`);
  fsyncSync(handle);
  closeSync(handle);
  renameSync(draft, file);
  const folder = openSync(dataFolder, 'r');
  fsyncSync(folder);
  closeSync(folder);
  return key;
}
