// Tables of terms documents and of who accepted which. Both are evidence: the tables themselves refuse any
// change of a row and any removal, and a second row for the same acceptance is ignored, whatever statement
// tries.

import type { ColumnType } from 'kysely';
import type { Migration } from '../migrate.ts';

/** Whole numbers are read as bigint; written as either. */
type Whole = ColumnType<bigint, bigint | number, never>;

export interface TermsVersionTable {
  readonly id: string;
  readonly document: string;
  readonly version: string;
  readonly title: string;
  readonly locale: string;
  readonly effective_at: Whole;
  readonly governing_law: string | null;
  readonly acceptance: string;
  readonly text: string;
  readonly sha256: string;
  readonly published_at: Whole;
}

/** The clauses as they were read when the version was published, in the document's order. */
export interface TermsClauseTable {
  readonly version_id: string;
  readonly position: Whole;
  readonly id: string;
  readonly title: string;
  readonly kind: string;
  readonly text: string;
  readonly limits_liability: Whole;
  readonly material: Whole;
}

export interface TermsAcceptanceTable {
  readonly id: string;
  readonly account_id: string;
  readonly user_id: string | null;
  readonly api_key_id: string | null;
  readonly document: string;
  readonly version: string;
  readonly sha256: string;
  readonly at: Whole;
  readonly address: string;
  readonly country: string;
  readonly user_agent: string | null;
  readonly locale: string | null;
  readonly method: string;
}

export interface TermsTables {
  readonly terms_version: TermsVersionTable;
  readonly terms_clause: TermsClauseTable;
  readonly terms_acceptance: TermsAcceptanceTable;
}

const stays = (table: string): readonly string[] => [
  `CREATE TRIGGER ${table}_stays BEFORE UPDATE ON ${table} BEGIN SELECT RAISE(ABORT, '${table} is append-only'); END`,
  `CREATE TRIGGER ${table}_remains BEFORE DELETE ON ${table} BEGIN SELECT RAISE(ABORT, '${table} is append-only'); END`,
];

/** The host puts the migrations of all nouns into one list, and appends to its end for ever. */
export const termsMigrations: readonly Migration[] = [
  {
    name: '004-terms',
    statements: [
      `CREATE TABLE terms_version (
        id TEXT PRIMARY KEY,
        document TEXT NOT NULL,
        version TEXT NOT NULL,
        title TEXT NOT NULL,
        locale TEXT NOT NULL,
        effective_at INTEGER NOT NULL,
        governing_law TEXT,
        acceptance TEXT NOT NULL CHECK (acceptance IN ('use', 'explicit')),
        text TEXT NOT NULL,
        sha256 TEXT NOT NULL CHECK (length(sha256) = 64),
        published_at INTEGER NOT NULL,
        UNIQUE (document, version),
        UNIQUE (document, version, sha256)
      ) STRICT`,
      `CREATE TABLE terms_clause (
        version_id TEXT NOT NULL REFERENCES terms_version (id),
        position INTEGER NOT NULL CHECK (position >= 0),
        id TEXT NOT NULL,
        title TEXT NOT NULL,
        kind TEXT NOT NULL CHECK (kind IN ('enforced', 'served', 'recorded', 'declared')),
        text TEXT NOT NULL,
        limits_liability INTEGER NOT NULL CHECK (limits_liability IN (0, 1)),
        material INTEGER NOT NULL CHECK (material IN (0, 1)),
        PRIMARY KEY (version_id, position),
        UNIQUE (version_id, id)
      ) STRICT`,
      `CREATE TABLE terms_acceptance (
        id TEXT PRIMARY KEY,
        account_id TEXT NOT NULL,
        user_id TEXT,
        api_key_id TEXT,
        document TEXT NOT NULL,
        version TEXT NOT NULL,
        sha256 TEXT NOT NULL,
        at INTEGER NOT NULL,
        address TEXT NOT NULL,
        country TEXT NOT NULL,
        user_agent TEXT,
        locale TEXT,
        method TEXT NOT NULL CHECK (method IN ('use', 'explicit')),
        UNIQUE (account_id, document, version, method),
        FOREIGN KEY (document, version, sha256) REFERENCES terms_version (document, version, sha256)
      ) STRICT`,
      'CREATE INDEX terms_acceptance_document ON terms_acceptance (document, version, id)',
      ...stays('terms_version'),
      ...stays('terms_clause'),
      ...stays('terms_acceptance'),
      // REPLACE removes rows without asking the triggers above, so what is there already is not written again
      // at all.
      `CREATE TRIGGER terms_version_once BEFORE INSERT ON terms_version
        WHEN EXISTS (SELECT 1 FROM terms_version WHERE id = NEW.id OR (document = NEW.document AND version = NEW.version))
        BEGIN SELECT RAISE(ABORT, 'this version is published already'); END`,
      `CREATE TRIGGER terms_clause_once BEFORE INSERT ON terms_clause
        WHEN EXISTS (SELECT 1 FROM terms_clause WHERE version_id = NEW.version_id AND (position = NEW.position OR id = NEW.id))
        BEGIN SELECT RAISE(ABORT, 'this clause is published already'); END`,
      `CREATE TRIGGER terms_acceptance_once BEFORE INSERT ON terms_acceptance
        WHEN EXISTS (SELECT 1 FROM terms_acceptance WHERE id = NEW.id OR (
          account_id = NEW.account_id AND document = NEW.document AND version = NEW.version AND method = NEW.method))
        BEGIN SELECT RAISE(IGNORE); END`,
    ],
  },
];
