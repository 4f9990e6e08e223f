// How a figure is taken: short slices of load go round all targets in shuffled order, so that whatever else the machine
// does falls on all of them alike, and figures are compared only with those of the same run.

import { join } from 'node:path';
import { runOnLoadCore } from './children.ts';
import { median, type Load, type LoadResult } from './load.ts';
import { cpuByThread, machineTime, readCpu, residentMb } from './process-figures.ts';
import type { Target } from './targets.ts';

type Shape = Omit<Load, 'url' | 'headers'>;

export interface Study {
  readonly name: 'max' | 'r500' | 'sse' | 'ttft';
  readonly title: string;
  readonly shape: Shape;
  /** Share of `--slices` that it gets: long slices need fewer. */
  readonly sliceShare: number;
  /** The rate is fixed: a target that cannot keep it has no figure. */
  readonly fixedRate: boolean;
}

const small = { stream: false, script: 'c50-d0', timeoutMs: 15_000 } as const;

export const studies: readonly Study[] = [
  {
    name: 'max',
    title: 'small requests, 64 connections',
    shape: { ...small, connections: 64, pattern: { kind: 'closed', durationMs: 700 } },
    sliceShare: 1,
    fixedRate: false,
  },
  {
    name: 'r500',
    title: 'small requests, 500 a second',
    shape: { ...small, connections: 128, pattern: { kind: 'open', perSecond: 500, durationMs: 1500 } },
    sliceShare: 0.5,
    fixedRate: true,
  },
  {
    name: 'sse',
    title: '100 streams of 100 chunks 10 ms apart',
    shape: {
      stream: true,
      script: 'c100-d10',
      timeoutMs: 20_000,
      connections: 100,
      pattern: { kind: 'closed', count: 200 },
    },
    sliceShare: 0.5,
    fixedRate: false,
  },
  {
    name: 'ttft',
    title: '50 streams a second, 20 ms chunks',
    shape: {
      stream: true,
      script: 'c50-d20',
      timeoutMs: 20_000,
      connections: 300,
      pattern: { kind: 'open', perSecond: 50, durationMs: 2000 },
    },
    sliceShare: 0.25,
    fixedRate: true,
  },
];

export const CHUNKS_PER_STREAM = 100;

const crowd: Shape = {
  stream: true,
  script: 'c20-d100-l50',
  timeoutMs: 45_000,
  connections: 1000,
  pattern: { kind: 'closed', count: 1000 },
};

export interface Slice {
  readonly result: LoadResult;
  readonly cpuMs: number;
  readonly cpuMsByThread: ReadonlyMap<string, number>;
}

/** Slices by target, one for each round that counts. */
export type Slices = ReadonlyMap<Target, readonly Slice[]>;

export async function drive(target: Target, shape: Shape): Promise<LoadResult> {
  const load: Load = { ...shape, url: target.url, headers: target.headers };
  const printed = await runOnLoadCore(
    [process.execPath, join(import.meta.dir, 'driver.ts'), JSON.stringify(load)],
    shape.timeoutMs + 10_000,
  );
  const line = printed.trim().split('\n').at(-1) ?? '';
  if (!line.startsWith('{')) throw new Error(`the driver of ${target.name} died: ${printed.slice(-500)}`);
  return JSON.parse(line);
}

const QUIET_WINDOW_MS = 60;
const QUIET_CPU_MS = 1.5;
const QUIET_PATIENCE_MS = 2_000;

/** Work that a target put off belongs to the slice that caused it: wait until it rests. */
async function untilQuiet(target: Target): Promise<void> {
  const endAtMs = performance.now() + QUIET_PATIENCE_MS;
  let before = readCpu(target.child.pid).totalMs;
  while (performance.now() < endAtMs) {
    await Bun.sleep(QUIET_WINDOW_MS);
    const now = readCpu(target.child.pid).totalMs;
    if (now - before < QUIET_CPU_MS) return;
    before = now;
  }
}

async function takeSlice(target: Target, shape: Shape): Promise<Slice> {
  const before = readCpu(target.child.pid);
  const result = await drive(target, shape);
  await untilQuiet(target);
  const after = readCpu(target.child.pid);
  return { result, cpuMs: after.totalMs - before.totalMs, cpuMsByThread: cpuByThread(before, after) };
}

function shuffled<T>(values: readonly T[]): readonly T[] {
  return values
    .map((value) => ({ value, at: Math.random() }))
    .toSorted((one, other) => one.at - other.at)
    .map(({ value }) => value);
}

/** A round in which the host took more than this of the machine is taken again. */
const STOLEN_SHARE_MAX = 0.1;

export interface Rounds {
  readonly slices: Slices;
  readonly discarded: number;
}

export async function runStudy(study: Study, all: readonly Target[], slicesWanted: number): Promise<Rounds> {
  const targets = all.filter((target) => !(study.fixedRate && target.slow));
  const rounds: ReadonlyMap<Target, Slice>[] = [];
  const wanted = Math.max(2, Math.round(slicesWanted * study.sliceShare));
  let discarded = 0;
  while (rounds.length < wanted) {
    const before = machineTime();
    const round = new Map<Target, Slice>();
    for (const target of shuffled(targets)) round.set(target, await takeSlice(target, study.shape));
    const after = machineTime();
    const stolen = (after.stolenMs - before.stolenMs) / Math.max(1, after.totalMs - before.totalMs);
    if (stolen > STOLEN_SHARE_MAX && discarded < wanted) discarded++;
    else rounds.push(round);
    if (process.stderr.isTTY) process.stderr.write(`\r${study.name}: ${rounds.length} of ${wanted} rounds `);
  }
  if (process.stderr.isTTY) process.stderr.write('\r\u001b[K');
  const ofTarget = (target: Target): readonly Slice[] => rounds.flatMap((round) => round.get(target) ?? []);
  return { slices: new Map(targets.map((target) => [target, ofTarget(target)])), discarded };
}

const WARM_UP_ROUNDS_MAX = 15;
const WARM_UP_ROUND_MS = 2_000;
/** A gateway of many functions takes tens of thousands of requests until its compilers rest. */
export const COMPILING_SHARE_MAX = 0.03;

const warmUpLoads: readonly Shape[] = [
  { ...small, connections: 64, pattern: { kind: 'closed', durationMs: WARM_UP_ROUND_MS } },
  {
    stream: true,
    script: 'c50-d2',
    timeoutMs: 15_000,
    connections: 64,
    pattern: { kind: 'closed', durationMs: WARM_UP_ROUND_MS },
  },
];

export interface WarmUp {
  readonly requests: number;
  readonly bad: Readonly<Record<string, number>>;
  readonly example: string | undefined;
  /** What the compilers still took of the CPU in the last round. */
  readonly compilingShare: number;
}

/** Load of both kinds until the compiler threads rest. Wrong replies count here as anywhere. */
export async function warmUp(target: Target): Promise<WarmUp> {
  let last: WarmUp = { requests: 0, bad: {}, example: undefined, compilingShare: 0 };
  for (const shape of warmUpLoads) {
    for (let round = 0; round < (target.slow ? 2 : WARM_UP_ROUNDS_MAX); round++) {
      const { result, cpuMs: used, cpuMsByThread: byThread } = await takeSlice(target, shape);
      const compilingMs = (byThread.get('JITWorker') ?? 0) + (byThread.get('ended') ?? 0);
      const compilingShare = compilingMs / Math.max(1, used);
      const bad = { ...last.bad, ...result.bad };
      last = { requests: last.requests + result.ok, bad, example: last.example ?? result.example, compilingShare };
      if (compilingShare < COMPILING_SHARE_MAX) break;
    }
  }
  return last;
}

export interface CrowdFigures {
  readonly peakMb: number;
  readonly result: LoadResult;
}

/** 1,000 streams at once: the most memory, and whether all were served. */
export async function runCrowd(target: Target): Promise<CrowdFigures> {
  let peakMb = 0;
  const watch = setInterval(() => (peakMb = Math.max(peakMb, residentMb(target.child.pid))), 50);
  const result = await drive(target, crowd);
  clearInterval(watch);
  return { peakMb, result };
}

const FIRST_REQUEST_PATIENCE_MS = 20_000;

/** Milliseconds until a chat request is answered rightly; connection attempts follow one another without a pause. */
export async function untilServed(target: Target): Promise<number> {
  const startMs = performance.now();
  const url = new URL(target.url);
  const body =
    '{"model":"gpt-4o-mini","messages":[{"role":"user","content":"[#firstfirstfirst1:c1] hi"}],"max_tokens":64}';
  const head = [
    `POST ${url.pathname} HTTP/1.1`,
    `host: ${url.host}`,
    'content-type: application/json',
    ...target.headers,
  ];
  const request = `${head.join('\r\n')}\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
  const state = { ended: false };
  void target.child.exited.then(() => (state.ended = true));
  let last = 'nothing';
  while (!state.ended && performance.now() - startMs < FIRST_REQUEST_PATIENCE_MS) {
    const reply = await ask(Number(url.port), request);
    if (reply?.startsWith('HTTP/1.1 200') && reply.includes('firstfirstfirst1')) return performance.now() - startMs;
    last = reply ?? last;
    await Bun.sleep(reply === undefined ? 0.5 : 20);
  }
  throw new Error(`${target.name} does not serve; its last answer: ${last.slice(0, 500)}`);
}

function ask(port: number, request: string): Promise<string | undefined> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  let got = '';
  Bun.connect({
    hostname: '127.0.0.1',
    port,
    socket: {
      open: (socket) => void socket.write(request),
      data(socket, bytes) {
        got += bytes.toString('latin1');
        const [head = '', text] = got.split('\r\n\r\n');
        const length = Number(/content-length: *(\d+)/i.exec(head)?.[1] ?? Number.NaN);
        const whole = text !== undefined && (Number.isNaN(length) ? got.endsWith('0\r\n\r\n') : text.length >= length);
        if (whole) socket.end();
      },
      close: () => resolve(got === '' ? undefined : got),
      error() {},
    },
  }).catch(() => resolve(undefined));
  return promise;
}

/** Median milliseconds from exec to the first served request. Ends the target: one process owns a data folder. */
export async function measureStart(target: Target, times: number): Promise<number | undefined> {
  if (target.restart === undefined) return undefined;
  await target.child.stop();
  const figures: number[] = [];
  for (let at = 0; at < times; at++) {
    const again = target.restart();
    figures.push(await untilServed(again));
    await again.child.stop();
  }
  return median(figures);
}
