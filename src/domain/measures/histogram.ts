// Counts of values by fixed bounds. Observing is a comparison or two for most values, because they are looked for from
// the lower end, and two additions; its numbers may lie in memory that others share, so that they are close together.

export class Histogram {
  readonly bounds: readonly number[];
  /** Its counts, not cumulative, the last for what is above every bound; behind them the sum. */
  readonly #cells: Float64Array;
  readonly #at: number;

  constructor(bounds: readonly number[], cells = new Float64Array(cellsOf(bounds)), at = 0) {
    this.bounds = bounds;
    this.#cells = cells;
    this.#at = at;
  }

  observe(value: number): void {
    const bounds = this.bounds;
    const cells = this.#cells;
    const { length } = bounds;
    let index = 0;
    while (index < length && value > (bounds[index] ?? 0)) index += 1;
    const at = this.#at + index;
    cells[at] = (cells[at] ?? 0) + 1;
    const sumAt = this.#at + length + 1;
    cells[sumAt] = (cells[sumAt] ?? 0) + value;
  }

  get counts(): ArrayLike<number> {
    return this.#cells.slice(this.#at, this.#at + this.bounds.length + 1);
  }

  get sum(): number {
    return this.#cells[this.#at + this.bounds.length + 1] ?? 0;
  }

  get count(): number {
    let count = 0;
    for (let index = 0; index <= this.bounds.length; index += 1) count += this.#cells[this.#at + index] ?? 0;
    return count;
  }
}

/** Numbers that a histogram of so many bounds takes. */
export const cellsOf = (bounds: readonly number[]): number => bounds.length + 2;

/** Seconds, from a cached reply to a long chain of thought. */
export const durationBounds: readonly number[] = [0.05, 0.1, 0.2, 0.4, 0.8, 1.5, 3, 6, 12, 25, 50, 100, 200, 400, 600];

/** Tokens of one request, as the GenAI conventions of OpenTelemetry advise. */
export const tokenBounds: readonly number[] = [
  1, 4, 16, 64, 256, 1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216, 67_108_864,
];

/** Seconds of one write of the money journal with its sync. */
export const syncBounds: readonly number[] = [0.000_5, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5];
