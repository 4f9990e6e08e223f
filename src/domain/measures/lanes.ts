// One lane counts the requests of a model at an upstream by a protocol. Lanes are found by model, of which most have
// one or two; how many there are is bounded, whatever a catalog holds or held.

import type { Currency } from '../../core/money.ts';
import type { Operation, ProtocolName } from '../../plugin/operations.ts';
import { usageParts, type UsagePart } from '../../plugin/usage.ts';
import { outcomes } from '../ledger/charge-table.ts';
import type { Closing } from '../ledger/ledger.ts';
import type { Outcome } from '../ledger/records.ts';
import { ExactAmount } from './exact-amount.ts';
import { cellsOf, durationBounds, Histogram, tokenBounds } from './histogram.ts';

export const MODELS_MAX = 200;
export const UPSTREAMS_MAX = 200;
export const LANES_MAX = 400;
/** Stands for all that is beyond the bounds. */
export const OTHER = 'other';
/** The upstream of requests that none served. */
export const NO_UPSTREAM = '';

export interface LaneName {
  readonly model: string;
  readonly upstream: string;
  readonly protocol: ProtocolName;
  readonly operation: Operation;
}

/** 1xx to 5xx; the first is for no status at all. */
const STATUS_CLASSES = 6;
const outcomeAt: ReadonlyMap<Outcome, number> = new Map(outcomes.map((outcome, index) => [outcome, index]));

/** Where the numbers of a lane lie, one behind the other: what one request touches is close together. */
const TOKENS_AT = 0;
const DURATION_AT = TOKENS_AT + usageParts.length;
const FIRST_BYTE_AT = DURATION_AT + cellsOf(durationBounds);
const INPUT_AT = FIRST_BYTE_AT + cellsOf(durationBounds);
const OUTPUT_AT = INPUT_AT + cellsOf(tokenBounds);
const REQUESTS_AT = OUTPUT_AT + cellsOf(tokenBounds);
const CELLS = REQUESTS_AT + outcomes.length * STATUS_CLASSES;

export class Lane implements LaneName {
  readonly model: string;
  readonly upstream: string;
  readonly protocol: ProtocolName;
  readonly operation: Operation;
  /** Of the provider that served last, for who must name it. */
  provider: string | undefined;
  readonly #cells = new Float64Array(CELLS);
  readonly duration = new Histogram(durationBounds, this.#cells, DURATION_AT);
  /** Of streams alone: any other reply comes whole. */
  readonly firstByte = new Histogram(durationBounds, this.#cells, FIRST_BYTE_AT);
  readonly inputTokens = new Histogram(tokenBounds, this.#cells, INPUT_AT);
  readonly outputTokens = new Histogram(tokenBounds, this.#cells, OUTPUT_AT);
  /** Requests whose usage the upstream did not report in a way that could be believed. */
  estimated = 0;
  readonly charges = new Map<Currency, ExactAmount>();

  constructor({ model, upstream, protocol, operation }: LaneName) {
    this.model = model;
    this.upstream = upstream;
    this.protocol = protocol;
    this.operation = operation;
  }

  count(closing: Closing, durationMs: number): void {
    const cells = this.#cells;
    const at = REQUESTS_AT + (outcomeAt.get(closing.outcome) ?? 0) * STATUS_CLASSES + statusClass(closing.status);
    cells[at] = (cells[at] ?? 0) + 1;
    this.duration.observe(durationMs / 1000);
    if (closing.stream && closing.firstByteMs !== undefined) this.firstByte.observe(closing.firstByteMs / 1000);
    if (this.provider === undefined) this.provider = closing.attempts.at(-1)?.provider;
    if (closing.usageSource === 'none') return;
    if (closing.usageSource === 'estimated') this.estimated += 1;
    const { usage } = closing;
    addUsage(cells, usage);
    this.inputTokens.observe(inputTokensOf(usage));
    this.outputTokens.observe(outputTokensOf(usage));
    if (closing.chargeNano > 0n) this.#charge(closing.terms.currency).add(closing.chargeNano);
  }

  /** By the order of `usageParts`. */
  get tokens(): ArrayLike<number> {
    return this.#cells.slice(TOKENS_AT, TOKENS_AT + usageParts.length);
  }

  #charge(currency: Currency): ExactAmount {
    let amount = this.charges.get(currency);
    if (amount === undefined) this.charges.set(currency, (amount = new ExactAmount()));
    return amount;
  }

  /** What occurred, by outcome and class of status (`2xx`; `none` where no status was sent). */
  *requests(): Generator<{ readonly outcome: Outcome; readonly status: string; readonly count: number }> {
    for (const [outcome, at] of outcomeAt) {
      for (let status = 0; status < STATUS_CLASSES; status += 1) {
        const count = this.#cells[REQUESTS_AT + at * STATUS_CLASSES + status] ?? 0;
        if (count > 0) yield { outcome, status: status === 0 ? 'none' : `${status}xx`, count };
      }
    }
  }
}

function statusClass(status: number): number {
  const first = Math.floor(status / 100);
  return first >= 1 && first < STATUS_CLASSES ? first : 0;
}

const partAt: Readonly<Record<UsagePart, number>> = {
  input: 0,
  cacheRead: 1,
  cacheWrite5m: 2,
  cacheWrite1h: 3,
  imageInput: 4,
  audioInput: 5,
  output: 6,
  reasoning: 7,
  imageOutput: 8,
  audioOutput: 9,
  calls: 10,
  seconds: 11,
  toolCalls: 12,
};

/** Only what is there is looked at: most usage has two parts of the thirteen. */
function addUsage(cells: Float64Array, usage: Closing['usage']): void {
  let part: keyof typeof usage;
  for (part in usage) {
    // A provider may have named a part that there is not.
    const index: unknown = partAt[part];
    if (typeof index !== 'number') continue;
    const at = TOKENS_AT + index;
    cells[at] = (cells[at] ?? 0) + (usage[part] ?? 0);
  }
}

/** All that went in, whatever its kind. Each part by its own name: a loop over names costs more than the sum. */
export const inputTokensOf = (usage: Closing['usage']): number =>
  (usage.input ?? 0) +
  (usage.cacheRead ?? 0) +
  (usage.cacheWrite5m ?? 0) +
  (usage.cacheWrite1h ?? 0) +
  (usage.imageInput ?? 0) +
  (usage.audioInput ?? 0);

export const outputTokensOf = (usage: Closing['usage']): number =>
  (usage.output ?? 0) + (usage.reasoning ?? 0) + (usage.imageOutput ?? 0) + (usage.audioOutput ?? 0);

export interface LanesOptions {
  /** Whether the catalog has a model of this name now: those that it has no more make room. */
  readonly isModel: (name: string) => boolean;
  readonly isUpstream: (name: string) => boolean;
  readonly monotonicMs: () => number;
}

/** How often room is looked for once there is none. */
const ROOM_EVERY_MS = 60_000;

export class Lanes {
  readonly #options: LanesOptions;
  readonly #byModel = new Map<string, Lane[]>();
  #upstreams = new Set<string>();
  #count = 0;
  #soughtAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: LanesOptions) {
    this.#options = options;
  }

  of(closing: Pick<Closing, 'model' | 'upstream' | 'protocol' | 'operation'>): Lane {
    const { model, upstream = NO_UPSTREAM, protocol } = closing;
    const known = this.#known(model, upstream, protocol);
    return known ?? this.#added({ model, upstream, protocol, operation: closing.operation });
  }

  #known(model: string, upstream: string, protocol: ProtocolName): Lane | undefined {
    const lanes = this.#byModel.get(model);
    if (lanes === undefined) return undefined;
    for (const lane of lanes) if (lane.upstream === upstream && lane.protocol === protocol) return lane;
    return undefined;
  }

  #added(wanted: LaneName): Lane {
    if (!this.#fits(wanted)) this.#makeRoom();
    const name = this.#bounded(wanted);
    const known = this.#known(name.model, name.upstream, name.protocol);
    if (known !== undefined) return known;
    const lane = new Lane(name);
    const lanes = this.#byModel.get(name.model);
    if (lanes === undefined) this.#byModel.set(name.model, [lane]);
    else lanes.push(lane);
    this.#upstreams.add(name.upstream);
    this.#count += 1;
    return lane;
  }

  #fits({ model, upstream }: LaneName): boolean {
    const modelFits = this.#byModel.has(model) || this.#byModel.size < MODELS_MAX;
    const upstreamFits = this.#upstreams.has(upstream) || this.#upstreams.size < UPSTREAMS_MAX;
    return this.#count < LANES_MAX && modelFits && upstreamFits;
  }

  #bounded(wanted: LaneName): LaneName {
    if (this.#count >= LANES_MAX) return { ...wanted, model: OTHER, upstream: OTHER };
    const { model, upstream } = wanted;
    const modelFits = this.#byModel.has(model) || this.#byModel.size < MODELS_MAX;
    const upstreamFits = this.#upstreams.has(upstream) || this.#upstreams.size < UPSTREAMS_MAX;
    return { ...wanted, model: modelFits ? model : OTHER, upstream: upstreamFits ? upstream : OTHER };
  }

  /** Forgets what the catalog has no more. A series that ends does no harm; one that jumps would be taken for load. */
  #makeRoom(): void {
    const nowMs = this.#options.monotonicMs();
    if (nowMs - this.#soughtAtMs < ROOM_EVERY_MS) return;
    this.#soughtAtMs = nowMs;
    const { isModel, isUpstream } = this.#options;
    const stays = ({ model, upstream }: Lane) =>
      (model === OTHER || isModel(model)) && (upstream === NO_UPSTREAM || upstream === OTHER || isUpstream(upstream));
    const left = [...this].filter(stays);
    this.#byModel.clear();
    for (const lane of left) {
      const lanes = this.#byModel.get(lane.model);
      if (lanes === undefined) this.#byModel.set(lane.model, [lane]);
      else lanes.push(lane);
    }
    this.#upstreams = new Set(left.map(({ upstream }) => upstream));
    this.#count = left.length;
  }

  *[Symbol.iterator](): Generator<Lane> {
    for (const lanes of this.#byModel.values()) yield* lanes;
  }
}
