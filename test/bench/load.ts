// What the bench asks of a driver and what it gets back. They are two processes on purpose: the driver has a core of
// its own, shared only with the mock upstream.

export interface Load {
  readonly url: string;
  /** Whole header lines: `authorization: Bearer sk-…`. */
  readonly headers: readonly string[];
  /** Most connections at once. */
  readonly connections: number;
  readonly pattern:
    /** Each connection sends its next request upon the reply, for this long or this many requests. */
    | { readonly kind: 'closed'; readonly durationMs?: number; readonly count?: number }
    /** Requests on a schedule, each timed from the moment it was due. */
    | { readonly kind: 'open'; readonly perSecond: number; readonly durationMs: number };
  readonly stream: boolean;
  /** The mock's script: `c100-d10` is 100 chunks 10 ms apart. */
  readonly script: string;
  readonly timeoutMs: number;
}

export interface Percentiles {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

export interface LoadResult {
  /** Replies with the right status, nonce, content, token order, usage and terminal event. */
  readonly ok: number;
  /** Counts of the others by what was wrong, and one example. */
  readonly bad: Readonly<Record<string, number>>;
  readonly example?: string;
  readonly seconds: number;
  readonly latencyMs: Percentiles;
  /** To the first byte of a stream's body. */
  readonly firstTokenMs: Percentiles;
  readonly driverCpuMs: number;
}

export function percentiles(values: readonly number[]): Percentiles {
  const sorted = [...values].toSorted((one, other) => one - other);
  const at = (share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
  return { p50: at(0.5), p99: at(0.99), max: at(1) };
}

export function median(values: readonly number[]): number {
  return percentiles(values).p50;
}
