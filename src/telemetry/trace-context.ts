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

export type Sampler = (traceId: string, parent: Parent | undefined) => boolean;

/** `ratio`: of traces, 0 to 1. All gateways that see one trace decide alike, because its id decides. */
export function createSampler(name: SamplerName, ratio: number): Sampler {
  const byParent = name.startsWith('parentbased_');
  const root = rootSampler(name.slice(byParent ? 'parentbased_'.length : 0), ratio);
  return (traceId, parent) => (byParent && parent !== undefined ? parent.sampled : root(traceId));
}

function rootSampler(name: string, ratio: number): (traceId: string) => boolean {
  if (name === 'always_on') return () => true;
  if (name === 'always_off') return () => false;
  const below = ratio * 2 ** 32;
  return (traceId) => Number.parseInt(traceId.slice(16, 24), 16) < below;
}

const SPAN_BYTES = 8;
const POOL_BYTES = 4_096;

/** Ids out of a pool: asking the system for each would cost more than writing the span. */
export function createIds(randomBytes: RandomBytes): { span(): string; trace(): string } {
  let pool = '';
  let at = 0;
  const take = (digits: number): string => {
    for (;;) {
      if (at + digits > pool.length) {
        pool = Buffer.from(randomBytes(POOL_BYTES)).toString('hex');
        at = 0;
      }
      const id = pool.slice(at, at + digits);
      at += digits;
      if (id.charCodeAt(0) !== 0x30 || !/^0+$/.test(id)) return id;
    }
  };
  return { span: () => take(SPAN_BYTES * 2), trace: () => take(SPAN_BYTES * 4) };
}
