// What is written down about one request, and in which words. These records are immutable: the journal carries them,
// the store keeps them, `verify` recomputes every charge from them.

import type { EpochMs } from '../../core/clock.ts';
import type { AccountId, ApiKeyId, MovementId, PriceVersionId, RequestId, UserId } from '../../core/ids.ts';
import type { Currency, Nano, Ppm } from '../../core/money.ts';
import type { ChargeLine } from '../../plugin/billing.ts';
import type { Operation, ProtocolName } from '../../plugin/operations.ts';
import type { FaultClass } from '../../plugin/provider.ts';
import type { Rates } from '../../plugin/prices.ts';
import type { UsageParts, UsageSource } from '../../plugin/usage.ts';

/** How a request ended. Who pays in each case is one table: `charge-table.ts`. */
export type Outcome =
  /** A complete reply, seen to its terminal event. */
  | 'finished'
  /** The client left before the reply was complete. */
  | 'client-left'
  /** Every attempt failed before any output. */
  | 'upstream-failed'
  /** The upstream answered that the request itself is wrong. */
  | 'upstream-refused'
  /** The reply broke off, or ended in an error, after output had begun. */
  | 'broken-off'
  /** A complete reply without any content. */
  | 'empty'
  /** One of our own deadlines ended it. */
  | 'timed-out'
  /** The stream was ended, well-formed, because the money was out. */
  | 'money-out'
  /** The process was told to stop. */
  | 'shut-down'
  /** Found open after a crash and closed then. */
  | 'recovered';

/** The price terms pinned at admission, as the hold and the usage record carry them. */
export interface PinnedTerms {
  readonly priceVersionId: PriceVersionId;
  readonly rule: string;
  readonly currency: Currency;
  readonly rates: Rates;
  readonly perCallNano: Nano;
  /** In the order applied; `of` says whose factor it is: `model:gpt-5`, `group:friends`. */
  readonly multipliers: readonly { readonly of: string; readonly ppm: Ppm }[];
}

/** One try at one upstream. */
export interface Attempt {
  /** The upstream's name; never its address. */
  readonly upstream: string;
  readonly provider: string;
  /** The upstream's own name for the model. */
  readonly model: string;
  readonly startedAt: EpochMs;
  readonly durationMs: number;
  /** HTTP status, or undefined if none came. */
  readonly status: number | undefined;
  /** Why it failed: a fault class, or how the transport failed (`reset`, `head-timeout` …). Undefined: it served. */
  readonly fault: FaultClass | string | undefined;
  /** What we owe the upstream for it; undefined where its price is not known. */
  readonly costNano: Nano | undefined;
  readonly costCurrency: Currency | undefined;
}

/** Money reserved before dispatch. Identified by the request. */
export interface Hold {
  readonly requestId: RequestId;
  readonly accountId: AccountId;
  readonly apiKeyId: ApiKeyId;
  readonly amountNano: Nano;
  readonly terms: PinnedTerms;
  readonly placedAt: EpochMs;
  readonly expiresAt: EpochMs;
  readonly operation: Operation;
  readonly model: string;
  /** From here on: for the record of a request that nobody else can speak for any more. */
  readonly protocol: ProtocolName;
  readonly stream: boolean;
  readonly userId: UserId | undefined;
  readonly group: string | undefined;
  readonly address: string;
  readonly country: string;
}

/** The one stored row for each admitted request. Its charge can be recomputed from it alone, exactly. */
export interface UsageRecord {
  readonly requestId: RequestId;
  readonly accountId: AccountId;
  readonly apiKeyId: ApiKeyId;
  readonly userId: UserId | undefined;
  readonly group: string | undefined;
  /** When it was admitted, and when it ended. */
  readonly admittedAt: EpochMs;
  readonly endedAt: EpochMs;
  /** From admission to the client's first byte; undefined if it got none. */
  readonly firstByteMs: number | undefined;
  readonly operation: Operation;
  readonly protocol: ProtocolName;
  readonly model: string;
  readonly stream: boolean;
  /** HTTP status that the client got. */
  readonly status: number;
  readonly outcome: Outcome;
  /** The attempt that served, or undefined. */
  readonly upstream: string | undefined;
  readonly attempts: readonly Attempt[];
  readonly usage: UsageParts;
  readonly usageSource: UsageSource;
  /** Oddities: of the upstream's usage block, of clamping and folding. Kebab-case. */
  readonly flags: readonly string[];
  /** The upstream's own usage block, as text, at most 4 KiB. */
  readonly usageText: string | undefined;
  readonly terms: PinnedTerms;
  readonly lines: readonly ChargeLine[];
  readonly heldNano: Nano;
  /** What the account owes for this request: from the lines, rounded once. */
  readonly chargeNano: Nano;
  /** Part of the charge that the account's balance and overdraft could not carry: the house's recorded loss. */
  readonly lossNano: Nano;
  readonly address: string;
  readonly country: string;
}

/** Kinds of ledger movement. `charges` are the batched ones; the others are made one by one. */
export type MovementKind = 'charges' | 'upstream-costs' | 'top-up' | 'refund' | 'adjustment';

/** A ledger address: `account/<id>`, or of the house: `house/cash/<processor>`, `house/revenue`, `house/promotion`,
 * `house/upstream-cost/<upstream>`, `house/upstream-payable/<upstream>`, `house/loss/<cause>`, `house/suspense`. */
export type LedgerAddress = `account/${string}` | `house/${string}`;

/** One leg of a movement. Positive: the address has more. The legs of a movement sum to zero by currency. */
export interface LedgerEntry {
  readonly address: LedgerAddress;
  readonly currency: Currency;
  readonly amountNano: Nano;
}

export interface Movement {
  readonly id: MovementId;
  readonly kind: MovementKind;
  readonly at: EpochMs;
  readonly entries: readonly LedgerEntry[];
  /** Why, in a person's words; who (`operator:<key id>`, `system`); and what it refers to outside. */
  readonly reason: string;
  readonly actor: string;
  readonly reference: string | undefined;
  /** Repeating the same key with the same input is the same movement; with other input it is refused. */
  readonly idempotencyKey: string | undefined;
  readonly inputSha256: string | undefined;
}
