// A file of tables as its stores have it. What a start reads is written out as SQL; Kysely builds every other query and
// is loaded when the first of them is asked for, because its code and its building would be a sixth of a start.

import type { Database } from 'bun:sqlite';
import type { Kysely, Transaction } from 'kysely';

export interface SqlFile<Tables> {
  /**
   * All rows of a query. For opening only, before anything writes: it does not wait for its turn, and would see half of
   * a transaction.
   */
  readonly rows: <Row>(query: string, ...values: readonly (string | bigint)[]) => readonly Row[];
  /** The same one by one, for what may be long. */
  readonly eachRow: <Row>(query: string, ...values: readonly (string | bigint)[]) => Iterable<Row>;
  readonly kysely: () => Promise<Kysely<Tables>>;
  /** All of the work or, if it throws, nothing. */
  transaction<Result>(work: (transaction: Transaction<Tables>) => Promise<Result>): Promise<Result>;
  close(): Promise<void>;
}

export function sqlFileOn<Tables>(database: Database): SqlFile<Tables> {
  let made: Promise<Kysely<Tables>> | undefined;
  const kysely = () => (made ??= import('./kysely.ts').then(({ kyselyOn }) => kyselyOn<Tables>(database)));
  return {
    rows: <Row>(query: string, ...values: readonly (string | bigint)[]) =>
      database.query<Row, (string | bigint)[]>(query).all(...values),
    eachRow: <Row>(query: string, ...values: readonly (string | bigint)[]) =>
      database.prepare<Row, (string | bigint)[]>(query).iterate(...values),
    kysely,
    transaction: async (work) => (await kysely()).transaction().execute(work),
    async close() {
      if (made === undefined) database.close();
      else await (await made).destroy();
    },
  };
}
