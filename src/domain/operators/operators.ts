// What an operator key is and may do. Scopes are a closed list; each says what it opens, and nothing opens more.

import type { EpochMs } from '../../core/clock.ts';
import type { Id } from '../../core/ids.ts';

/** `admin`: everything below /admin/v1. `read`: looking at it, and changing nothing. `metrics`: only /metrics. */
export const operatorScopes = ['admin', 'read', 'metrics'] as const;
export type OperatorScope = (typeof operatorScopes)[number];

export type OperatorKeyId = Id<'opk'>;

export interface OperatorKey {
  readonly id: OperatorKeyId;
  readonly name: string;
  readonly sha256: string;
  readonly hint: string;
  /** In the order of the list above, each once, at least one. */
  readonly scopes: readonly OperatorScope[];
  readonly createdAt: EpochMs;
  readonly expiresAt: EpochMs | undefined;
  readonly revokedAt: EpochMs | undefined;
}

export interface NewOperatorKey {
  readonly name: string;
  readonly scopes: readonly OperatorScope[];
  readonly expiresAt?: EpochMs | undefined;
}
