// One batch of journal records on its way into `ledger.db`: charges are summed to one movement for each account and
// currency, costs to one for each upstream and currency. Nothing is written before the batch is whole.

import { NANO_MAX, type Currency, type Nano } from '../core/money.ts';
import type { IdSource } from '../core/ids.ts';
import { ExactSum, type Exact } from './exact-sum.ts';
import { movementHash, type StoredEntry, type StoredMovement } from './ledger-movement.ts';
import { dayOf } from './spend-periods.ts';
import type { UpstreamCost, UsageFacts } from './usage-facts.ts';

export interface ChainedMovement extends StoredMovement {
  readonly previousHash: string;
  readonly hash: string;
}

interface ChargesGroup {
  readonly position: number;
  readonly id: string;
  readonly accountId: string;
  readonly currency: Currency;
  readonly charge: ExactSum;
  readonly loss: ExactSum;
  at: number;
  requests: number;
}

interface CostsGroup {
  readonly position: number;
  readonly id: string;
  readonly upstream: string;
  readonly currency: Currency;
  readonly cost: ExactSum;
  at: number;
  attempts: number;
}

type Planned =
  | { readonly kind: 'charges'; readonly group: ChargesGroup }
  | { readonly kind: 'costs'; readonly group: CostsGroup }
  | { readonly kind: 'single'; readonly movement: StoredMovement };

/** By UTC day. */
export type DaySums = Map<number, ExactSum>;

export class LedgerBatch {
  /** What was charged, by account or key, by day. */
  readonly spend = { account: new Map<string, DaySums>(), key: new Map<string, DaySums>() };
  readonly #newId: IdSource;
  readonly #planned: Planned[] = [];
  /** The groups that still take records: of an account, one for each currency. */
  readonly #charges = new Map<string, ChargesGroup[]>();
  readonly #costs = new Map<string, CostsGroup[]>();
  #head: number;

  constructor(headPosition: number, newId: IdSource) {
    this.#head = headPosition;
    this.#newId = newId;
  }

  /** Returns the position of the movement that will carry its charge. */
  addUsage(facts: UsageFacts): number {
    const group = this.#chargesGroup(facts);
    group.charge.add(facts.chargeNano);
    group.loss.add(facts.lossNano);
    group.at = Math.max(group.at, facts.endedAt);
    group.requests += 1;
    for (const cost of facts.costs) {
      const costs = this.#costsGroup(cost);
      costs.cost.add(cost.costNano);
      costs.attempts += 1;
      costs.at = Math.max(costs.at, facts.endedAt);
    }
    if (facts.chargeNano !== 0 && facts.chargeNano !== 0n) {
      const day = dayOf(facts.admittedAt);
      addSpend(this.spend.account, facts.accountId, day, facts.chargeNano);
      addSpend(this.spend.key, facts.apiKeyId, day, facts.chargeNano);
    }
    return group.position;
  }

  /** Takes the next position; the caller read the movement from the journal. */
  addMovement(read: (position: number) => StoredMovement): void {
    this.#head += 1;
    this.#planned.push({ kind: 'single', movement: read(this.#head) });
  }

  /** All movements of the batch, in the order of the chain. `usageSha256`: of its usage records. */
  chain(headHash: string, usageSha256: string | undefined): readonly ChainedMovement[] {
    let previousHash = headHash;
    return this.#planned.map((planned) => {
      const movement = movementOf(planned);
      const hash = movementHash(previousHash, movement, planned.kind === 'charges' ? usageSha256 : undefined);
      const chained = { ...movement, previousHash, hash };
      previousHash = hash;
      return chained;
    });
  }

  /** A group whose sum would leave 64 bits is full: the next record begins another one. */
  #chargesGroup({ accountId, currency, chargeNano, endedAt }: UsageFacts): ChargesGroup {
    const groups = groupsOf(this.#charges, accountId);
    const index = groups.findIndex((group) => group.currency === currency);
    const known = groups[index];
    if (known !== undefined && known.charge.hasRoomFor(chargeNano, NANO_MAX)) return known;
    this.#head += 1;
    const group: ChargesGroup = {
      position: this.#head, id: this.#newId('mov'), accountId, currency, charge: new ExactSum(),
      loss: new ExactSum(), at: endedAt, requests: 0,
    };
    groups[index < 0 ? groups.length : index] = group;
    this.#planned.push({ kind: 'charges', group });
    return group;
  }

  #costsGroup({ upstream, currency, costNano }: UpstreamCost): CostsGroup {
    const groups = groupsOf(this.#costs, upstream);
    const index = groups.findIndex((group) => group.currency === currency);
    const known = groups[index];
    if (known !== undefined && known.cost.hasRoomFor(costNano, NANO_MAX)) return known;
    this.#head += 1;
    const group: CostsGroup = {
      position: this.#head, id: this.#newId('mov'), upstream, currency, cost: new ExactSum(), at: 0, attempts: 0,
    };
    groups[index < 0 ? groups.length : index] = group;
    this.#planned.push({ kind: 'costs', group });
    return group;
  }
}

function groupsOf<Group>(byName: Map<string, Group[]>, name: string): Group[] {
  let groups = byName.get(name);
  if (groups === undefined) byName.set(name, (groups = []));
  return groups;
}

function addSpend(sums: Map<string, DaySums>, id: string, day: number, charge: Exact): void {
  let days = sums.get(id);
  if (days === undefined) sums.set(id, (days = new Map()));
  let sum = days.get(day);
  if (sum === undefined) days.set(day, (sum = new ExactSum()));
  sum.add(charge);
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
      const { position, id, at, accountId, currency, charge, loss, requests } = planned.group;
      const entries = chargesEntries(accountId, currency, charge.value, loss.value);
      return {
        position, id, kind: 'charges', at, reason: `charges of ${counted(requests, 'request')}`,
        entries, ...bySystem,
      };
    }
    case 'costs': {
      const { position, id, at, upstream, currency, cost, attempts } = planned.group;
      const entries = costsEntries(upstream, currency, cost.value);
      return {
        position, id, kind: 'upstream-costs', at, reason: `costs of ${counted(attempts, 'attempt')}`,
        entries, ...bySystem,
      };
    }
  }
}
