// Rows to values and patches to columns. Invariant: a patch becomes exactly the columns that it names, so
// that an update never writes back what somebody else has changed meanwhile.

import { isId } from '../../core/ids.ts';
import type { IdPrefix, Id } from '../../core/ids.ts';
import type {
  AccountChange,
  AccountRow,
  ApiKeyChange,
  ApiKeyRow,
  BudgetColumns,
  BudgetValues,
  GroupChange,
  GroupRow,
  LimitColumns,
  LimitValues,
  MembershipRow,
  NewApiKeyRow,
  UserChange,
  UserRow,
} from '../../store/schema/accounts.ts';
import { noLimits } from './accounts.ts';
import type { Account, ApiKey, Budget, Group, Limits, User } from './accounts.ts';
import type {
  AccountPatch,
  ApiKeyPatch,
  BudgetsPatch,
  GroupPatch,
  LimitsPatch,
  UserPatch,
} from './changes.ts';

/** A row that the code could not have written: the file was changed by other hands. */
export class CorruptRowError extends Error {
  constructor(table: string, id: string, column: string) {
    super(`row ${id} of table ${table} has a ${column} that Tollgate never writes; restore a backup`);
  }
}

export function accountOf(row: AccountRow): Account {
  return {
    id: idOf('acc', row.id),
    kind: oneOf(['person', 'company'] as const, row.kind, 'account', row.id, 'kind'),
    name: row.name,
    currency: row.currency,
    overdraftNano: row.overdraft_nano,
    status: oneOf(['active', 'suspended', 'closed'] as const, row.status, 'account', row.id, 'status'),
    group: row.group_name ?? undefined,
    limits: limitsOf(row),
    budgets: budgetsOf(row),
    createdAt: Number(row.created_at),
  };
}

export function groupOf(row: GroupRow): Group {
  return {
    id: idOf('grp', row.id),
    name: row.name,
    multiplierPpm: Number(row.multiplier_ppm),
    limits: limitsOf(row),
    source: 'admin',
  };
}

export function userOf(row: UserRow, memberships: User['memberships']): User {
  return {
    id: idOf('usr', row.id),
    name: row.name,
    email: row.email ?? undefined,
    createdAt: Number(row.created_at),
    memberships,
  };
}

export function membershipOf(row: MembershipRow): User['memberships'][number] {
  return {
    accountId: idOf('acc', row.account_id),
    role: oneOf(['owner', 'admin', 'member'] as const, row.role, 'membership', row.user_id, 'role'),
  };
}

export function apiKeyOf(row: ApiKeyRow): ApiKey {
  return {
    id: idOf('key', row.id),
    accountId: idOf('acc', row.account_id),
    userId: row.user_id === null ? undefined : idOf('usr', row.user_id),
    name: row.name,
    sha256: row.sha256,
    hint: row.hint,
    group: row.group_name ?? undefined,
    models: listOf(row.models, row.id, 'models'),
    addresses: listOf(row.addresses, row.id, 'addresses'),
    limits: limitsOf(row),
    budgets: budgetsOf(row),
    createdAt: Number(row.created_at),
    expiresAt: row.expires_at === null ? undefined : Number(row.expires_at),
    revokedAt: row.revoked_at === null ? undefined : Number(row.revoked_at),
    rotatedFrom: rotationOf(row).rotatedFrom,
  };
}

export function rotationOf(row: Pick<ApiKeyRow, 'id' | 'rotated_from'>): Pick<ApiKey, 'id' | 'rotatedFrom'> {
  return {
    id: idOf('key', row.id),
    rotatedFrom: row.rotated_from === null ? undefined : idOf('key', row.rotated_from),
  };
}

export function apiKeyRow(key: ApiKey): NewApiKeyRow {
  return {
    id: key.id,
    account_id: key.accountId,
    user_id: key.userId ?? null,
    name: key.name,
    sha256: key.sha256,
    hint: key.hint,
    group_name: key.group ?? null,
    models: listText(key.models),
    addresses: listText(key.addresses),
    ...limitColumns(key.limits),
    ...budgetColumns(budgetsPatchOf(key.budgets)),
    created_at: key.createdAt,
    expires_at: key.expiresAt ?? null,
    revoked_at: key.revokedAt ?? null,
    rotated_from: key.rotatedFrom ?? null,
  };
}

export function accountColumns(patch: AccountPatch): AccountChange {
  return {
    ...(patch.name !== undefined && { name: patch.name }),
    ...(patch.status !== undefined && { status: patch.status }),
    ...(patch.overdraftNano !== undefined && { overdraft_nano: patch.overdraftNano }),
    ...(patch.group !== undefined && { group_name: patch.group }),
    ...limitColumns(patch.limits),
    ...budgetColumns(patch.budgets),
  };
}

export function userColumns(patch: UserPatch): UserChange {
  return {
    ...(patch.name !== undefined && { name: patch.name }),
    ...(patch.email !== undefined && { email: patch.email }),
  };
}

export function groupColumns(patch: GroupPatch): GroupChange {
  return {
    ...(patch.multiplierPpm !== undefined && { multiplier_ppm: patch.multiplierPpm }),
    ...limitColumns(patch.limits),
  };
}

export function apiKeyColumns(patch: ApiKeyPatch): ApiKeyChange {
  return {
    ...(patch.name !== undefined && { name: patch.name }),
    ...(patch.group !== undefined && { group_name: patch.group }),
    ...(patch.models !== undefined && { models: listText(patch.models ?? undefined) }),
    ...(patch.addresses !== undefined && { addresses: listText(patch.addresses ?? undefined) }),
    ...(patch.expiresAt !== undefined && { expires_at: patch.expiresAt }),
    ...limitColumns(patch.limits),
    ...budgetColumns(patch.budgets),
  };
}

type LimitPatchColumns = { -readonly [K in keyof LimitColumns]?: number | null };
type BudgetPatchColumns = { -readonly [K in keyof BudgetColumns]?: bigint | null };

export function limitColumns(patch: LimitsPatch | undefined): LimitPatchColumns {
  const columns: LimitPatchColumns = {};
  if (patch?.requestsPerMinute !== undefined) columns.requests_per_minute = patch.requestsPerMinute;
  if (patch?.tokensPerMinute !== undefined) columns.tokens_per_minute = patch.tokensPerMinute;
  if (patch?.concurrency !== undefined) columns.concurrency = patch.concurrency;
  return columns;
}

export function budgetColumns(patch: BudgetsPatch | undefined): BudgetPatchColumns {
  const columns: BudgetPatchColumns = {};
  if (patch?.day !== undefined) columns.budget_day_nano = patch.day;
  if (patch?.month !== undefined) columns.budget_month_nano = patch.month;
  if (patch?.total !== undefined) columns.budget_total_nano = patch.total;
  return columns;
}

export function budgetsPatchOf(budgets: readonly Budget[]): BudgetsPatch {
  return Object.fromEntries(budgets.map((budget) => [budget.window, budget.capNano]));
}

/** One value for all that have no limits: a hundred thousand keys share it. */
function limitsOf(row: LimitValues): Limits {
  if (row.requests_per_minute === null && row.tokens_per_minute === null && row.concurrency === null)
    return noLimits;
  return {
    requestsPerMinute: numberOf(row.requests_per_minute),
    tokensPerMinute: numberOf(row.tokens_per_minute),
    concurrency: numberOf(row.concurrency),
  };
}

const numberOf = (whole: bigint | null): number | undefined => (whole === null ? undefined : Number(whole));

const noBudgets: readonly Budget[] = Object.freeze([]);

function budgetsOf(row: BudgetValues): readonly Budget[] {
  if (row.budget_day_nano === null && row.budget_month_nano === null && row.budget_total_nano === null)
    return noBudgets;
  const budgets: Budget[] = [];
  if (row.budget_day_nano !== null) budgets.push({ window: 'day', capNano: row.budget_day_nano });
  if (row.budget_month_nano !== null) budgets.push({ window: 'month', capNano: row.budget_month_nano });
  if (row.budget_total_nano !== null) budgets.push({ window: 'total', capNano: row.budget_total_nano });
  return budgets;
}

const listText = (list: readonly string[] | undefined): string | null =>
  list === undefined ? null : JSON.stringify(list);

/** Fails closed: a list that cannot be read must not turn into "everything". */
function listOf(text: string | null, id: string, column: string): readonly string[] | undefined {
  if (text === null) return undefined;
  const list: unknown = JSON.parse(text);
  if (Array.isArray(list) && list.every((item) => typeof item === 'string')) return list;
  throw new CorruptRowError('api_key', id, column);
}

function oneOf<T extends string>(
  values: readonly T[],
  text: string,
  table: string,
  id: string,
  column: string,
): T {
  const found = values.find((value) => value === text);
  if (found === undefined) throw new CorruptRowError(table, id, column);
  return found;
}

function idOf<P extends IdPrefix>(prefix: P, text: string): Id<P> {
  if (!isId(prefix, text)) throw new CorruptRowError(prefix, text, 'id');
  return text;
}
