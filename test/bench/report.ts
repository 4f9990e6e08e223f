// Turns slices into figures, each as a ratio to, or a difference from, the bare pass-through of the same run, and sets
// the bars beside them.

import { median, type Percentiles } from './load.ts';
import type { Slice, Slices, Study } from './studies.ts';
import { CHUNKS_PER_STREAM } from './studies.ts';
import type { Target } from './targets.ts';

export interface Bar {
  readonly what: string;
  readonly value: number;
  readonly limit: number;
  readonly kind: 'at most' | 'at least';
  readonly unit: string;
}

export const isMet = ({ value, limit, kind }: Bar): boolean => (kind === 'at most' ? value <= limit : value >= limit);

export interface TargetFigures {
  readonly name: string;
  readonly requests: number;
  readonly bad: Readonly<Record<string, number>>;
  readonly example: string | undefined;
  /** Microseconds of CPU for a request, or for a chunk of a stream. */
  readonly cpuMicroseconds: number;
  readonly cpuRatio: number;
  /** The median of the ratios of single rounds: far from `cpuRatio` where a few rounds were disturbed. */
  readonly cpuRatioMedian: number;
  readonly perSecond: number;
  readonly perSecondRatio: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly firstTokenP50Ms: number;
  readonly firstTokenP99Ms: number;
}

const total = (values: readonly number[]): number => values.reduce((sum, one) => sum + one, 0);

function countBad(slices: readonly Slice[]): Record<string, number> {
  const bad: Record<string, number> = {};
  for (const { result } of slices) {
    for (const [why, count] of Object.entries(result.bad)) bad[why] = (bad[why] ?? 0) + count;
  }
  return bad;
}

export function figuresOf(study: Study, slices: Slices, bare: Target): readonly TargetFigures[] {
  const partsInReply = study.name === 'sse' ? CHUNKS_PER_STREAM : 1;
  const cpuEach = (one: Slice): number => (one.cpuMs * 1000) / (one.result.ok * partsInReply);
  const ofBare = slices.get(bare) ?? [];
  const cpuOf = (some: readonly Slice[]): number =>
    (total(some.map(({ cpuMs }) => cpuMs)) * 1000) / (total(some.map(({ result }) => result.ok)) * partsInReply);
  const rateOf = (some: readonly Slice[]): number =>
    total(some.map(({ result }) => result.ok)) / total(some.map(({ result }) => result.seconds));
  return [...slices].map(([target, some]) => {
    const middle = (pick: (slice: Slice) => number): number => median(some.map(pick));
    return {
      name: target.name,
      requests: total(some.map(({ result }) => result.ok)),
      bad: countBad(some),
      example: some.find(({ result }) => result.example !== undefined)?.result.example,
      cpuMicroseconds: cpuOf(some),
      cpuRatio: cpuOf(some) / cpuOf(ofBare),
      cpuRatioMedian: median(some.map((one, at) => cpuEach(one) / cpuEach(ofBare[at] ?? one))),
      perSecond: rateOf(some),
      perSecondRatio: rateOf(some) / rateOf(ofBare),
      p50Ms: middle(({ result }) => result.latencyMs.p50),
      p99Ms: middle(({ result }) => result.latencyMs.p99),
      firstTokenP50Ms: middle(({ result }) => result.firstTokenMs.p50),
      firstTokenP99Ms: middle(({ result }) => result.firstTokenMs.p99),
    };
  });
}

export const cell = (value: number, digits: number): string => (Number.isFinite(value) ? value.toFixed(digits) : '-');

export function table(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = headings.map((heading, at) => Math.max(heading.length, ...rows.map((row) => (row[at] ?? '').length)));
  const line = (cells: readonly string[]): string =>
    cells.map((text, at) => (at === 0 ? text.padEnd(widths[at] ?? 0) : text.padStart(widths[at] ?? 0))).join('  ');
  return [line(headings), ...rows.map(line)].join('\n');
}

export function studyTable(study: Study, figures: readonly TargetFigures[], bareName: string): string {
  const bare = figures.find(({ name }) => name === bareName);
  const added = (value: number, base: number | undefined): string => {
    const difference = value - (base ?? Number.NaN);
    return `${difference >= 0 ? '+' : ''}${cell(difference, 2)}`;
  };
  const ofStream = study.shape.stream;
  const each = study.name === 'sse' ? 'chunk' : ofStream ? 'stream' : 'request';
  const p50 = (one: TargetFigures | undefined): number => (ofStream ? one?.firstTokenP50Ms : one?.p50Ms) ?? Number.NaN;
  const p99 = (one: TargetFigures | undefined): number => (ofStream ? one?.firstTokenP99Ms : one?.p99Ms) ?? Number.NaN;
  const rows = figures.map((one) => [
    one.name,
    cell(one.cpuMicroseconds, 1),
    cell(one.cpuRatio, 3),
    cell(one.cpuRatioMedian, 3),
    cell(one.perSecond, 0),
    cell(one.perSecondRatio, 2),
    cell(p50(one), 2),
    added(p50(one), p50(bare)),
    cell(p99(one), 2),
    added(p99(one), p99(bare)),
    String(one.requests),
    String(total(Object.values(one.bad))),
  ]);
  const timed = ofStream ? 'first token' : 'reply';
  const headings = [study.title, `us CPU/${each}`, '/ bare', '(median)', 'per s', '/ bare'];
  return table([...headings, `p50 ms ${timed}`, '- bare', 'p99 ms', '- bare', 'right', 'wrong'], rows);
}

/** Where the CPU goes: microseconds for a request or chunk by thread, the small ones left out. */
export function threadLines(study: Study, slices: Slices): string {
  const lines = [...slices].map(([target, some]) => {
    const parts = total(some.map(({ result }) => result.ok)) * (study.name === 'sse' ? CHUNKS_PER_STREAM : 1);
    const names = new Set(some.flatMap(({ cpuMsByThread }) => [...cpuMsByThread.keys()]));
    const shares = [...names]
      .map((name) => ({
        name,
        us: (total(some.map((one) => one.cpuMsByThread.get(name) ?? 0)) * 1000) / parts,
      }))
      .filter(({ us }) => us >= 0.3)
      .toSorted((one, other) => other.us - one.us);
    return `  ${target.name}: ${shares.map(({ name, us }) => `${name} ${us.toFixed(1)}`).join(', ')}`;
  });
  return `us by thread\n${lines.join('\n')}`;
}

/** Two copies of one program must come out alike, or the run shows the machine and not the gateway. */
export const TWIN_DIFFERENCE_MAX = 0.04;

export function twinNote(study: Study, figures: readonly TargetFigures[], twinName: string): string | undefined {
  const difference = Math.abs((figures.find(({ name }) => name === twinName)?.cpuRatio ?? 1) - 1);
  if (difference <= TWIN_DIFFERENCE_MAX) return undefined;
  const percent = (difference * 100).toFixed(1);
  return `${study.name}: the twins differ by ${percent} %: too noisy, its CPU ratios do not count`;
}

export function barLines(bars: readonly Bar[]): string {
  const rows = bars.map((bar) => [
    bar.what,
    `${cell(bar.value, bar.unit === 'x' ? 3 : 2)} ${bar.unit}`,
    `${bar.kind} ${bar.limit} ${bar.unit}`,
    Number.isFinite(bar.value) ? (isMet(bar) ? 'met' : 'MISSED') : 'not measured',
  ]);
  return table(['Tollgate', 'measured', 'bar', ''], rows);
}

export const roundPercentiles = ({ p50, p99, max }: Percentiles): string =>
  `p50 ${cell(p50, 1)}, p99 ${cell(p99, 1)}, max ${cell(max, 1)} ms`;
