// What authenticate looks up, in memory. Invariant: a change is here once it is durable and before it is
// acknowledged; a key that is revoked or past its end is not found at all, so that nobody can forget to
// check.

import type { EpochMs } from '../../core/clock.ts';
import type { AccountId, ApiKeyId } from '../../core/ids.ts';
import type { Account, AccountDirectory, ApiKey, Group } from './accounts.ts';

export interface WritableDirectory extends AccountDirectory {
  putAccount(account: Account): void;
  putGroup(group: Group): void;
  dropGroup(name: string): void;
  /** All groups at once; of two with one name the later one counts. */
  setGroups(groups: readonly Group[]): void;
  /** Puts a live key in, and takes one that is revoked or past its end out. */
  putKey(key: ApiKey, at: EpochMs): void;
  groups(): readonly Group[];
}

type Rotated = Pick<ApiKey, 'id' | 'rotatedFrom'>;

export interface DirectoryContent {
  readonly accounts: Iterable<Account>;
  readonly groups: Iterable<Group>;
  readonly keys: Iterable<ApiKey>;
  /** Of all keys that replaced another, dead ones too: what they spent counts. */
  readonly rotations: Iterable<Rotated>;
}

export function createAccountDirectory(content: DirectoryContent, at: EpochMs): WritableDirectory {
  const accounts = new Map<AccountId, Account>();
  const groups = new Map<string, Group>();
  const keys = new Map<string, ApiKey>();
  const rotations = new Map<ApiKeyId, readonly ApiKeyId[]>();
  const putRotation = ({ id, rotatedFrom }: Rotated) => {
    if (rotatedFrom === undefined) return;
    const before = rotations.get(rotatedFrom) ?? [rotatedFrom];
    if (before.includes(id)) return;
    const together = [...before, ...(rotations.get(id) ?? [id])];
    for (const each of together) rotations.set(each, together);
  };
  const putKey = (key: ApiKey, now: EpochMs) => {
    putRotation(key);
    if (isLive(key, now)) keys.set(key.sha256, key);
    else keys.delete(key.sha256);
  };
  for (const account of content.accounts) accounts.set(account.id, account);
  for (const group of content.groups) groups.set(group.name, group);
  for (const rotation of content.rotations) putRotation(rotation);
  for (const key of content.keys) putKey(key, at);
  return {
    keyBySha256: (sha256) => keys.get(sha256),
    rotationOf: (id) => rotations.get(id),
    account: (id) => accounts.get(id),
    group: (name) => groups.get(name),
    groups: () => [...groups.values()],
    putAccount: (account) => void accounts.set(account.id, account),
    putGroup: (group) => void groups.set(group.name, group),
    dropGroup: (name) => void groups.delete(name),
    setGroups(all) {
      groups.clear();
      for (const group of all) groups.set(group.name, group);
    },
    putKey,
  };
}

/** Whether a key opens anything at that time. */
export function isLive(key: Pick<ApiKey, 'revokedAt' | 'expiresAt'>, at: EpochMs): boolean {
  return key.revokedAt === undefined && (key.expiresAt === undefined || key.expiresAt > at);
}
