// The master key that seals credentials: from the environment, or a file of the data folder that is made at first need.
// Invariant: the file is on the disk before anything is stored that only it can open.

import { join } from 'node:path';
import { MasterKeyError, newMasterKeyText, readMasterKey } from '../../core/envelope.ts';
import type { MasterKey } from '../../core/envelope.ts';
import type { RandomBytes } from '../../core/secrets.ts';
import { readSecretFile, writeSecretFile } from '../../store/secret-file.ts';

export const masterKeyVariable = 'TOLLGATE_MASTER_KEY';

export interface MasterKeys {
  /** Where the key comes from, for messages. */
  readonly source: string;
  /** The key, if there is one. */
  readonly known: MasterKey | undefined;
  /** The key; makes it if there is none. */
  need(): MasterKey;
}

/** Throws MasterKeyError if the variable or file holds something else than a key, SecretFileError for an odd file. */
export function openMasterKeys(
  dataFolder: string,
  fromEnvironment: string | undefined,
  randomBytes: RandomBytes,
): MasterKeys {
  if (fromEnvironment !== undefined) {
    const key = chosenKey(fromEnvironment);
    return { source: masterKeyVariable, known: key, need: () => key };
  }
  const file = join(dataFolder, 'master-key');
  const kept = readSecretFile(file);
  let known = kept === undefined ? undefined : readMasterKey(kept, file);
  return {
    source: file,
    get known() {
      return known;
    },
    need: () => (known ??= makeKeyFile(file, randomBytes)),
  };
}

/** The lock of the data folder is ours, so nobody else makes one at the same time. */
function makeKeyFile(file: string, randomBytes: RandomBytes): MasterKey {
  const text = newMasterKeyText(randomBytes);
  const key = readMasterKey(text, file);
  writeSecretFile(file, text);
  return key;
}

/** Nobody chooses 32 bytes with so few different ones by chance: such a key was typed, or copied from an example. */
const DIFFERENT_BYTES_MIN = 16;

function chosenKey(text: string): MasterKey {
  const key = readMasterKey(text, masterKeyVariable);
  if (new Set(Buffer.from(text, 'base64')).size >= DIFFERENT_BYTES_MIN) return key;
  throw new MasterKeyError(`${masterKeyVariable} is no random key; \`openssl rand -base64 32\` makes one`);
}
