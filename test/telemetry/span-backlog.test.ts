// Spans of requests that are over: none is lost or mixed up with another's, whenever and beside whatever it is written.

import { describe, expect, test } from 'bun:test';
import { systemRandomBytes } from '../../src/core/secrets.ts';
import { inputTokensOf, outputTokensOf } from '../../src/domain/measures/lanes.ts';
import type { Closing } from '../../src/domain/ledger/ledger.ts';
import { SpanBacklog } from '../../src/telemetry/span-backlog.ts';
import { SpanEncoder } from '../../src/telemetry/span-encoder.ts';
import { SpanQueue } from '../../src/telemetry/span-queue.ts';
import { createIds, createSampler } from '../../src/telemetry/trace-context.ts';
import { sampleClosing } from '../domain/measures/sample-closing.ts';
import { eventually } from '../pipeline/stage.ts';
import { readTraces, type ReadSpan } from './read-protobuf.ts';

const emptyMessage = Uint8Array.of(10, 0);
const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const parentSpanId = '00f067aa0ba902b7';

function stage({ delayMs = 60_000, batchBytes = 256 * 1024 } = {}) {
  const spans: ReadSpan[] = [];
  const defects: unknown[] = [];
  const encoder = new SpanEncoder((name) => ({ host: `${name}.example`, port: 443 }), {
    input: inputTokensOf,
    output: outputTokensOf,
  });
  const queue: SpanQueue = new SpanQueue({
    send: async (body) => {
      spans.push(...readTraces(body).spans);
      return { kind: 'sent' };
    },
    resource: emptyMessage,
    scope: emptyMessage,
    delayMs,
    batchBytes,
    batchesMax: 1_000,
    onTrouble: () => {},
    onBatch: () => encoder.forget(),
    onDue: () => backlog.write(),
  });
  const backlog = new SpanBacklog({
    ids: createIds(systemRandomBytes),
    sample: createSampler('parentbased_always_on', 1),
    encoder,
    queue,
    onDefect: (error) => void defects.push(error),
  });
  const add = (closing: Closing, traceparent: string | null = null) =>
    backlog.add({ closing, durationMs: 12.5, traceparent, passed: undefined });
  return { backlog, queue, spans, defects, add };
}

const requestIds = (spans: readonly ReadSpan[]) =>
  spans.filter(({ kind }) => kind === 'server').map(({ attributes }) => attributes['tollgate.request.id']);

function variants(count: number): readonly Closing[] {
  return Array.from({ length: count }, (_, index) => {
    const closing = sampleClosing({ requestId: `req_${index}`, model: `model-${index % 3}`, stream: index % 2 === 0 });
    const failed = index % 5 === 4;
    return {
      ...closing,
      status: failed ? 500 + (index % 7) : 200,
      outcome: failed ? 'upstream-failed' : 'finished',
      upstream: failed ? undefined : 'second',
      attempts: [
        { ...tryAt('first', index), fault: 'rate-limit', status: 429 + (index % 3) },
        { ...tryAt('second', index), fault: failed ? 'timeout' : undefined, status: failed ? undefined : 200 },
      ],
    };
  });
}

const tryAt = (upstream: string, index: number) =>
  ({
    upstream,
    provider: `provider-${index % 2}`,
    model: `theirs-${index % 4}`,
    startedAt: 1_700_000_000_000 + index,
    durationMs: 3,
    costNano: 0n,
    costCurrency: 'USD',
  }) as const;

test('each request has its own spans, whatever is written beside it and wherever batches end', async () => {
  const { queue, spans, add } = stage({ batchBytes: 20_000 });
  const closings = variants(200);
  for (const closing of closings) add(closing);
  await queue.close(5_000);
  expect([...queue.dropped]).toEqual([]);
  expect(spans.length).toBe(600);
  for (const [index, closing] of closings.entries()) {
    const [server, first, second] = spans.slice(index * 3, index * 3 + 3);
    const failed = closing.status !== 200;
    expect(server).toMatchObject({ kind: 'server', name: `chat ${closing.model}`, parentSpanId: '', failed });
    expect(server?.attributes).toMatchObject({
      'tollgate.request.id': closing.requestId,
      'tollgate.outcome': closing.outcome,
      'http.response.status_code': closing.status,
      'gen_ai.request.stream': closing.stream,
      'gen_ai.provider.name': `provider-${index % 2}`,
    });
    expect(server?.attributes['error.type']).toBe(failed ? 'upstream-failed' : undefined);
    expect(server?.attributes['gen_ai.response.model']).toBe(failed ? undefined : `theirs-${index % 4}`);
    for (const [at, span] of [first, second].entries()) {
      const { upstream = '', fault, status, startedAt = 0 } = closing.attempts[at] ?? {};
      expect(span).toMatchObject({
        kind: 'client',
        name: `chat theirs-${index % 4}`,
        traceId: server?.traceId,
        parentSpanId: server?.spanId,
        failed: fault !== undefined,
        startNano: BigInt(startedAt) * 1_000_000n,
      });
      const where = { 'tollgate.upstream': upstream, 'server.address': `${upstream}.example` };
      expect(span?.attributes).toMatchObject(where);
      expect(span?.attributes['error.type']).toBe(fault);
      expect(span?.attributes['http.response.status_code']).toBe(status);
    }
  }
  expect(new Set(spans.map(({ spanId }) => spanId)).size).toBe(600);
  expect(new Set(spans.map((span) => span.traceId)).size).toBe(200);
  expect(spans.every((span) => /^[0-9a-f]{32}$/.test(span.traceId) && !/^0+$/.test(span.spanId))).toBe(true);
});

test('a parent is followed for its own request alone', async () => {
  const { queue, spans, add } = stage();
  const [one, other, third] = variants(3);
  if (one === undefined || other === undefined || third === undefined) throw new Error('no samples');
  add(one, `00-${traceId}-${parentSpanId}-01`);
  add(other, `00-${traceId}-${parentSpanId}-00`);
  add(third);
  await queue.close(5_000);
  const servers = spans.filter(({ kind }) => kind === 'server');
  expect(requestIds(spans)).toEqual([one.requestId, third.requestId]);
  expect(servers[0]).toMatchObject({ traceId, parentSpanId });
  expect(servers[1]?.parentSpanId).toBe('');
  expect(servers[1]?.traceId).not.toBe(traceId);
});

describe('what waits is written', () => {
  test('when the wait is over, if no other request comes', async () => {
    const { spans, add } = stage({ delayMs: 5 });
    for (const closing of variants(3)) add(closing);
    expect(spans).toEqual([]);
    await eventually('nine spans', () => spans.length === 9);
  });

  test('once there are some, also just after a batch went out', async () => {
    const { spans, add } = stage({ delayMs: 5, batchBytes: 2_000 });
    for (const closing of variants(33)) add(closing);
    await eventually('all spans', () => spans.length === 99);
  });
});

test('one that cannot be written is counted, and keeps none of the others from it', async () => {
  const { queue, spans, defects, add } = stage();
  const [one, broken, third] = variants(3);
  if (one === undefined || broken === undefined || third === undefined) throw new Error('no samples');
  add(one);
  add({
    ...broken,
    get usage(): never {
      throw new Error('no usage');
    },
  });
  add(third);
  await queue.close(5_000);
  expect(requestIds(spans)).toEqual([one.requestId, third.requestId]);
  expect([...queue.dropped]).toEqual([['not-written', 3]]);
  expect(defects.length).toBe(1);
});
