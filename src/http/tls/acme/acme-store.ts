// What a certificate authority gave us, in the data folder under `acme/`: the account's key, the certificate with its
// own key, and how the last tries went. Each is one file that is written beside and renamed, so that none is ever half
// there.

import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type { EpochMs } from '../../../core/clock.ts';

/** The authority and the names that something was made for. */
export interface AcmeOrderFor {
  readonly directory: string;
  readonly domains: readonly string[];
}

export interface StoredCertificate extends AcmeOrderFor {
  /** PEM: the leaf, then its chain. */
  readonly cert: string;
  readonly key: string;
}

/**
 * Tries since the last success. They outlive a restart: a service that is restarted in a loop must not ask each time.
 */
export interface StoredTries extends AcmeOrderFor {
  readonly failures: number;
  readonly nextTryAt: EpochMs;
}

export interface StoredAccount {
  readonly directory: string;
  /** PEM. */
  readonly key: string;
}

export interface AcmeStore {
  account(directory: string): StoredAccount | undefined;
  saveAccount(account: StoredAccount): void;
  certificate(): StoredCertificate | undefined;
  saveCertificate(certificate: StoredCertificate): void;
  tries(): StoredTries | undefined;
  saveTries(tries: StoredTries): void;
  clearTries(): void;
}

export function openAcmeStore(dataFolder: string, warn: (message: string) => void): AcmeStore {
  const folder = join(dataFolder, 'acme');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const at = (name: string) => join(folder, `${name}.json`);
  const read = (name: string): Readonly<Record<string, unknown>> | undefined => {
    if (!existsSync(at(name))) return undefined;
    const found = parse(readFileSync(at(name), 'utf8'));
    if (found !== undefined) return found;
    renameSync(at(name), `${at(name)}.damaged`);
    warn(`acme/${name}.json cannot be read; it was put aside as ${name}.json.damaged, and a new one will be made`);
    return undefined;
  };
  const accountFile = (directory: string) =>
    `account-${new Bun.CryptoHasher('sha256').update(directory).digest('hex').slice(0, 16)}`;
  return {
    account(directory) {
      const { key, directory: of } = read(accountFile(directory)) ?? {};
      return typeof key === 'string' && of === directory ? { directory, key } : undefined;
    },
    saveAccount: (account) => write(folder, at(accountFile(account.directory)), account),
    certificate() {
      const { directory, domains, cert, key } = read('certificate') ?? {};
      if (typeof directory !== 'string' || typeof cert !== 'string' || typeof key !== 'string') return undefined;
      return isTexts(domains) ? { directory, domains, cert, key } : undefined;
    },
    saveCertificate: (certificate) => write(folder, at('certificate'), certificate),
    tries() {
      const { directory, domains, failures, nextTryAt } = read('tries') ?? {};
      if (typeof directory !== 'string' || typeof failures !== 'number' || typeof nextTryAt !== 'number')
        return undefined;
      return isTexts(domains) ? { directory, domains, failures, nextTryAt } : undefined;
    },
    saveTries: (tries) => write(folder, at('tries'), tries),
    clearTries: () => rmSync(at('tries'), { force: true }),
  };
}

const isTexts = (value: unknown): value is readonly string[] =>
  Array.isArray(value) && value.every((item) => typeof item === 'string');

function parse(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

/** The data folder is locked by its gateway, so that one draft at a time is enough. */
function write(folder: string, file: string, value: object): void {
  const draft = `${file}.draft`;
  // Left by a crash, perhaps with other rights.
  rmSync(draft, { force: true });
  const handle = openSync(draft, 'wx', 0o600);
  try {
    // All of it or an error: a single write may take a part, where the disk is nearly full.
    writeFileSync(handle, `${JSON.stringify(value, undefined, 2)}\n`);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
  renameSync(draft, file);
  if (process.platform === 'win32') return;
  const directory = openSync(folder, 'r');
  fsyncSync(directory);
  closeSync(directory);
}

/** The same authority and the same names, in whatever order. */
export const sameOrder = (left: AcmeOrderFor | undefined, right: AcmeOrderFor): boolean =>
  left?.directory === right.directory && left.domains.toSorted().join() === right.domains.toSorted().join();
