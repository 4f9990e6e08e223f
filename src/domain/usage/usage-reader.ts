// What the admin API and the console read of usage. Records are immutable, so a page never changes under its
// reader: lists run from the newest request to the oldest, and a page ends at a request id, which sorts by
// time.

import type { EpochMs } from '../../core/clock.ts';
import type { AccountId, ApiKeyId, MovementId, RequestId } from '../../core/ids.ts';
import type { Outcome, UsageRecord } from '../ledger/records.ts';

/** All conditions hold together; an absent one does not filter. */
export interface UsageFilter {
  readonly accountId?: AccountId | undefined;
  readonly apiKeyId?: ApiKeyId | undefined;
  /** Public model name, exact. */
  readonly model?: string | undefined;
  /** Name of the upstream that served, exact. */
  readonly upstream?: string | undefined;
  readonly outcome?: Outcome | undefined;
  /** Admitted at this time or later. */
  readonly since?: EpochMs | undefined;
  /** Admitted before this time. */
  readonly until?: EpochMs | undefined;
}

/** A usage record as stored, with the ledger movement that carries its charge. */
export interface StoredUsage {
  readonly record: UsageRecord;
  /** Undefined when the charge is zero. */
  readonly movementId: MovementId | undefined;
}

/** Answers include everything that was acknowledged before the call. */
export interface UsageReader {
  /** At most `limit` records, by request id, newest first; only those older than `before` when it is given. */
  list(filter: UsageFilter, limit: number, before: RequestId | undefined): Promise<readonly StoredUsage[]>;
  get(requestId: RequestId): Promise<StoredUsage | undefined>;
}
