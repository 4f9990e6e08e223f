// The operator key: from the environment, or made at the first start and kept in a file that only its owner can read.

import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkKeyFormat, generateKey, sha256Hex, systemRandomBytes } from '../core/secrets.ts';
import type { OperatorKeys } from '../http/admin/guard.ts';
import { UsageError } from './arguments.ts';

export interface OperatorKey {
  readonly key: string;
  readonly keys: OperatorKeys;
  /** Made by this start: to be printed, once. */
  readonly isNew: boolean;
  readonly file: string | undefined;
}

/** A key that somebody chose must not be a word that somebody else can guess. */
const CHOSEN_LENGTH_MIN = 24;

export function operatorKey(dataFolder: string, fromEnvironment: string | undefined): OperatorKey {
  if (fromEnvironment !== undefined) {
    if (checkKeyFormat(fromEnvironment) !== 'operator-key' && !/^[\x21-\x7e]{24,256}$/.test(fromEnvironment)) {
      throw new UsageError(
        `TOLLGATE_OPERATOR_KEY: use at least ${CHOSEN_LENGTH_MIN} printable characters without blanks`,
      );
    }
    return { key: fromEnvironment, keys: keysOf(fromEnvironment), isNew: false, file: undefined };
  }
  const file = join(dataFolder, 'operator-key');
  if (existsSync(file)) {
    const key = readFileSync(file, 'utf8').trim();
    if (key.length < CHOSEN_LENGTH_MIN)
      throw new UsageError(`${file} does not hold an operator key; remove it to have a new one made`);
    return { key, keys: keysOf(key), isNew: false, file };
  }
  const key = generateKey('operator-key', systemRandomBytes);
  // `wx`: of two first starts, one makes the key.
  writeFileSync(file, `${key}\n`, { mode: 0o600, flag: 'wx' });
  chmodSync(file, 0o600);
  return { key, keys: keysOf(key), isNew: true, file };
}

function keysOf(key: string): OperatorKeys {
  const hash = sha256Hex(key);
  const entry = { id: `opk_${hash.slice(0, 12)}`, scopes: ['admin', 'metrics'] as const };
  return { find: (sha256) => (sha256 === hash ? entry : undefined) };
}
