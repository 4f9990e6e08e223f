// Tollgate while it is watched: one whose metrics are read every second, and one that sends a trace of every request to
// a collector on the other core. What watching adds is the difference to the two copies that nobody watches, in the
// same slices; what these two differ by is how closely it can be known.

import { cores, startChild, untilPrinted } from './children.ts';
import type { Bar, TargetFigures } from './report.ts';
import { roundPercentiles, table, TWIN_DIFFERENCE_MAX } from './report.ts';
import { percentiles } from './load.ts';
import { startTollgate } from './tollgate-target.ts';
import type { Target, Upstream } from './targets.ts';

export const PLAIN = 'tollgate';
const TWIN = 'tollgate (twin)';
/** Another executable, as it was before a change. */
export const BEFORE = 'tollgate before';
const SCRAPED = 'tollgate scraped';
const TRACED = 'tollgate traced';
const SCRAPE_EVERY_MS = 1_000;
const TRACED_MAX = 1.1;

export interface Watched {
  readonly targets: readonly Target[];
  /** What came out of watching, to be said at the end. */
  remarks(): Promise<readonly string[]>;
}

export async function startWatched(executable: string, upstream: Upstream): Promise<Watched> {
  const collector = startChild({ name: 'collector', core: cores.load, command: [process.execPath, 'collector.ts'] });
  const [, port = ''] = await untilPrinted(collector, /port (\d+)/);
  const twin = await startTollgate(executable, upstream, { name: TWIN });
  const scraped = await startTollgate(executable, upstream, { name: SCRAPED });
  const traced = await startTollgate(executable, upstream, {
    name: TRACED,
    argv: ['--otlp', `http://127.0.0.1:${port}`],
  });
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
    targets: [twin, scraped, traced],
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

export interface AddedByWatching {
  readonly text: string;
  readonly bars: readonly Bar[];
  /** Where the copies that nobody watches differ too much for the bar to say anything. */
  readonly remark: string | undefined;
}

/** What each kind of watching adds to the CPU of a request or chunk, beside what two copies differ by, and the bar. */
export function addedByWatching(what: string, figures: readonly TargetFigures[]): AddedByWatching | undefined {
  const of = (name: string) => figures.find((one) => one.name === name)?.cpuMicroseconds;
  const [plain, twin, traced, before] = [of(PLAIN), of(TWIN), of(TRACED), of(BEFORE)];
  if (plain === undefined || twin === undefined || traced === undefined) return undefined;
  const unwatched = (plain + twin) / 2;
  const percent = (ratio: number) => `${ratio >= 1 ? '+' : ''}${((ratio - 1) * 100).toFixed(1)} %`;
  const rows = [SCRAPED, TRACED].map((name) => [
    `${name} against the two that nobody watches`,
    percent((of(name) ?? Number.NaN) / unwatched),
  ]);
  rows.unshift([`${TWIN} against ${PLAIN}: noise`, percent(twin / plain)]);
  if (before !== undefined) rows.push([`the two against ${BEFORE}`, percent(unwatched / before)]);
  const limit = { limit: TRACED_MAX, kind: 'at most', unit: 'x' } as const;
  const noise = Math.abs(twin / plain - 1);
  return {
    text: table(['added CPU', what], rows),
    bars: [{ what: `CPU with traces on / without, ${what}`, value: traced / unwatched, ...limit }],
    remark:
      noise > TWIN_DIFFERENCE_MAX
        ? `${what}: two copies that nobody watches differ by ${(noise * 100).toFixed(1)} %: ` +
          'what watching adds is known no closer; traces-bench.ts tells more'
        : undefined,
  };
}
