// Which account a reply belongs to that an upstream keeps (OpenAI's stored responses), and at which upstream it is.
// Anybody can name an id: what is not the caller's does not exist for them. A reply is known by its upstream and its id
// together, so that no upstream's word touches what another keeps; an id that one upstream gives to two accounts is
// nobody's, since nobody can tell whose reply it would show. Rows are written behind, a second's worth at a time,
// because none of them is worth a disk's wait; what a crash loses is answered with 404, and costs nobody money.

import type { Clock, EpochMs } from '../../core/clock.ts';
import { isId } from '../../core/ids.ts';
import type { AccountId, UpstreamId } from '../../core/ids.ts';
import type { StoredReplyRow, StoredReplyTables } from '../../store/schema/stored-replies.ts';
import type { SqlFile } from '../../store/sql-file.ts';

export interface StoredReply {
  readonly id: string;
  readonly accountId: AccountId;
  readonly upstreamId: UpstreamId;
  readonly model: string;
  readonly createdAt: EpochMs;
}

export interface StoredReplies {
  /** Known at once, on the disk within about a second. */
  keep(reply: StoredReply): void;
  /**
   * Undefined for one that is unknown, and for one that is another account's. Where two upstreams gave the caller the
   * same id it is the first one's.
   */
  find(id: string, accountId: AccountId): Promise<StoredReply | undefined>;
  /** Its upstream has it no more. What another upstream calls by the same id stays. */
  forget(reply: StoredReply): Promise<void>;
  /** Writes what waits. */
  close(): Promise<void>;
}

/** A line for the operator's log. */
export type StoredRepliesTrouble = (message: string, error?: unknown) => void;

/** Runs `work` once after so long; the function that it gives calls that off. */
export type Later = (work: () => void, waitMs: number) => () => void;

const ID_LENGTH_MAX = 200;
/** Ids that wait for a disk that is away; what comes beyond them is forgotten. */
const WAITING_MAX = 100_000;
/** In an account's place. */
const NOBODY = '';
const WRITE_AFTER_MS = 1_000;
/** Between attempts while the disk is away: doubled each time, up to this. */
const WRITE_AGAIN_MAX_MS = 60_000;
/** The event loop goes on between two transactions. */
const ROWS_AT_ONCE = 500;
/** OpenAI keeps replies for thirty days. */
const KEPT_MS = 40 * 24 * 60 * 60 * 1_000;

const timerLater: Later = (work, waitMs) => {
  const timer = setTimeout(work, waitMs);
  timer.unref();
  return () => clearTimeout(timer);
};

export function openStoredReplies(
  file: SqlFile<StoredReplyTables>,
  clock: Clock,
  trouble: StoredRepliesTrouble,
  later: Later = timerLater,
): StoredReplies {
  /** By id; several rows where several upstreams gave it. */
  const waiting = new Map<string, readonly StoredReplyRow[]>();
  let callOff: (() => void) | undefined;
  let failures = 0;
  let full = false;
  let writing: Promise<void> = Promise.resolve();

  const letGo = (id: string, isOver: (row: StoredReplyRow) => boolean): void => {
    const left = waiting.get(id)?.filter((row) => !isOver(row)) ?? [];
    if (left.length === 0) waiting.delete(id);
    else waiting.set(id, left);
  };
  const writeAll = async (): Promise<void> => {
    try {
      for (let rows = firstOf(waiting); rows.length > 0; rows = firstOf(waiting)) {
        await writeRows(file, rows, clock.now() - KEPT_MS);
        const done = new Set(rows);
        for (const { id } of rows) letGo(id, (row) => done.has(row));
        await new Promise((resolve) => setImmediate(resolve));
      }
      failures = 0;
      full = false;
    } catch (error) {
      failures += 1;
      trouble(`${waiting.size} could not be written down`, error);
    }
  };
  const write = (): Promise<void> => {
    callOff?.();
    callOff = undefined;
    writing = writing.then(writeAll);
    return writing;
  };
  const writeSoon = (): void => {
    const waitMs = Math.min(WRITE_AGAIN_MAX_MS, WRITE_AFTER_MS * 2 ** failures);
    callOff ??= later(() => void write().then(() => waiting.size > 0 && writeSoon()), waitMs);
  };

  return {
    keep(reply) {
      if (!isNameable(reply.id)) return;
      const others = waiting.get(reply.id);
      if (others !== undefined || waiting.size < WAITING_MAX) {
        waiting.set(reply.id, joined(others ?? [], [rowOf(reply)]));
        return writeSoon();
      }
      if (full) return;
      full = true;
      trouble(`${waiting.size} wait for the disk; what comes beyond them is forgotten`);
    },
    async find(id, accountId) {
      if (!isNameable(id)) return undefined;
      // What waits may be written while the disk is read: then it was waiting before.
      const before = waiting.get(id) ?? [];
      const rows = joined(joined(await rowsOf(file, id), before), waiting.get(id) ?? []);
      const own = rows.find((row) => row.account_id === accountId);
      return own === undefined ? undefined : replyOf(own);
    },
    async forget({ id, accountId, upstreamId }) {
      letGo(id, (row) => row.upstream_id === upstreamId && row.account_id === accountId);
      await writing;
      await (await file.kysely())
        .deleteFrom('stored_reply')
        .where('id', '=', id)
        .where('upstream_id', '=', upstreamId)
        .where('account_id', '=', accountId)
        .execute();
    },
    close: write,
  };
}

/** What a path can name, and the disk gives back as it was. */
const isNameable = (id: string): boolean =>
  id.length > 0 && id.length <= ID_LENGTH_MAX && id.isWellFormed() && id !== '.' && id !== '..';

/** The same on the disk is in `writeRows`: it comes to the same in any order, whoever else writes there. */
function joined(rows: readonly StoredReplyRow[], later: readonly StoredReplyRow[]): readonly StoredReplyRow[] {
  return later.reduce((all, row) => {
    const at = all.findIndex(({ upstream_id: upstream }) => upstream === row.upstream_id);
    if (at < 0) return [...all, row];
    return all.with(at, all[at]?.account_id === row.account_id ? row : { ...row, account_id: NOBODY });
  }, rows);
}

function firstOf(waiting: ReadonlyMap<string, readonly StoredReplyRow[]>): readonly StoredReplyRow[] {
  const rows: StoredReplyRow[] = [];
  for (const each of waiting.values()) {
    rows.push(...each);
    if (rows.length >= ROWS_AT_ONCE) break;
  }
  return rows;
}

const writeRows = (
  file: SqlFile<StoredReplyTables>,
  rows: readonly StoredReplyRow[],
  expiredBefore: EpochMs,
): Promise<unknown> =>
  file.transaction(async (transaction) => {
    await transaction
      .insertInto('stored_reply')
      .values(rows)
      .onConflict((conflict) =>
        conflict.columns(['id', 'upstream_id']).doUpdateSet((is) => ({
          account_id: is
            .case()
            .when('stored_reply.account_id', '=', is.ref('excluded.account_id'))
            .then(is.ref('excluded.account_id'))
            .else(NOBODY)
            .end(),
          model: is.ref('excluded.model'),
          created_at: is.ref('excluded.created_at'),
        })),
      )
      .execute();
    await transaction.deleteFrom('stored_reply').where('created_at', '<', BigInt(expiredBefore)).execute();
  });

/** In the order in which they were first written. */
async function rowsOf(file: SqlFile<StoredReplyTables>, id: string): Promise<readonly StoredReplyRow[]> {
  const kysely = await file.kysely();
  return kysely.selectFrom('stored_reply').selectAll().where('id', '=', id).orderBy('place').execute();
}

const rowOf = ({ id, accountId, upstreamId, model, createdAt }: StoredReply): StoredReplyRow => ({
  id,
  account_id: accountId,
  upstream_id: upstreamId,
  model,
  created_at: BigInt(createdAt),
});

function replyOf(row: StoredReplyRow): StoredReply | undefined {
  if (!isId('acc', row.account_id) || !isId('ups', row.upstream_id)) return undefined;
  const { id, model, created_at: createdAt } = row;
  return { id, accountId: row.account_id, upstreamId: row.upstream_id, model, createdAt: Number(createdAt) };
}
