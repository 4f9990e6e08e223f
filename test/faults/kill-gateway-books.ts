// What the driver knows by itself: accounts, API keys, top-ups, and what each account must have. Nothing here is read
// from the gateway's store.

import type { Call, KnownKey } from './kill-gateway-calls.ts';

export interface TopUp {
  readonly idempotencyKey: string;
  readonly accountId: string;
  readonly amountNano: bigint;
  /** The movement that an answer named; undefined while none came. */
  movementId: string | undefined;
}

export interface IssuedKey extends KnownKey {
  /** Whether its deletion was asked for, and whether that was acknowledged. */
  deletion: 'none' | 'asked' | 'acknowledged';
}

export interface DriverAccount {
  readonly id: string;
  readonly tight: boolean;
  /** Acknowledged top-ups less charges. */
  balanceNano: bigint;
}

export interface DriverBooks {
  readonly accounts: Map<string, DriverAccount>;
  /** Keys that calls are made with. The oldest of those made under load are left aside again. */
  readonly keys: IssuedKey[];
  readonly topUps: Map<string, TopUp>;
  /** By key id: total budget and what was charged so far. */
  readonly budgets: Map<string, { readonly capNano: bigint; chargedNano: bigint }>;
}

/** What happened between one start and the next kill. */
export interface RoundNotes {
  readonly calls: Call[];
  /** Sent in this round, acknowledged or not. */
  readonly topUps: TopUp[];
  readonly issued: IssuedKey[];
  readonly deleted: IssuedKey[];
  /** Accounts whose creation was acknowledged. */
  readonly accounts: string[];
  readonly wrong: string[];
}

export const newRound = (): RoundNotes => ({ calls: [], topUps: [], issued: [], deleted: [], accounts: [], wrong: [] });

export const newBooks = (): DriverBooks => ({ accounts: new Map(), keys: [], topUps: new Map(), budgets: new Map() });
