// What may be asked of accounts, users, groups and API keys, as values. A patch holds only what is to change:
// undefined leaves a field as it is, null takes it away.

import type { EpochMs } from '../../core/clock.ts';
import type { AccountId, UserId } from '../../core/ids.ts';
import type { Currency, Nano, Ppm } from '../../core/money.ts';
import type { BudgetWindow } from '../ledger/ledger.ts';
import { noLimits } from './accounts.ts';
import type { Account, ApiKey, Budget, Limits, User } from './accounts.ts';

export type LimitsPatch = { readonly [K in keyof Limits]?: number | null | undefined };
export type BudgetsPatch = { readonly [W in BudgetWindow]?: Nano | null | undefined };

export interface NewAccount {
  readonly kind: Account['kind'];
  readonly name: string;
  /** The config's currency if left out. It never changes afterwards. */
  readonly currency?: Currency | undefined;
  readonly overdraftNano?: Nano | undefined;
  readonly group?: string | null | undefined;
  readonly limits?: LimitsPatch | undefined;
  readonly budgets?: BudgetsPatch | undefined;
}

export interface AccountPatch {
  readonly name?: string | undefined;
  readonly status?: Account['status'] | undefined;
  readonly overdraftNano?: Nano | undefined;
  readonly group?: string | null | undefined;
  readonly limits?: LimitsPatch | undefined;
  readonly budgets?: BudgetsPatch | undefined;
}

export interface NewUser {
  readonly name: string;
  readonly email?: string | null | undefined;
}

export interface UserPatch {
  readonly name?: string | undefined;
  readonly email?: string | null | undefined;
}

export type Role = User['memberships'][number]['role'];

export interface NewGroup {
  readonly name: string;
  readonly multiplierPpm?: Ppm | undefined;
  readonly limits?: LimitsPatch | undefined;
}

/** A group's name never changes: accounts, keys, models and records refer to it. */
export interface GroupPatch {
  readonly multiplierPpm?: Ppm | undefined;
  readonly limits?: LimitsPatch | undefined;
}

export interface NewApiKey {
  readonly accountId: AccountId;
  readonly name: string;
  readonly userId?: UserId | null | undefined;
  readonly group?: string | null | undefined;
  readonly models?: readonly string[] | null | undefined;
  readonly addresses?: readonly string[] | null | undefined;
  readonly limits?: LimitsPatch | undefined;
  readonly budgets?: BudgetsPatch | undefined;
  readonly expiresAt?: EpochMs | null | undefined;
}

/** A key stays with its account and its user. */
export interface ApiKeyPatch {
  readonly name?: string | undefined;
  readonly group?: string | null | undefined;
  readonly models?: readonly string[] | null | undefined;
  readonly addresses?: readonly string[] | null | undefined;
  readonly limits?: LimitsPatch | undefined;
  readonly budgets?: BudgetsPatch | undefined;
  readonly expiresAt?: EpochMs | null | undefined;
}

/** A key as it is made: the only time that its text is there. */
export interface IssuedApiKey {
  readonly apiKey: ApiKey;
  /** The key itself. Shown once, stored nowhere. */
  readonly key: string;
}

/** Limits of something new. */
export function limitsOfPatch(patch: LimitsPatch | undefined): Limits {
  const limits: Limits = {
    requestsPerMinute: patch?.requestsPerMinute ?? undefined,
    tokensPerMinute: patch?.tokensPerMinute ?? undefined,
    concurrency: patch?.concurrency ?? undefined,
  };
  return Object.values(limits).every((limit) => limit === undefined) ? noLimits : limits;
}

/** Budgets of something new. */
export function budgetsOfPatch(patch: BudgetsPatch | undefined): readonly Budget[] {
  return (['day', 'month', 'total'] as const).flatMap((window) => {
    const capNano = patch?.[window];
    return capNano === undefined || capNano === null ? [] : [{ window, capNano }];
  });
}

/** True if the patch changes nothing, also where an object in it is empty. */
export function isEmptyPatch(patch: object): boolean {
  return Object.values(patch).every(
    (value: unknown) =>
      value === undefined ||
      (typeof value === 'object' && value !== null && !Array.isArray(value) && isEmptyPatch(value)),
  );
}
