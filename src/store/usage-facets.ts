// What a pack of usage records can be found by: the accounts, models, upstreams and outcomes that occur in it, and from
// when to when its requests were. Whoever looks for one of them opens the packs that have it, and no others. Keys are
// none: there may be as many as records, each somewhere else in the file; a key is looked for with its account.

import type { UsageFacts } from './usage-facts.ts';

export type FacetKind = 'account' | 'model' | 'upstream' | 'outcome';

/** Every pack has it. */
export const everyUsage = 'every';

export const facetOf = (kind: FacetKind, value: string): string => `${kind}/${value}`;

/** Of all records of a pack. Ids sort by the time of the request. */
export interface PackSpan {
  readonly firstId: string;
  readonly lastId: string;
  readonly firstAt: number;
  readonly lastAt: number;
}

/** The values of one kind; neighbours mostly share theirs. */
class Values {
  readonly #all = new Set<string>();
  #last: string | undefined;

  add(value: string): void {
    if (value === this.#last) return;
    this.#last = value;
    this.#all.add(value);
  }

  facets(kind: FacetKind): readonly string[] {
    return Array.from(this.#all, (value) => facetOf(kind, value));
  }
}

/** Gathered from the records of one pack. */
export class PackFacets {
  readonly #accounts = new Values();
  readonly #models = new Values();
  readonly #upstreams = new Values();
  readonly #outcomes = new Values();
  #firstId = '';
  #lastId = '';
  #firstAt = Number.POSITIVE_INFINITY;
  #lastAt = Number.NEGATIVE_INFINITY;

  add({ requestId, accountId, model, upstream, outcome, admittedAt }: UsageFacts): void {
    this.#accounts.add(accountId);
    this.#models.add(model);
    if (upstream !== undefined) this.#upstreams.add(upstream);
    this.#outcomes.add(outcome);
    if (this.#firstId === '' || requestId < this.#firstId) this.#firstId = requestId;
    if (requestId > this.#lastId) this.#lastId = requestId;
    this.#firstAt = Math.min(this.#firstAt, admittedAt);
    this.#lastAt = Math.max(this.#lastAt, admittedAt);
  }

  facets(): readonly string[] {
    return [
      everyUsage, ...this.#accounts.facets('account'), ...this.#models.facets('model'),
      ...this.#upstreams.facets('upstream'), ...this.#outcomes.facets('outcome'),
    ];
  }

  span(): PackSpan {
    return { firstId: this.#firstId, lastId: this.#lastId, firstAt: this.#firstAt, lastAt: this.#lastAt };
  }
}
