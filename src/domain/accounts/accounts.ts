// Accounts pay, users sign in, groups share multipliers and limits, API keys open /v1. Values are immutable: a change
// replaces the whole value in the directory, so that a running request keeps the one it was admitted with.

import type { EpochMs } from '../../core/clock.ts';
import type { AccountId, ApiKeyId, GroupId, UserId } from '../../core/ids.ts';
import type { Currency, Nano, Ppm } from '../../core/money.ts';
import type { BudgetWindow } from '../ledger/ledger.ts';

export interface Account {
  readonly id: AccountId;
  readonly kind: 'person' | 'company';
  readonly name: string;
  readonly currency: Currency;
  /** How far below zero the balance may go. */
  readonly overdraftNano: Nano;
  readonly status: 'active' | 'suspended' | 'closed';
  /** Name of a group; its multiplier and limits apply to every key that names no group of its own. */
  readonly group: string | undefined;
  readonly limits: Limits;
  readonly budgets: readonly Budget[];
  readonly createdAt: EpochMs;
}

export interface Limits {
  readonly requestsPerMinute: number | undefined;
  readonly tokensPerMinute: number | undefined;
  readonly concurrency: number | undefined;
}
export const noLimits: Limits = { requestsPerMinute: undefined, tokensPerMinute: undefined, concurrency: undefined };

export interface Budget {
  readonly window: BudgetWindow;
  readonly capNano: Nano;
}

export interface User {
  readonly id: UserId;
  readonly name: string;
  readonly email: string | undefined;
  readonly createdAt: EpochMs;
  readonly memberships: readonly { readonly accountId: AccountId; readonly role: 'owner' | 'admin' | 'member' }[];
}

export interface Group {
  readonly id: GroupId;
  readonly name: string;
  readonly multiplierPpm: Ppm;
  readonly limits: Limits;
  /** Declared in the config: read-only in the admin API. */
  readonly source: 'config' | 'admin';
}

export interface ApiKey {
  readonly id: ApiKeyId;
  readonly accountId: AccountId;
  readonly userId: UserId | undefined;
  readonly name: string;
  /** Lower-case hex SHA-256 of the whole key. The key itself is never stored. */
  readonly sha256: string;
  /** Shown to people: the prefix and the last four characters. */
  readonly hint: string;
  readonly group: string | undefined;
  /** Public model names that it may use; undefined: all that its account may. */
  readonly models: readonly string[] | undefined;
  /** CIDR ranges from which it may be used; undefined: everywhere. */
  readonly addresses: readonly string[] | undefined;
  readonly limits: Limits;
  readonly budgets: readonly Budget[];
  readonly createdAt: EpochMs;
  /** From then on it is refused. Rotation sets it on the old key. */
  readonly expiresAt: EpochMs | undefined;
  /** Set once, when it is deleted. */
  readonly revokedAt: EpochMs | undefined;
  /** The key that this one replaces, or was replaced by, at rotation. */
  readonly rotatedFrom: ApiKeyId | undefined;
}

/** What authenticate and admit look up: in memory, immutable values, replaced at each change. Never awaits. */
export interface AccountDirectory {
  keyBySha256(sha256: string): ApiKey | undefined;
  /** The keys that replaced each other, this one among them: one budget covers them all. Undefined: never rotated. */
  rotationOf(id: ApiKeyId): readonly ApiKeyId[] | undefined;
  account(id: AccountId): Account | undefined;
  group(name: string): Group | undefined;
}
