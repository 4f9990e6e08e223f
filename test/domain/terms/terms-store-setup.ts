// A terms domain over a store in memory, with a clock that the test moves.

import type { Database } from 'bun:sqlite';
import { newId, type AccountId, type ApiKeyId } from '../../../src/core/ids.ts';
import { createTermsStore } from '../../../src/domain/terms/terms-store.ts';
import {
  openTerms,
  type Acceptor,
  type Origin,
  type ReloadableTerms,
} from '../../../src/domain/terms/terms-service.ts';
import { migrate } from '../../../src/store/migrate.ts';
import { termsMigrations, type TermsTables } from '../../../src/store/schema/terms.ts';
import { sqlFileOn } from '../../../src/store/sql-file.ts';
import { openSqlite } from '../../../src/store/sqlite.ts';

export const dayMs = 24 * 60 * 60 * 1000;

export interface TermsSetup {
  readonly database: Database;
  /** Moves the clock to a moment of UTC. */
  at(text: string): void;
  now(): number;
  /** Opens the domain anew on the same store, as a restart would. */
  open(...texts: readonly string[]): Promise<ReloadableTerms>;
  /** Hands other documents to a domain that is open, as a reload does; `between` runs before they are published. */
  reload(terms: ReloadableTerms, texts: readonly string[], between?: () => Promise<unknown>): Promise<void>;
}

export function setUpTerms(): TermsSetup {
  const database = openSqlite({ path: ':memory:' });
  migrate(database, termsMigrations);
  const store = createTermsStore(sqlFileOn<TermsTables>(database));
  let now = Date.parse('2026-02-01T00:00:00Z');
  const clock = { now: () => now, monotonicMs: () => now };
  return {
    database,
    at: (text) => void (now = Date.parse(text)),
    now: () => now,
    open: (...texts) =>
      openTerms(
        texts.map((text, index) => ({ file: `terms-${index}.md`, text })),
        { store, clock, newId },
      ),
    async reload(terms, texts, between = async () => undefined) {
      const prepared = terms.prepare(texts.map((text, index) => ({ file: `terms-${index}.md`, text })));
      await between();
      await store.transaction(prepared.write);
      prepared.publish();
    },
  };
}

export function someone(
  name = '1',
): Acceptor & { readonly accountId: AccountId; readonly apiKeyId: ApiKeyId } {
  return { accountId: `acc_${name}`, userId: undefined, apiKeyId: `key_${name}` };
}

export const somewhere: Origin = { address: '203.0.113.9', country: 'SG', userAgent: 'curl/8', locale: 'en' };
