// A page of the largest catalog: whole, bounded, made once for all who ask meanwhile, with requests going in between.

import { expect, test } from 'bun:test';
import { sha256Hex } from '../../../src/core/secrets.ts';
import { Measures } from '../../../src/domain/measures/measures.ts';
import { createMetricsFace } from '../../../src/http/metrics/metrics-face.ts';
import { sampleClosing } from '../../domain/measures/sample-closing.ts';
import { readExposition } from './read-exposition.ts';

const KEY = 'a-key-of-the-operator-for-metrics';

/** Asks for the page of an operator who watches these. */
function askerOf(measures: Measures): () => Promise<Response> {
  const face = createMetricsFace(
    {
      measures,
      ledger: {
        available: true,
        figures: { openHolds: 0, journalDiskBytes: 0, waitingRecords: 0, loaderLagRecords: 0 },
      },
      running: { count: 0, streams: 0, stopping: false },
      health: { states: () => [] },
      upstreams: () => Array.from({ length: 500 }, (_, index) => `u${index}`),
      configGeneration: () => 1,
      spansDropped: () => [],
      version: '1',
      startedAt: 0,
    },
    {
      operatorKeys: {
        find: (sha256) => (sha256 === sha256Hex(KEY) ? { id: 'opk_1', scopes: ['metrics'] } : undefined),
      },
      clock: { now: () => 0, monotonicMs: () => 0 },
      addressOf: () => '127.0.0.1',
    },
  );
  return () => face(new Request('http://localhost/metrics', { headers: { authorization: `Bearer ${KEY}` } }));
}

test('five hundred models at five hundred upstreams', async () => {
  const measures = new Measures({ isModel: () => true, isUpstream: () => true, monotonicMs: () => 0 });
  for (let index = 0; index < 100_000; index += 1) {
    const stream = index % 2 === 0;
    measures.settled(sampleClosing({ model: `m${index % 500}`, upstream: `u${index % 499}`, stream }), 100);
  }
  const ask = askerOf(measures);
  let turns = 0;
  let counting = true;
  const count = (): void => {
    turns += 1;
    if (counting) setImmediate(count);
  };
  setImmediate(count);
  const pages = await Promise.all(Array.from({ length: 10 }, async () => (await ask()).text()));
  counting = false;
  expect(new Set(pages).size).toBe(1);
  expect(turns).toBeGreaterThan(10);
  const lines = pages[0]?.split('\n').length ?? 0;
  expect(lines).toBeGreaterThan(10_000);
  expect(lines).toBeLessThan(25_000);
  const requests = readExposition(pages[0] ?? '').get('tollgate_requests_total')?.samples ?? [];
  expect(requests.reduce((sum, { value }) => sum + value, 0)).toBe(100_000);
});

test('what makes room while the page is made puts no series on it twice', async () => {
  let gone = false;
  let nowMs = 0;
  const isUpstream = (name: string) => !gone || !name.endsWith('9');
  const measures = new Measures({ isModel: () => true, isUpstream, monotonicMs: () => nowMs });
  for (let index = 0; index < 500; index += 1)
    measures.settled(sampleClosing({ model: `m${index % 100}`, upstream: `u${index % 190}` }), 100);
  const page = askerOf(measures)().then((response) => response.text());
  for (let turns = 0; turns < 20; turns += 1) {
    await new Promise<void>((resolve) => void setImmediate(resolve));
    gone = true;
    nowMs += 120_000;
    measures.settled(sampleClosing({ model: 'm0', upstream: `new${turns}` }), 100);
  }
  const names = (await page).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  const series = names.map((line) => line.slice(0, line.lastIndexOf(' ')));
  expect(series.length - new Set(series).size).toBe(0);
});
