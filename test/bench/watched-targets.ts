// Tollgate while it is watched: one whose metrics are read every second, and one that sends a trace of every request to
// a collector on the other core. What watching adds is the difference to the Tollgate that nobody watches, in the same
// run; another executable may run along, as it was before a change.

import { cores, startChild, untilPrinted } from './children.ts';
import type { Bar, TargetFigures } from './report.ts';
import { roundPercentiles, table } from './report.ts';
import { percentiles } from './load.ts';
import { startTollgate } from './tollgate-target.ts';
import type { Target, Upstream } from './targets.ts';

export const PLAIN = 'tollgate';
const BEFORE = 'tollgate before';
const SCRAPED = 'tollgate scraped';
const TRACED = 'tollgate traced';
const SCRAPE_EVERY_MS = 1_000;
const TRACED_MAX = 1.1;

export interface Watched {
  readonly targets: readonly Target[];
  /** What came out of watching, to be said at the end. */
  remarks(): Promise<readonly string[]>;
}

/** `before`: an executable to compare with, if there is one. */
export async function startWatched(
  executable: string,
  before: string | undefined,
  upstream: Upstream,
): Promise<Watched> {
  const collector = startChild({ name: 'collector', core: cores.load, command: [process.execPath, 'collector.ts'] });
  const [, port = ''] = await untilPrinted(collector, /port (\d+)/);
  const scraped = await startTollgate(executable, upstream, { name: SCRAPED });
  const traced = await startTollgate(executable, upstream, {
    name: TRACED,
    argv: ['--otlp', `http://127.0.0.1:${port}`],
  });
  const old = before === undefined ? [] : [await startTollgate(before, upstream, { name: BEFORE })];
  const counts = { bytes: 0, failed: 0 };
  const tookMs: number[] = [];
  const scrape = async ({ origin, operatorKey }: { readonly origin: string; readonly operatorKey: string }) => {
    const reply = await fetch(`${origin}/metrics`, { headers: { authorization: `Bearer ${operatorKey}` } });
    if (!reply.ok) throw new Error(`/metrics answered ${reply.status}`);
    return reply.text();
  };
  const timer = setInterval(() => {
    const startedMs = performance.now();
    scrape(scraped).then(
      (text) => {
        tookMs.push(performance.now() - startedMs);
        counts.bytes = text.length;
      },
      () => (counts.failed += 1),
    );
  }, SCRAPE_EVERY_MS);
  timer.unref();
  return {
    targets: [scraped, traced, ...old],
    async remarks() {
      const received: unknown = await (await fetch(`http://127.0.0.1:${port}/stats`)).json();
      const dropped = (await scrape(traced))
        .split('\n')
        .filter((line) => line.startsWith('tollgate_spans_dropped_total{'));
      return [
        `scraped ${tookMs.length} times, ${counts.bytes} bytes each, ${counts.failed} failed: ` +
          roundPercentiles(percentiles(tookMs)),
        `the collector got ${JSON.stringify(received)}; dropped: ${dropped.length === 0 ? 'none' : dropped.join(', ')}`,
      ];
    },
  };
}

/** What each kind of watching adds to the CPU of a request or chunk, and the bar for traces. */
export function addedByWatching(
  what: string,
  figures: readonly TargetFigures[],
): { readonly text: string; readonly bars: readonly Bar[] } | undefined {
  const of = (name: string) => figures.find((one) => one.name === name);
  const plain = of(PLAIN);
  const traced = of(TRACED);
  if (plain === undefined || traced === undefined) return undefined;
  const percent = (value: number) => `${value >= 1 ? '+' : ''}${((value - 1) * 100).toFixed(1)} %`;
  const compared = (one: TargetFigures, other: TargetFigures) => one.cpuMicroseconds / other.cpuMicroseconds;
  const rows = [SCRAPED, TRACED].flatMap((name) => {
    const one = of(name);
    return one === undefined ? [] : [[`${name} against ${PLAIN}`, percent(compared(one, plain))]];
  });
  const before = of(BEFORE);
  if (before !== undefined) rows.push([`${PLAIN} against ${BEFORE}`, percent(compared(plain, before))]);
  const limit = { limit: TRACED_MAX, kind: 'at most', unit: 'x' } as const;
  return {
    text: table(['added CPU', what], rows),
    bars: [{ what: `CPU with traces on / without, ${what}`, value: compared(traced, plain), ...limit }],
  };
}
