// Stores audit events. An event is written by the transaction of the change that it describes: both are there
// after a crash, or neither is.

import type { Kysely, Transaction } from 'kysely';
import type { AuditEventRow, AuditTables } from '../../store/schema/accounts.ts';
import { chainAfter, faultOf } from './audit.ts';
import type { AuditEntry, AuditEvent, AuditHead, ChainCheck } from './audit.ts';

/**
 * Writes the next event of the chain. Only inside a transaction that writes: writers take turns, so the head
 * that is read here is still the head when the event is written (and a second writer would fail on the unique
 * `prev_hash`).
 */
export async function appendAuditEvent(
  transaction: Transaction<AuditTables>,
  entry: AuditEntry,
): Promise<AuditEvent> {
  const event = chainAfter(await auditHead(transaction), entry);
  await transaction
    .insertInto('audit_event')
    .values({
      seq: event.seq,
      at: event.at,
      actor: event.actor,
      action: event.action,
      target: event.target,
      change: event.change,
      prev_hash: event.prevHash,
      hash: event.hash,
    })
    .execute();
  return event;
}

/** The last event's number and hash. Keep one elsewhere: a chain that ends before it was cut off. */
export async function auditHead(database: Kysely<AuditTables>): Promise<AuditHead | undefined> {
  return database
    .selectFrom('audit_event')
    .select(['seq', 'hash'])
    .orderBy('seq', 'desc')
    .limit(1)
    .executeTakeFirst();
}

export interface AuditQuery {
  readonly limit: number;
  /** Events before this number; the newest if left out. */
  readonly before?: bigint | undefined;
  readonly target?: string | undefined;
}

/** The audit as a face reads it. */
export interface AuditReader {
  /** Newest first. */
  list(query: AuditQuery): Promise<readonly AuditEvent[]>;
}

export const createAuditReader = (database: Kysely<AuditTables>): AuditReader => ({
  list: (query) => listAuditEvents(database, query),
});

/** Newest first. */
export async function listAuditEvents(
  database: Kysely<AuditTables>,
  query: AuditQuery,
): Promise<readonly AuditEvent[]> {
  let select = database.selectFrom('audit_event').selectAll().orderBy('seq', 'desc').limit(query.limit);
  if (query.before !== undefined) select = select.where('seq', '<', query.before);
  if (query.target !== undefined) select = select.where('target', '=', query.target);
  return (await select.execute()).map(eventOf);
}

const CHECKED_AT_ONCE = 1_000;

/** Reads the whole chain, in steps, and says where it first breaks. */
export async function checkAuditChain(database: Kysely<AuditTables>): Promise<ChainCheck> {
  let head: AuditHead | undefined;
  for (;;) {
    const rows = await database
      .selectFrom('audit_event')
      .selectAll()
      .where('seq', '>', head?.seq ?? 0n)
      .orderBy('seq')
      .limit(CHECKED_AT_ONCE)
      .execute();
    for (const row of rows) {
      const event = eventOf(row);
      const because = faultOf(head, event);
      if (because !== undefined) return { whole: false, brokenAt: event.seq, because };
      head = { seq: event.seq, hash: event.hash };
    }
    if (rows.length < CHECKED_AT_ONCE) return { whole: true, events: head?.seq ?? 0n, head };
  }
}

function eventOf(row: AuditEventRow): AuditEvent {
  return {
    seq: row.seq,
    at: Number(row.at),
    actor: row.actor,
    action: row.action,
    target: row.target,
    change: row.change,
    prevHash: row.prev_hash,
    hash: row.hash,
  };
}
