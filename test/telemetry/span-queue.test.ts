// Spans on their way out: bounded whatever the collector does, in order, counted when dropped.

import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { createSender, type SendBody, type SendOutcome } from '../../src/telemetry/otlp-sender.ts';
import { ProtobufWriter } from '../../src/telemetry/protobuf-writer.ts';
import { SpanQueue } from '../../src/telemetry/span-queue.ts';
import { eventually } from '../pipeline/stage.ts';
import { startCollector, type FakeCollector } from './fake-collector.ts';
import { readTraces } from './read-protobuf.ts';

const emptyMessage = Uint8Array.of(10, 0);

/** The smallest span that the reader takes: a kind, and a name that tells it from others. */
function spanOf(name: string): ProtobufWriter {
  const writer = new ProtobufWriter(64);
  writer.text(5, name);
  writer.number(6, 2);
  return writer;
}

function queueOf(send: SendBody, more: Partial<ConstructorParameters<typeof SpanQueue>[0]> = {}) {
  const told: (string | undefined)[] = [];
  const queue = new SpanQueue({
    send,
    resource: emptyMessage,
    scope: emptyMessage,
    delayMs: 5,
    onTrouble: (because) => void told.push(because),
    waitMs: () => 1,
    ...more,
  });
  return { queue, told };
}

test('every span arrives once and in order, over many batches', async () => {
  const names: string[] = [];
  const { queue, told } = queueOf(
    async (body) => {
      names.push(...readTraces(body).spans.map(({ name }) => name));
      return { kind: 'sent' };
    },
    { batchBytes: 200, batchesMax: 1_000 },
  );
  const all = Array.from({ length: 300 }, (_, index) => `span ${index} ${'x'.repeat(index % 40)}`);
  for (const name of all.slice(0, 200)) queue.push(spanOf(name));
  await eventually('what waited went out', () => names.length === 200);
  for (const name of all.slice(200)) queue.push(spanOf(name));
  await queue.close(5_000);
  expect(names).toEqual(all);
  expect([[...queue.dropped], told]).toEqual([[], []]);
});

test('while nothing goes out, the oldest batches are dropped and counted', async () => {
  const names: string[] = [];
  const gate = Promise.withResolvers<void>();
  const { queue } = queueOf(
    async (body) => {
      await gate.promise;
      names.push(...readTraces(body).spans.map(({ name }) => name));
      return { kind: 'sent' };
    },
    { batchBytes: 100, batchesMax: 4 },
  );
  for (let index = 0; index < 1_000; index += 1) queue.push(spanOf(`span ${index}`));
  expect(queue.dropped.get('queue-full')).toBeGreaterThan(900);
  gate.resolve();
  await queue.close(5_000);
  expect(names.length + (queue.dropped.get('queue-full') ?? 0)).toBe(1_000);
  expect(names.at(-1)).toBe('span 999');
});

test('a span that fits into no batch is dropped, and the next one is not', async () => {
  const names: string[] = [];
  const { queue } = queueOf(
    async (body) => {
      names.push(...readTraces(body).spans.map(({ name }) => name));
      return { kind: 'sent' };
    },
    { batchBytes: 100 },
  );
  queue.push(spanOf('x'.repeat(200)));
  queue.push(spanOf('small'));
  await queue.close(5_000);
  expect([names, [...queue.dropped]]).toEqual([['small'], [['refused', 1]]]);
});

test('what may be sent again is, what may not be is dropped, and the operator hears once', async () => {
  const answers: SendOutcome[] = [
    { kind: 'again', because: 'status 503', afterMs: 1 },
    { kind: 'again', because: 'ECONNREFUSED', afterMs: undefined },
    { kind: 'sent' },
    { kind: 'refused', because: 'status 400' },
  ];
  const got: string[] = [];
  const { queue, told } = queueOf(async (body) => {
    const answer = answers.shift() ?? { kind: 'sent' };
    if (answer.kind === 'sent') got.push(...readTraces(body).spans.map(({ name }) => name));
    return answer;
  });
  for (const name of ['first', 'second', 'third']) {
    queue.push(spanOf(name));
    await eventually(
      `${name} is done`,
      () => got.length + (queue.dropped.get('refused') ?? 0) >= (name === 'first' ? 1 : name === 'second' ? 2 : 3),
    );
  }
  expect(got).toEqual(['first', 'third']);
  expect([...queue.dropped]).toEqual([['refused', 1]]);
  expect(told).toEqual(['status 503', undefined, 'status 400', undefined]);
  await queue.close(1_000);
});

test('a collector that wants no wait at all is not asked without end', async () => {
  let asked = 0;
  const { queue } = queueOf(
    async () => {
      asked += 1;
      return { kind: 'again', because: 'status 503', afterMs: 0 };
    },
    { waitMs: () => 60_000 },
  );
  queue.push(spanOf('one'));
  await eventually('it was asked', () => asked > 0);
  await Bun.sleep(50);
  expect(asked).toBe(1);
  await queue.close(1_000);
});

test('closing waits no longer than it was told, and counts what is left', async () => {
  const { queue } = queueOf(() => new Promise<SendOutcome>(() => {}));
  queue.push(spanOf('one'));
  const startedMs = performance.now();
  await queue.close(50);
  expect(performance.now() - startedMs).toBeLessThan(2_000);
  expect([...queue.dropped]).toEqual([['stopped', 1]]);
});

describe('a collector that behaves badly', () => {
  let collector: FakeCollector;
  beforeAll(() => {
    collector = startCollector();
  });
  afterAll(() => collector.stop());
  const send = (answer: FakeCollector['answer'], timeoutMs = 5_000) => {
    collector.answer = answer;
    return createSender({ url: `${collector.url}/v1/traces`, headers: { 'x-key': 'k' }, timeoutMs })(
      new Uint8Array(10),
    );
  };

  test('redirects are not followed', async () => {
    const before = collector.requests.length;
    const redirect = () => new Response(null, { status: 307, headers: { location: `${collector.url}/elsewhere` } });
    expect(await send(redirect)).toEqual({ kind: 'refused', because: 'status 307' });
    expect(collector.requests.slice(before).map(({ path }) => path)).toEqual(['/v1/traces']);
  });

  test('an endless reply is not read', async () => {
    let pulled = 0;
    const endless = () =>
      new Response(
        new ReadableStream({
          pull(controller) {
            pulled += 1;
            controller.enqueue(new Uint8Array(64 * 1024));
          },
        }),
      );
    expect(await send(endless)).toEqual({ kind: 'sent' });
    const rest = pulled;
    await eventually('it has stopped', async () => {
      const now = pulled;
      await Bun.sleep(20);
      return pulled === now;
    });
    expect(pulled - rest).toBeLessThan(2_000);
  });

  test('silence ends at the deadline', async () => {
    expect(await send(() => new Promise<Response>(() => {}), 60)).toEqual({
      kind: 'again',
      because: 'TimeoutError',
      afterMs: undefined,
    });
  });

  test('a wait that it asks for is kept within a minute', async () => {
    const wait = (value: string) => send(() => new Response(null, { status: 429, headers: { 'retry-after': value } }));
    expect(await wait('3')).toMatchObject({ kind: 'again', afterMs: 3_000 });
    expect(await wait('999999')).toMatchObject({ kind: 'again', afterMs: 60_000 });
    expect(await wait('-1')).toMatchObject({ kind: 'again', afterMs: undefined });
  });

  test('nobody there, and an error without words, say no address', async () => {
    const outcome = await createSender({ url: 'http://127.0.0.1:1/secret-path', headers: {}, timeoutMs: 2_000 })(
      new Uint8Array(1),
    );
    expect(outcome.kind).toBe('again');
    expect(JSON.stringify(outcome)).not.toContain('secret-path');
  });
});
