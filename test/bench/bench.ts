// `npm run bench`: what Tollgate costs beside a bare pass-through of the same run. See README.md for the method.
//   --quick  --slices N  --only max,r500,sse,ttft,memory,start,semantics  --peers  --silence SECONDS
//   --executable FILE (built afresh if left out)  --no-tollgate (the yardsticks alone)
//   --translated (also with upstreams of other protocols; for the part `sse`)
//   --watched (also with metrics read, and with traces sent)  --before FILE (another executable, to compare with)

import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { cores, outFolder, pinning, stopChildren } from './children.ts';
import { machineTime, readCpu, residentMb } from './process-figures.ts';
import {
  barLines,
  cell,
  figuresOf,
  isMet,
  roundPercentiles,
  studyTable,
  table,
  threadLines,
  twinNote,
} from './report.ts';
import type { Bar, TargetFigures } from './report.ts';
import { measureLeaving, measureSilence, measureStalled } from './semantics.ts';
import { COMPILING_SHARE_MAX, measureStart, runCrowd, runStudy, studies, untilServed, warmUp } from './studies.ts';
import { directTarget, startBare, startMock, startNginx, startPortkey, type Target, type Upstream } from './targets.ts';
import { startTollgate } from './tollgate-target.ts';
import { startTranslated, translatedBars } from './translated-targets.ts';
import { addedByWatching, BEFORE, startWatched, type Watched } from './watched-targets.ts';

const project = resolve(import.meta.dir, '../..');
const TOTAL_MAX_MS = 40 * 60_000;
const BARE = 'bare';
const TWIN = 'bare (twin)';
const parts = ['max', 'r500', 'sse', 'ttft', 'memory', 'start', 'semantics'] as const;
type Part = (typeof parts)[number];

interface Options {
  readonly slices: number;
  readonly only: ReadonlySet<Part>;
  readonly peers: boolean;
  readonly tollgate: boolean;
  readonly executable: string | undefined;
  readonly silenceMs: number;
  readonly watched: boolean;
  readonly translated: boolean;
  readonly before: string | undefined;
}

function readOptions(words: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...words],
    options: {
      quick: { type: 'boolean', default: false },
      slices: { type: 'string' },
      only: { type: 'string' },
      peers: { type: 'boolean', default: false },
      silence: { type: 'string', default: '60' },
      executable: { type: 'string' },
      watched: { type: 'boolean', default: false },
      translated: { type: 'boolean', default: false },
      before: { type: 'string' },
      'no-tollgate': { type: 'boolean', default: false },
    },
  });
  const named = values.only?.split(',') ?? parts;
  const unknown = named.filter((name) => !parts.some((part) => part === name));
  if (unknown.length > 0) throw new Error(`--only ${unknown.join(',')} is not known; choose from ${parts.join(',')}`);
  const slices = Number(values.slices ?? (values.quick ? 4 : 24));
  if (!Number.isInteger(slices) || slices < 1 || slices > 500)
    throw new Error('--slices is a whole number from 1 to 500');
  return {
    slices,
    only: new Set(parts.filter((part) => named.includes(part))),
    peers: values.peers,
    tollgate: !values['no-tollgate'],
    executable: values.executable,
    watched: values.watched,
    translated: values.translated,
    before: values.before,
    silenceMs: Math.max(1, Number(values.silence)) * 1000,
  };
}

async function buildExecutable(): Promise<string> {
  const file = join(outFolder, 'tollgate');
  const build = Bun.spawn([process.execPath, join(project, 'src/main.ts'), 'build', '--out', file], {
    cwd: project,
  });
  if ((await build.exited) !== 0 || !existsSync(file)) throw new Error('the executable does not build');
  return file;
}

interface Bench {
  readonly options: Options;
  readonly upstream: Upstream;
  readonly targets: readonly Target[];
  readonly watched: Watched | undefined;
  readonly bars: Bar[];
  readonly remarks: string[];
}

const byName = (bench: Bench, name: string): Target | undefined => bench.targets.find((one) => one.name === name);

async function startTargets(
  options: Options,
  upstream: Upstream,
): Promise<{ readonly targets: readonly Target[]; readonly watched: Watched | undefined }> {
  let watched: Watched | undefined;
  const targets: Target[] = [directTarget(upstream), startBare(BARE, upstream), startBare(TWIN, upstream)];
  if (options.tollgate) {
    const executable = options.executable === undefined ? await buildExecutable() : resolve(options.executable);
    targets.push(await startTollgate(executable, upstream));
    if (options.translated) targets.push(...(await startTranslated(executable, upstream)));
    if (options.watched) {
      watched = await startWatched(executable, upstream);
      targets.push(...watched.targets);
    }
    if (options.before !== undefined)
      targets.push(await startTollgate(resolve(options.before), upstream, { name: BEFORE }));
  }
  if (options.peers) {
    const peers = { nginx: await startNginx(upstream), portkey: await startPortkey(upstream) };
    for (const [name, peer] of Object.entries(peers)) {
      if (peer === undefined) console.log(`${name} is not to be had on this machine: left out`);
      else targets.push(peer);
    }
  }
  for (const target of targets) await untilServed(target);
  return { targets, watched };
}

function addStudyBars(bench: Bench, part: Part, figures: readonly TargetFigures[]): void {
  const bare = figures.find(({ name }) => name === BARE);
  const tollgate = figures.find(({ name }) => name === 'tollgate');
  const portkey = figures.find(({ name }) => name === 'portkey');
  if (bare === undefined || tollgate === undefined) return;
  const atMost = (what: string, value: number, limit: number, unit: string): void => {
    bench.bars.push({ what, value, limit, kind: 'at most', unit });
  };
  if (part === 'max') {
    atMost('CPU per request at 64 connections / bare', tollgate.cpuRatio, 1.2, 'x');
    if (portkey !== undefined) {
      const value = tollgate.perSecond / portkey.perSecond;
      bench.bars.push({
        what: "requests/s / Portkey's on Node",
        value,
        limit: 18,
        kind: 'at least',
        unit: 'x',
      });
    }
  } else if (part === 'r500') {
    atMost('CPU per request at 500/s / bare', tollgate.cpuRatio, 1.2, 'x');
    atMost('p50 at 500/s above bare', tollgate.p50Ms - bare.p50Ms, 0.3, 'ms');
    atMost('p99 at 500/s above bare', tollgate.p99Ms - bare.p99Ms, 1.5, 'ms');
  } else if (part === 'sse') {
    atMost('CPU per chunk / bare', tollgate.cpuRatio, 1.5, 'x');
    bench.bars.push(...translatedBars(figures));
  }
}

async function runStudies(bench: Bench): Promise<void> {
  const bare = byName(bench, BARE);
  if (bare === undefined) return;
  for (const study of studies.filter(({ name }) => bench.options.only.has(name))) {
    const { slices, discarded } = await runStudy(study, bench.targets, bench.options.slices);
    const figures = figuresOf(study, slices, bare);
    console.log(`${studyTable(study, figures, BARE)}\n${threadLines(study, slices)}\n`);
    addStudyBars(bench, study.name, figures);
    const added = addedByWatching(study.title, figures);
    if (added !== undefined) {
      console.log(`${added.text}\n`);
      bench.bars.push(...added.bars);
      if (added.remark !== undefined) bench.remarks.push(added.remark);
    }
    const twins = study.name === 'ttft' ? undefined : twinNote(study, figures, TWIN);
    if (twins !== undefined) bench.remarks.push(twins);
    if (discarded > 0)
      bench.remarks.push(`${study.name}: ${discarded} rounds taken again, the host had taken the cores`);
    for (const { name, bad, example } of figures) {
      if (Object.keys(bad).length > 0)
        bench.remarks.push(`${study.name}, ${name}: wrong ${JSON.stringify(bad)}: ${example}`);
    }
  }
}

async function measureMemory(bench: Bench, idleMb: ReadonlyMap<Target, number>): Promise<void> {
  const rows: string[][] = [];
  for (const target of bench.targets) {
    const loadedMb = residentMb(target.child.pid);
    const { peakMb, result } = await runCrowd(target);
    const wrong = Object.keys(result.bad).length > 0 ? `${JSON.stringify(result.bad)} ${result.example ?? ''}` : '';
    const idle = idleMb.get(target) ?? Number.NaN;
    const figures = [idle, loadedMb, peakMb].map((one) => one.toFixed(0));
    rows.push([target.name, ...figures, String(result.ok), roundPercentiles(result.firstTokenMs), wrong]);
    if (target.name !== 'tollgate') continue;
    const bar = (what: string, value: number, limit: number): void => {
      bench.bars.push({ what, value, limit, kind: 'at most', unit: 'MB' });
    };
    bar('memory idle', idle, 70);
    bar('memory after load', loadedMb, 100);
    bar('memory peak at 1,000 streams', peakMb, 120);
    const served: Bar = {
      what: '1,000 streams at once served',
      value: result.ok,
      limit: 1000,
      kind: 'at least',
      unit: 'ok',
    };
    bench.bars.push(served);
  }
  const headings = ['memory, MB', 'idle', 'after load', 'peak at 1,000 streams', 'served', 'first token of 1,000', ''];
  console.log(`${table(headings, rows)}\n`);
}

async function measureSemantics(bench: Bench): Promise<void> {
  const silent = new Map(bench.targets.map((target) => [target, measureSilence(target, bench.options.silenceMs)]));
  const rows: string[][] = [];
  for (const target of bench.targets.filter(({ name }) => name !== TWIN && name !== 'direct')) {
    const leaving = await measureLeaving(target, bench.upstream);
    const stalled = await measureStalled(target);
    const served = (await silent.get(target)) === true;
    rows.push([
      target.name,
      `${leaving.closed} of ${leaving.clients}`,
      `${cell(leaving.medianMs, 0)} / ${cell(leaving.slowestMs, 0)}`,
      `${stalled.beforeMb.toFixed(0)} -> ${stalled.peakMb.toFixed(0)} -> ${stalled.afterMb.toFixed(0)}`,
      served ? 'served' : 'CUT',
    ]);
    if (target.name !== 'tollgate') continue;
    const silence = `stream silent for ${bench.options.silenceMs / 1000} s served`;
    bench.bars.push(
      {
        what: 'client leaves: upstreams closed',
        value: leaving.closed,
        limit: 20,
        kind: 'at least',
        unit: 'of 20',
      },
      {
        what: 'client leaves: slowest close',
        value: leaving.slowestMs,
        limit: 100,
        kind: 'at most',
        unit: 'ms',
      },
      {
        what: '20 stalled readers',
        value: stalled.peakMb - stalled.beforeMb,
        limit: 30,
        kind: 'at most',
        unit: 'MB more',
      },
      { what: silence, value: Number(served), limit: 1, kind: 'at least', unit: 'ok' },
    );
  }
  const headings = ['behaviour', 'client left: closed', 'median / slowest ms', 'stalled readers, MB', 'silent stream'];
  console.log(`${table(headings, rows)}\n`);
}

async function measureStarts(bench: Bench): Promise<void> {
  const rows: string[][] = [];
  for (const target of bench.targets.filter(({ restart, name }) => restart !== undefined && name !== TWIN)) {
    const startMs = (await measureStart(target, bench.options.slices < 10 ? 3 : 9)) ?? Number.NaN;
    rows.push([target.name, startMs.toFixed(0)]);
    if (target.name !== 'tollgate') continue;
    bench.bars.push({
      what: 'first served request after exec',
      value: startMs,
      limit: 60,
      kind: 'at most',
      unit: 'ms',
    });
  }
  console.log(`${table(['start', 'ms to the first served request'], rows)}\n`);
}

async function run(options: Options): Promise<string> {
  const started = machineTime();
  const upstream = await startMock();
  const { targets, watched } = await startTargets(options, upstream);
  const bench: Bench = { options, upstream, targets, watched, bars: [], remarks: [] };
  if (!pinning) bench.remarks.push('no taskset or only one core: nothing is pinned, figures are rough');

  await Bun.sleep(1000);
  const idleMb = new Map(targets.map((target) => [target, residentMb(target.child.pid)]));
  for (const target of targets) {
    const { requests, bad, example, compilingShare } = await warmUp(target);
    if (Object.keys(bad).length > 0) bench.remarks.push(`warm-up, ${target.name}: ${JSON.stringify(bad)}: ${example}`);
    if (target.slow || compilingShare < COMPILING_SHARE_MAX) continue;
    const percent = (compilingShare * 100).toFixed(0);
    bench.remarks.push(`${target.name} was still compiling (${percent} % of its CPU) after ${requests} requests`);
  }
  await runStudies(bench);
  if (options.only.has('memory')) await measureMemory(bench, idleMb);
  if (options.only.has('semantics')) await measureSemantics(bench);
  bench.remarks.push(...((await watched?.remarks()) ?? []));
  const ownCpuMs = targets.reduce((sum, { child }) => sum + readCpu(child.pid).totalMs, 0);
  if (options.only.has('start')) await measureStarts(bench);

  const ended = machineTime();
  const wallMs = ended.totalMs - started.totalMs || 1;
  const stolen = ((ended.stolenMs - started.stolenMs) / wallMs) * 100;
  const busy = ((ended.busyMs - started.busyMs) / wallMs) * 100;
  bench.remarks.push(
    `stolen by the host ${stolen.toFixed(1)} %, machine busy ${busy.toFixed(0)} %, ` +
      `of which targets ${((ownCpuMs / wallMs) * 100).toFixed(0)} %`,
  );
  if (bench.bars.length > 0) console.log(`${barLines(bench.bars)}\n`);
  console.log(bench.remarks.join('\n'));
  await Bun.write(join(outFolder, 'last.json'), JSON.stringify({ bars: bench.bars, remarks: bench.remarks }, null, 2));
  if (bench.bars.length === 0) return 'no bars measured';
  const missed = bench.bars.filter((bar) => !isMet(bar)).length;
  return missed === 0 ? `all ${bench.bars.length} bars met` : `${missed} of ${bench.bars.length} bars missed`;
}

async function main(): Promise<void> {
  const options = readOptions(process.argv.slice(2));
  if (pinning) Bun.spawnSync(['taskset', '-a', '-p', '-c', String(cores.load), String(process.pid)]);
  const deadline = setTimeout(() => {
    console.error(`the bench did not end within ${TOTAL_MAX_MS / 60_000} minutes`);
    process.exit(1);
  }, TOTAL_MAX_MS);
  try {
    console.log(await run(options));
  } finally {
    clearTimeout(deadline);
    await stopChildren();
  }
}

await main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
});
process.exit(0);
