// What traces cost, by themselves: CPU of all threads of a traced Tollgate beside two copies that nobody watches.
// Windows of a fraction of a second go round the three, so that what else the machine does falls on all alike; since
// two copies differ for as long as they live, it is done over with fresh ones.
//   bun test/bench/traces-bench.ts [--sets 8] [--executable FILE] [--before FILE (traced, too)]

import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { cores, outFolder, pinning, startChild, stopChildren, untilPrinted } from './children.ts';
import { connect, type Connection } from './connection.ts';
import { NONCE_LENGTH } from './mock-replies.ts';
import { readCpu } from './process-figures.ts';
import { table } from './report.ts';
import { warmUp } from './studies.ts';
import { startMock, type Target } from './targets.ts';
import { startTollgate } from './tollgate-target.ts';

const CONNECTIONS = 64;
const SETTLE_MS = 8;
const SET_PATIENCE_MS = 300_000;

interface Part {
  readonly name: string;
  readonly windows: number;
  readonly windowMs: number;
  /** Undefined: each connection sends its next request upon the reply. */
  readonly perSecond: number | undefined;
}

const parts: readonly Part[] = [
  { name: '64 connections', windows: 60, windowMs: 150, perSecond: undefined },
  { name: '500 a second', windows: 30, windowMs: 400, perSecond: 500 },
];

interface Loaded {
  readonly name: string;
  readonly pid: number;
  /** Sends so many requests, or for so long, and resolves with their number once all are answered. */
  window(part: Part): Promise<number>;
}

const bodyOf = () =>
  `{"model":"gpt-4o-mini","messages":[{"role":"user","content":"[#${'n'.repeat(NONCE_LENGTH)}:c50-d0] Explain what ` +
  'the loopback interface is and why a benchmark should stay on it."}],"temperature":0.2,"max_tokens":256}';

async function load(target: Target): Promise<Loaded> {
  const { port, host, pathname } = new URL(target.url);
  const body = bodyOf();
  const head = [`POST ${pathname} HTTP/1.1`, `host: ${host}`, 'content-type: application/json', ...target.headers];
  const request = `${head.join('\r\n')}\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
  const idle: Connection[] = [];
  let answered: (connection: Connection) => void = () => {};
  let failed: (error: Error) => void = () => {};
  for (let count = 0; count < CONNECTIONS; count += 1) {
    const connection: Connection = await connect(Number(port), {
      onReply: ({ status }) => (status === 200 ? answered(connection) : failed(new Error(`status ${status}`))),
      onLost: () => failed(new Error(`${target.name} closed a connection`)),
    });
    idle.push(connection);
  }
  const window = ({ windowMs, perSecond }: Part): Promise<number> => {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    const startedMs = performance.now();
    const total = perSecond === undefined ? Number.POSITIVE_INFINITY : Math.round((perSecond * windowMs) / 1000);
    let [sent, done] = [0, 0];
    const more = () =>
      sent < total && (perSecond !== undefined || performance.now() < startedMs + windowMs) && idle.length > 0;
    const send = () => {
      while (more() && (perSecond === undefined || startedMs + (sent * 1000) / perSecond <= performance.now())) {
        sent += 1;
        idle.pop()?.send(request);
      }
      if (perSecond !== undefined && sent < total) setTimeout(send, 1);
    };
    failed = reject;
    answered = (connection) => {
      done += 1;
      idle.push(connection);
      if (perSecond === undefined) send();
      if (done === sent && (sent === total || perSecond === undefined)) resolve(done);
    };
    send();
    return promise;
  };
  return { name: target.name, pid: target.child.pid, window };
}

/** Microseconds a request, of each window. What is put off counts: CPU is read from one window's start to the next. */
async function measure(all: readonly Loaded[], part: Part): Promise<ReadonlyMap<string, readonly number[]>> {
  const figures = new Map(all.map(({ name }) => [name, new Array<number>()]));
  const begun = new Map<Loaded, { readonly cpuMs: number; readonly requests: number }>();
  for (let round = -1; round <= part.windows; round += 1) {
    for (const one of round % 2 === 0 ? all : all.toReversed()) {
      const { totalMs: cpuMs } = readCpu(one.pid);
      const last = begun.get(one);
      if (last !== undefined && round > 0) {
        figures.get(one.name)?.push(((cpuMs - last.cpuMs) * 1000) / last.requests);
      }
      begun.set(one, { cpuMs, requests: await one.window(part) });
      await Bun.sleep(SETTLE_MS);
    }
  }
  return figures;
}

type Ratios = Map<string, Map<string, number[]>>;

const UNTRACED = 'untraced';

async function runSet(executable: string, before: string | undefined, ratios: Ratios): Promise<string> {
  const mock = await startMock();
  const collector = startChild({ name: 'collector', core: cores.load, command: [process.execPath, 'collector.ts'] });
  const [, port = ''] = await untilPrinted(collector, /port (\d+)/);
  const traced = ['--otlp', `http://127.0.0.1:${port}`];
  const variants = [
    { name: UNTRACED, file: executable, argv: [] },
    { name: 'untraced (twin)', file: executable, argv: [] },
    { name: 'traced', file: executable, argv: traced },
    ...(before === undefined ? [] : [{ name: 'traced before', file: before, argv: traced }]),
  ];
  const targets: Target[] = [];
  for (const { name, file, argv } of variants) targets.push(await startTollgate(file, mock, { name, argv }));
  for (const target of targets) await warmUp(target);
  const all = await Promise.all(targets.map(load));
  const said: string[] = [];
  for (const part of parts) {
    const figures = await measure(all, part);
    const base = figures.get(UNTRACED) ?? [];
    const byName = ratios.get(part.name) ?? new Map<string, number[]>();
    ratios.set(part.name, byName);
    for (const [name, some] of figures) {
      said.push(`${part.name}, ${name}: ${mean(some).toFixed(1)} us`);
      byName.set(name, [...(byName.get(name) ?? []), mean(some) / mean(base)]);
    }
  }
  await stopChildren();
  return said.join('; ');
}

const mean = (values: readonly number[]): number => values.reduce((sum, one) => sum + one, 0) / values.length;

/** The mean over sets, and its standard error. */
function summed(values: readonly number[]): string {
  const middle = mean(values);
  const variance = (mean(values.map((one) => (one - middle) ** 2)) * values.length) / Math.max(1, values.length - 1);
  return `${((middle - 1) * 100).toFixed(1)} % ± ${(Math.sqrt(variance / values.length) * 100).toFixed(1)}`;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      sets: { type: 'string', default: '8' },
      executable: { type: 'string', default: join(outFolder, 'tollgate') },
      before: { type: 'string' },
    },
  });
  if (pinning) Bun.spawnSync(['taskset', '-a', '-p', '-c', String(cores.load), String(process.pid)]);
  // Each runs in a folder of its own.
  const executable = resolve(values.executable);
  const before = values.before === undefined ? undefined : resolve(values.before);
  const ratios: Ratios = new Map();
  for (let set = 0; set < Number(values.sets); set += 1) {
    const late = setTimeout(() => {
      console.error(`a set did not end within ${SET_PATIENCE_MS / 1000} seconds`);
      process.exit(1);
    }, SET_PATIENCE_MS);
    console.log(await runSet(executable, before, ratios));
    clearTimeout(late);
  }
  const rows = [...ratios].flatMap(([part, byName]) =>
    [...byName].filter(([name]) => name !== UNTRACED).map(([name, some]) => [part, name, summed(some)]),
  );
  console.log(table(['CPU against untraced', '', 'mean of sets ± standard error'], rows));
}

await main();
process.exit(0);
