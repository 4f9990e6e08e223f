// CPU and memory of a process with all its threads and children, and the load of the whole machine. CPU comes from the
// kernel's clock of each process: the ticks of /proc are too coarse for slices of a second, and compiler threads that
// end in between would take their share out of sums over threads.

import { dlopen, FFIType, ptr } from 'bun:ffi';
import { readdirSync, readFileSync } from 'node:fs';

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return ''; // a thread or process that ended between listing and reading
  }
}

function threadsOf(pid: number): readonly string[] {
  try {
    return readdirSync(`/proc/${pid}/task`);
  } catch {
    return [];
  }
}

export function processTree(pid: number): readonly number[] {
  const children = threadsOf(pid).flatMap((thread) => read(`/proc/${pid}/task/${thread}/children`).trim().split(' '));
  return [pid, ...children.filter((child) => child !== '').flatMap((child) => processTree(Number(child)))];
}

const libc = dlopen(process.platform === 'linux' ? 'libc.so.6' : 'libc.dylib', {
  clock_gettime: { args: [FFIType.i32, FFIType.ptr], returns: FFIType.i32 },
});
const timespec = new BigInt64Array(2);

/** The kernel's own CPU clock of a process, as `clock_getcpuclockid` names it: ended threads included. */
function processClockMs(pid: number): number {
  const clock = (~pid << 3) | 2;
  if (libc.symbols.clock_gettime(clock, ptr(timespec)) !== 0) return 0;
  return Number(timespec[0] ?? 0n) * 1e3 + Number(timespec[1] ?? 0n) / 1e6;
}

/** What a process and its children have used so far, in milliseconds. */
export interface CpuReading {
  readonly totalMs: number;
  readonly threads: ReadonlyMap<string, { readonly name: string; readonly ms: number }>;
}

export function readCpu(pid: number): CpuReading {
  const threads = new Map<string, { readonly name: string; readonly ms: number }>();
  let totalMs = 0;
  for (const member of processTree(pid)) {
    totalMs += processClockMs(member);
    for (const thread of threadsOf(member)) {
      const folder = `/proc/${member}/task/${thread}`;
      const name = thread === String(member) ? 'main' : read(`${folder}/comm`).trim();
      threads.set(thread, { name, ms: Number(read(`${folder}/schedstat`).split(' ')[0] ?? 0) / 1e6 });
    }
  }
  return { totalMs, threads };
}

/** Milliseconds between two readings, by name of thread; what no living thread accounts for is `ended`. */
export function cpuByThread(before: CpuReading, after: CpuReading): ReadonlyMap<string, number> {
  const byName = new Map<string, number>();
  let endedMs = after.totalMs - before.totalMs;
  for (const [thread, { name, ms }] of after.threads) {
    const usedMs = ms - (before.threads.get(thread)?.ms ?? 0);
    byName.set(name, (byName.get(name) ?? 0) + usedMs);
    endedMs -= usedMs;
  }
  return byName.set('ended', Math.max(0, endedMs));
}

export function residentMb(pid: number): number {
  const kib = processTree(pid).map((member) => Number(/VmRSS:\s+(\d+)/.exec(read(`/proc/${member}/status`))?.[1] ?? 0));
  return kib.reduce((sum, one) => sum + one, 0) / 1024;
}

/** Milliseconds over all cores since the machine's start. */
export interface MachineTime {
  readonly busyMs: number;
  /** Taken by the host for others. */
  readonly stolenMs: number;
  readonly totalMs: number;
}

const MS_PER_TICK = 10;

export function machineTime(): MachineTime {
  const ticks = (read('/proc/stat').split('\n')[0] ?? '').trim().split(/\s+/).slice(1, 9).map(Number);
  const [user = 0, nice = 0, system = 0, idle = 0, waiting = 0, irq = 0, softIrq = 0, steal = 0] = ticks;
  const busy = user + nice + system + irq + softIrq;
  return {
    busyMs: busy * MS_PER_TICK,
    stolenMs: steal * MS_PER_TICK,
    totalMs: (busy + idle + waiting + steal) * MS_PER_TICK,
  };
}

/** The cores that this process may use: `0-1,4` is 0, 1 and 4. */
export function allowedCores(): readonly number[] {
  const list = /Cpus_allowed_list:\s+(\S+)/.exec(read('/proc/self/status'))?.[1] ?? '0';
  return list.split(',').flatMap((range) => {
    const [first = 0, last = first] = range.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, at) => first + at);
  });
}
