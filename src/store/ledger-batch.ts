// One batch of journal records on its way into `ledger.db`: charges are summed to one movement for each account and
// currency, costs to one for each upstream and currency. Nothing is written before the batch is whole.

import { NANO_MAX, type Currency, type Nano } from '../core/money.ts';
import type { IdSource } from '../core/ids.ts';
import { movementHash, type StoredEntry, type StoredMovement } from './ledger-movement.ts';
import { dayOf } from './spend-periods.ts';
import type { UsageFacts } from './usage-facts.ts';

export interface BatchUsage {
  readonly facts: UsageFacts;
  readonly detail: string;
  readonly movementPosition: number;
}

export interface ChainedMovement extends StoredMovement {
  readonly previousHash: string;
  readonly hash: string;
}

interface ChargesGroup {
  readonly position: number;
  readonly id: string;
  readonly accountId: string;
  readonly currency: Currency;
  readonly details: string[];
  at: number;
  chargeNano: Nano;
  lossNano: Nano;
}

interface CostsGroup {
  readonly position: number;
  readonly id: string;
  readonly upstream: string;
  readonly currency: Currency;
  at: number;
  attempts: number;
  costNano: Nano;
}

type Planned =
  | { readonly kind: 'charges'; readonly group: ChargesGroup }
  | { readonly kind: 'costs'; readonly group: CostsGroup }
  | { readonly kind: 'single'; readonly movement: StoredMovement };

export class LedgerBatch {
  readonly usage: BatchUsage[] = [];
  /** By `scope NUL id`, by day. */
  readonly spend = new Map<string, Map<number, Nano>>();
  readonly #newId: IdSource;
  readonly #planned: Planned[] = [];
  readonly #charges = new Map<string, ChargesGroup>();
  readonly #costs = new Map<string, CostsGroup>();
  #head: number;

  constructor(headPosition: number, newId: IdSource) {
    this.#head = headPosition;
    this.#newId = newId;
  }

  addUsage(facts: UsageFacts, detail: string): void {
    const group = this.#chargesGroup(facts);
    group.chargeNano += facts.chargeNano;
    group.lossNano += facts.lossNano;
    group.at = Math.max(group.at, facts.endedAt);
    group.details.push(detail);
    this.usage.push({ facts, detail, movementPosition: group.position });
    for (const cost of facts.costs) {
      const costs = this.#costsGroup(cost.upstream, cost.currency, cost.costNano);
      costs.costNano += cost.costNano;
      costs.attempts += 1;
      costs.at = Math.max(costs.at, facts.endedAt);
    }
    if (facts.chargeNano === 0n) return;
    const day = dayOf(facts.admittedAt);
    this.#spent(`account\0${facts.accountId}`, day, facts.chargeNano);
    this.#spent(`key\0${facts.apiKeyId}`, day, facts.chargeNano);
  }

  /** Takes the next position; the caller read the movement from the journal. */
  addMovement(read: (position: number) => StoredMovement): void {
    this.#head += 1;
    this.#planned.push({ kind: 'single', movement: read(this.#head) });
  }

  /** All movements of the batch, in the order of the chain. */
  chain(headHash: string): readonly ChainedMovement[] {
    let previousHash = headHash;
    return this.#planned.map((planned) => {
      const movement = movementOf(planned);
      const hash = movementHash(previousHash, movement, planned.kind === 'charges' ? planned.group.details : []);
      const chained = { ...movement, previousHash, hash };
      previousHash = hash;
      return chained;
    });
  }

  /** A group whose sum would leave 64 bits is full: the next record begins another one. */
  #chargesGroup(facts: UsageFacts): ChargesGroup {
    const key = `${facts.accountId}\0${facts.currency}`;
    const known = this.#charges.get(key);
    if (known !== undefined && known.chargeNano + facts.chargeNano <= NANO_MAX) return known;
    this.#head += 1;
    const group: ChargesGroup = {
      position: this.#head, id: this.#newId('mov'), accountId: facts.accountId, currency: facts.currency, details: [],
      at: facts.endedAt, chargeNano: 0n, lossNano: 0n,
    };
    this.#charges.set(key, group);
    this.#planned.push({ kind: 'charges', group });
    return group;
  }

  #costsGroup(upstream: string, currency: Currency, costNano: Nano): CostsGroup {
    const key = `${upstream}\0${currency}`;
    const known = this.#costs.get(key);
    if (known !== undefined && known.costNano + costNano <= NANO_MAX) return known;
    this.#head += 1;
    const group: CostsGroup = {
      position: this.#head, id: this.#newId('mov'), upstream, currency, at: 0, attempts: 0, costNano: 0n,
    };
    this.#costs.set(key, group);
    this.#planned.push({ kind: 'costs', group });
    return group;
  }

  #spent(scope: string, day: number, charge: Nano): void {
    let days = this.spend.get(scope);
    if (days === undefined) this.spend.set(scope, (days = new Map()));
    days.set(day, (days.get(day) ?? 0n) + charge);
  }
}

/** The legs of a `charges` movement: revenue is full, the account pays what it can carry, the house loses the rest. */
export function chargesEntries(
  accountId: string, currency: Currency, charge: Nano, loss: Nano,
): readonly StoredEntry[] {
  const legs: readonly StoredEntry[] = [
    { address: `account/${accountId}`, currency, amountNano: loss - charge },
    { address: 'house/loss/overrun', currency, amountNano: -loss },
    { address: 'house/revenue', currency, amountNano: charge },
  ];
  return legs.filter((leg) => leg.amountNano !== 0n);
}

/** The legs of an `upstream-costs` movement: an expense, and a debt to the upstream. */
export function costsEntries(upstream: string, currency: Currency, cost: Nano): readonly StoredEntry[] {
  return [
    { address: `house/upstream-cost/${upstream}`, currency, amountNano: -cost },
    { address: `house/upstream-payable/${upstream}`, currency, amountNano: cost },
  ];
}

const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;

function movementOf(planned: Planned): StoredMovement {
  const bySystem = { actor: 'system', reference: undefined, idempotencyKey: undefined, inputSha256: undefined };
  switch (planned.kind) {
    case 'single': return planned.movement;
    case 'charges': {
      const { position, id, at, accountId, currency, chargeNano, lossNano, details } = planned.group;
      const entries = chargesEntries(accountId, currency, chargeNano, lossNano);
      return {
        position, id, kind: 'charges', at, reason: `charges of ${counted(details.length, 'request')}`,
        entries, ...bySystem,
      };
    }
    case 'costs': {
      const { position, id, at, upstream, currency, costNano, attempts } = planned.group;
      const entries = costsEntries(upstream, currency, costNano);
      return {
        position, id, kind: 'upstream-costs', at, reason: `costs of ${counted(attempts, 'attempt')}`,
        entries, ...bySystem,
      };
    }
  }
}
