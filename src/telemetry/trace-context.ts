// Which trace a request belongs to: the client's, if its `traceparent` is well-formed, or a new one; and whether it is
// recorded. W3C Trace Context, level 1; a `tracestate` is not read.

import type { RandomBytes } from '../core/secrets.ts';

export interface TraceContext {
  /** 32 lower-case hexadecimal digits. */
  readonly traceId: string;
  /** 16 digits; undefined: it begins here. */
  readonly parentSpanId: string | undefined;
  readonly recorded: boolean;
}

export interface Parent {
  readonly traceId: string;
  readonly spanId: string;
  readonly sampled: boolean;
}

/** Longer values are of no version that we could read. */
const LENGTH_MAX = 256;
const SHAPE = /^(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const NO_TRACE = '0'.repeat(32);
const NO_SPAN = '0'.repeat(16);

/** Undefined for everything that is not one well-formed value: it is ignored, as the recommendation says. */
export function parseTraceparent(text: string | null): Parent | undefined {
  if (text === null || text.length > LENGTH_MAX) return undefined;
  const [, version, traceId = NO_TRACE, spanId = NO_SPAN, flags = '00', rest] = SHAPE.exec(text) ?? [];
  if (traceId === NO_TRACE || spanId === NO_SPAN) return undefined;
  if (version === '00' && rest !== undefined) return undefined;
  return { traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 };
}

export type SamplerName =
  | 'always_on'
  | 'always_off'
  | 'traceidratio'
  | 'parentbased_always_on'
  | 'parentbased_always_off'
  | 'parentbased_traceidratio';

export const samplerNames: readonly SamplerName[] = [
  'always_on',
  'always_off',
  'traceidratio',
  'parentbased_always_on',
  'parentbased_always_off',
  'parentbased_traceidratio',
];

/** `word`: that of the trace's id, as `wordOf` has it. */
export type Sampler = (word: number, parent: Parent | undefined) => boolean;

/** What of an id a ratio goes by: the third of its four 32-bit numbers. */
export const wordOf = (traceId: string): number => Number.parseInt(traceId.slice(16, 24), 16);

/** `ratio`: of traces, 0 to 1. All gateways that see one trace decide alike, because its id decides. */
export function createSampler(name: SamplerName, ratio: number): Sampler {
  const byParent = name.startsWith('parentbased_');
  const root = rootSampler(name.slice(byParent ? 'parentbased_'.length : 0), ratio);
  return (word, parent) => (byParent && parent !== undefined ? parent.sampled : root(word));
}

function rootSampler(name: string, ratio: number): (word: number) => boolean {
  if (name === 'always_on') return () => true;
  if (name === 'always_off') return () => false;
  const below = ratio * 2 ** 32;
  return (word) => word < below;
}

export const TRACE_ID_BYTES = 16;
export const SPAN_ID_BYTES = 8;
const POOL_BYTES = 8_192;

export interface Ids {
  /** In hexadecimal digits, for who must tell others of it. */
  span(): string;
  trace(): string;
  /** All of `target`, without a text in between. */
  write(target: Uint8Array): void;
}

/** Ids out of a pool: asking the system for each would cost more than writing the span. */
export function createIds(randomBytes: RandomBytes): Ids {
  let pool = Buffer.alloc(0);
  let end = 0;
  /** Where the next id begins in the pool: it is never all zeros. */
  const next = (bytes: number): number => {
    for (;;) {
      if (end + bytes > pool.length) {
        pool = Buffer.from(randomBytes(POOL_BYTES));
        end = 0;
      }
      const start = end;
      end += bytes;
      for (let at = start; at < end; at += 1) if (pool[at] !== 0) return start;
    }
  };
  const digits = (bytes: number): string => {
    const start = next(bytes);
    return pool.toString('hex', start, start + bytes);
  };
  return {
    span: () => digits(SPAN_ID_BYTES),
    trace: () => digits(TRACE_ID_BYTES),
    write(target) {
      const start = next(target.length);
      for (let index = 0; index < target.length; index += 1) target[index] = pool[start + index] ?? 0;
    },
  };
}
