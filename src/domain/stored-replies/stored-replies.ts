// Which account a reply belongs to that an upstream keeps (OpenAI's stored responses), and at which upstream it is.
// Anybody can name an id: what is not the caller's does not exist for them. Rows are written behind, a second's worth
// at a time, because none of them is worth a disk's wait; what a crash loses is answered with 404, and costs nobody
// money.

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
  /** Undefined for one that is unknown, and for one that is another account's. */
  find(id: string, accountId: AccountId): Promise<StoredReply | undefined>;
  /** Its upstream has it no more. What another upstream calls by the same id stays. */
  forget(reply: StoredReply): Promise<void>;
  close(): Promise<void>;
}

const WRITE_AFTER_MS = 1_000;
/** OpenAI keeps replies for thirty days. */
const KEPT_MS = 40 * 24 * 60 * 60 * 1_000;
const ID_LENGTH_MAX = 200;
/** Rows that wait for a disk that is away; what comes beyond them is forgotten. */
const WAITING_MAX = 100_000;

export function openStoredReplies(
  file: SqlFile<StoredReplyTables>,
  clock: Clock,
  failed: (error: unknown) => void,
): StoredReplies {
  const waiting = new Map<string, StoredReply>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let writing: Promise<void> = Promise.resolve();

  const write = (): Promise<void> => {
    clearTimeout(timer);
    timer = undefined;
    writing = writing.then(async () => {
      const rows = [...waiting.values()];
      if (rows.length === 0) return;
      try {
        await file.transaction(async (transaction) => {
          for (const row of rows) {
            await transaction
              .insertInto('stored_reply')
              .values(rowOf(row))
              // An upstream can give one of its own ids again, and then the reply is the later caller's; never another's.
              .onConflict((conflict) =>
                conflict
                  .column('id')
                  .doUpdateSet({
                    account_id: row.accountId,
                    model: row.model,
                    created_at: BigInt(row.createdAt),
                  })
                  .where('stored_reply.upstream_id', '=', row.upstreamId),
              )
              .execute();
          }
          await transaction
            .deleteFrom('stored_reply')
            .where('created_at', '<', BigInt(clock.now() - KEPT_MS))
            .execute();
        });
        for (const row of rows) if (waiting.get(row.id) === row) waiting.delete(row.id);
      } catch (error) {
        failed(error);
      }
    });
    return writing;
  };

  return {
    keep(reply) {
      if (reply.id.length > ID_LENGTH_MAX || waiting.size >= WAITING_MAX) return;
      // The first upstream that gave an id has it.
      const known = waiting.get(reply.id);
      if (known === undefined || known.upstreamId === reply.upstreamId) waiting.set(reply.id, reply);
      if (timer !== undefined) return;
      timer = setTimeout(() => void write(), WRITE_AFTER_MS);
      timer.unref();
    },
    async find(id, accountId) {
      if (id.length > ID_LENGTH_MAX) return undefined;
      const written = await stored(file, id);
      const later = waiting.get(id);
      // What waits may be another upstream's word for an id that is taken: it will not be written.
      const found = later !== undefined && (written?.upstreamId ?? later.upstreamId) === later.upstreamId ? later : written;
      return found?.accountId === accountId ? found : undefined;
    },
    async forget({ id, upstreamId }) {
      if (waiting.get(id)?.upstreamId === upstreamId) waiting.delete(id);
      await writing;
      await (await file.kysely())
        .deleteFrom('stored_reply')
        .where('id', '=', id)
        .where('upstream_id', '=', upstreamId)
        .execute();
    },
    close: write,
  };
}

async function stored(file: SqlFile<StoredReplyTables>, id: string): Promise<StoredReply | undefined> {
  const kysely = await file.kysely();
  const row = await kysely.selectFrom('stored_reply').selectAll().where('id', '=', id).executeTakeFirst();
  return row === undefined ? undefined : replyOf(row);
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
