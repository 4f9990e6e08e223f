// Tables of accounts, users, groups, API keys and the audit. Amounts, counts and times are whole numbers
// (STRICT), and what must never be true is refused by the table itself, behind all checks of the code.

import type { ColumnType, Insertable, Selectable, Updateable } from 'kysely';
import type { Migration } from '../migrate.ts';
import type { SqlFile } from '../sql-file.ts';

/** Whole numbers are read as bigint; written as either. */
type Whole = ColumnType<bigint, bigint | number, bigint | number>;
type MaybeWhole = ColumnType<bigint | null, bigint | number | null, bigint | number | null>;

/** Null: no such limit. Zero: nothing at all. */
export interface LimitColumns {
  readonly requests_per_minute: MaybeWhole;
  readonly tokens_per_minute: MaybeWhole;
  readonly concurrency: MaybeWhole;
}

/** Caps in nano-units of the account's currency. Null: no such budget. */
export interface BudgetColumns {
  readonly budget_day_nano: MaybeWhole;
  readonly budget_month_nano: MaybeWhole;
  readonly budget_total_nano: MaybeWhole;
}

export interface AccountTable extends LimitColumns, BudgetColumns {
  readonly id: string;
  readonly kind: string;
  readonly name: string;
  readonly currency: string;
  readonly overdraft_nano: Whole;
  readonly status: string;
  readonly group_name: string | null;
  readonly created_at: Whole;
}

export interface UserTable {
  readonly id: string;
  readonly name: string;
  readonly email: string | null;
  readonly created_at: Whole;
}

export interface MembershipTable {
  readonly account_id: string;
  readonly user_id: string;
  readonly role: string;
}

/** Groups that operators made; those of the config are not stored. */
export interface GroupTable extends LimitColumns {
  readonly id: string;
  readonly name: string;
  readonly multiplier_ppm: Whole;
}

export interface ApiKeyTable extends LimitColumns, BudgetColumns {
  readonly id: string;
  readonly account_id: string;
  readonly user_id: string | null;
  readonly name: string;
  readonly sha256: string;
  readonly hint: string;
  readonly group_name: string | null;
  /** JSON list of public model names. */
  readonly models: string | null;
  /** JSON list of CIDR ranges. */
  readonly addresses: string | null;
  readonly created_at: Whole;
  readonly expires_at: MaybeWhole;
  readonly revoked_at: MaybeWhole;
  readonly rotated_from: string | null;
}

/** Append-only: see src/domain/audit. */
export interface AuditEventTable {
  readonly seq: Whole;
  readonly at: Whole;
  readonly actor: string;
  readonly action: string;
  readonly target: string;
  readonly change: string;
  readonly prev_hash: string;
  readonly hash: string;
}

export interface AuditTables {
  readonly audit_event: AuditEventTable;
}

export interface AccountsTables extends AuditTables {
  readonly account: AccountTable;
  readonly user: UserTable;
  readonly membership: MembershipTable;
  readonly group: GroupTable;
  readonly api_key: ApiKeyTable;
}

/** A file that has these tables; one that has more will do. */
export type AccountsFile = SqlFile<AccountsTables>;

export type AccountRow = Selectable<AccountTable>;
export type AccountChange = Updateable<AccountTable>;
export type UserRow = Selectable<UserTable>;
export type UserChange = Updateable<UserTable>;
export type MembershipRow = Selectable<MembershipTable>;
export type GroupRow = Selectable<GroupTable>;
export type GroupChange = Updateable<GroupTable>;
export type ApiKeyRow = Selectable<ApiKeyTable>;
export type NewApiKeyRow = Insertable<ApiKeyTable>;
export type ApiKeyChange = Updateable<ApiKeyTable>;
export type AuditEventRow = Selectable<AuditEventTable>;
export type LimitValues = Selectable<LimitColumns>;
export type BudgetValues = Selectable<BudgetColumns>;

const limitColumns = `
  requests_per_minute INTEGER CHECK (requests_per_minute >= 0),
  tokens_per_minute INTEGER CHECK (tokens_per_minute >= 0),
  concurrency INTEGER CHECK (concurrency >= 0)`;

const budgetColumns = `
  budget_day_nano INTEGER CHECK (budget_day_nano >= 0),
  budget_month_nano INTEGER CHECK (budget_month_nano >= 0),
  budget_total_nano INTEGER CHECK (budget_total_nano >= 0)`;

/** The host puts the migrations of all nouns into one list, and appends to its end for ever. */
export const accountsMigrations: readonly Migration[] = [
  {
    name: '001-audit',
    statements: [
      `CREATE TABLE audit_event (
        seq INTEGER PRIMARY KEY,
        at INTEGER NOT NULL,
        actor TEXT NOT NULL,
        action TEXT NOT NULL,
        target TEXT NOT NULL,
        change TEXT NOT NULL,
        prev_hash TEXT NOT NULL UNIQUE,
        hash TEXT NOT NULL UNIQUE
      ) STRICT`,
      'CREATE INDEX audit_event_target ON audit_event (target, seq)',
      `CREATE TRIGGER audit_event_stays BEFORE UPDATE ON audit_event BEGIN
        SELECT RAISE(ABORT, 'audit events are append-only'); END`,
      `CREATE TRIGGER audit_event_remains BEFORE DELETE ON audit_event BEGIN
        SELECT RAISE(ABORT, 'audit events are append-only'); END`,
    ],
  },
  {
    name: '001-accounts',
    statements: [
      `CREATE TABLE account (
        id TEXT PRIMARY KEY,
        kind TEXT NOT NULL CHECK (kind IN ('person', 'company')),
        name TEXT NOT NULL,
        currency TEXT NOT NULL CHECK (length(currency) = 3),
        overdraft_nano INTEGER NOT NULL CHECK (overdraft_nano >= 0),
        status TEXT NOT NULL CHECK (status IN ('active', 'suspended', 'closed')),
        group_name TEXT,
        ${limitColumns},
        ${budgetColumns},
        created_at INTEGER NOT NULL
      ) STRICT`,
      'CREATE INDEX account_group ON account (group_name) WHERE group_name IS NOT NULL',
      `CREATE TABLE "user" (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        email TEXT,
        created_at INTEGER NOT NULL
      ) STRICT`,
      'CREATE UNIQUE INDEX user_email ON "user" (lower(email)) WHERE email IS NOT NULL',
      `CREATE TABLE membership (
        account_id TEXT NOT NULL REFERENCES account (id),
        user_id TEXT NOT NULL REFERENCES "user" (id),
        role TEXT NOT NULL CHECK (role IN ('owner', 'admin', 'member')),
        PRIMARY KEY (account_id, user_id)
      ) STRICT`,
      'CREATE INDEX membership_user ON membership (user_id)',
      `CREATE TABLE "group" (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        multiplier_ppm INTEGER NOT NULL CHECK (multiplier_ppm >= 0),
        ${limitColumns}
      ) STRICT`,
      `CREATE TABLE api_key (
        id TEXT PRIMARY KEY,
        account_id TEXT NOT NULL REFERENCES account (id),
        user_id TEXT REFERENCES "user" (id),
        name TEXT NOT NULL,
        sha256 TEXT NOT NULL UNIQUE CHECK (length(sha256) = 64),
        hint TEXT NOT NULL,
        group_name TEXT,
        models TEXT,
        addresses TEXT,
        ${limitColumns},
        ${budgetColumns},
        created_at INTEGER NOT NULL,
        expires_at INTEGER,
        revoked_at INTEGER,
        rotated_from TEXT UNIQUE REFERENCES api_key (id)
      ) STRICT`,
      'CREATE INDEX api_key_account ON api_key (account_id, id)',
      'CREATE INDEX api_key_group ON api_key (group_name) WHERE group_name IS NOT NULL',
      'CREATE INDEX api_key_user ON api_key (user_id) WHERE user_id IS NOT NULL',
    ],
  },
];
