// The operator key: from the environment, or made at the first start and kept in a file that only its owner can read.
// There is no default one, and no address that gives one away: whoever starts the process has it, and nobody else.

import { join } from 'node:path';
import { checkKeyFormat, generateKey, sha256Hex, systemRandomBytes } from '../core/secrets.ts';
import type { OperatorKeys } from '../http/admin/guard.ts';
import { readSecretFile, writeSecretFile } from '../store/secret-file.ts';
import { UsageError } from './arguments.ts';
import { whyGuessable } from './guessable-key.ts';

export interface OperatorKey {
  readonly key: string;
  readonly keys: OperatorKeys;
  /** Made by this start: to be printed, once. */
  readonly isNew: boolean;
  readonly file: string | undefined;
}

/** A key that somebody chose must not be a word that somebody else can guess. */
const CHOSEN_LENGTH_MIN = 24;
const CHOSEN_LENGTH_MAX = 256;
const variable = 'TOLLGATE_OPERATOR_KEY';

/**
 * Only for the holder of the data folder's lock. Throws UsageError for a key that others would guess, SecretFileError
 * for a file that may be somebody else's.
 */
export function operatorKey(dataFolder: string, fromEnvironment: string | undefined): OperatorKey {
  if (fromEnvironment !== undefined) {
    refuseGuessable(variable, fromEnvironment, '`openssl rand -hex 32` makes one');
    return { key: fromEnvironment, keys: keysOf(fromEnvironment), isNew: false, file: undefined };
  }
  const file = join(dataFolder, 'operator-key');
  const kept = readSecretFile(file);
  if (kept !== undefined) {
    refuseGuessable(file, kept, 'remove the file to have a new one made');
    return { key: kept, keys: keysOf(kept), isNew: false, file };
  }
  const key = generateKey('operator-key', systemRandomBytes);
  writeSecretFile(file, key);
  return { key, keys: keysOf(key), isNew: true, file };
}

/** `place` and `remedy` go into the message; the key does not. */
function refuseGuessable(place: string, key: string, remedy: string): void {
  const { length } = key;
  if (length < CHOSEN_LENGTH_MIN || length > CHOSEN_LENGTH_MAX || /[^\x21-\x7e]/.test(key)) {
    throw new UsageError(
      `${place}: an operator key has ${CHOSEN_LENGTH_MIN} to ${CHOSEN_LENGTH_MAX} printable characters without blanks; ${remedy}`,
    );
  }
  if (checkKeyFormat(key) === 'api-key') throw new UsageError(`${place}: is an API key, no operator key; ${remedy}`);
  const because = whyGuessable(key);
  if (because !== undefined) throw new UsageError(`${place}: the operator key ${because}; ${remedy}`);
}

function keysOf(key: string): OperatorKeys {
  const hash = sha256Hex(key);
  const entry = { id: `opk_${hash.slice(0, 12)}`, scopes: ['admin', 'metrics'] as const };
  return { find: (sha256) => (sha256 === hash ? entry : undefined) };
}
