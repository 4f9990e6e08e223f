// CPU and memory of a process with all its threads and children, and the load of the whole machine, from /proc.
// CPU comes from schedstat, in nanoseconds: the ticks of `stat` are too coarse for slices of a second.

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

/** Milliseconds of CPU since the start by name of thread; threads that have ended are not counted. */
export function cpuMsByThread(pid: number): ReadonlyMap<string, number> {
  const byThread = new Map<string, number>();
  for (const member of processTree(pid)) {
    for (const thread of threadsOf(member)) {
      const folder = `/proc/${member}/task/${thread}`;
      const name = member === pid && Number(thread) === pid ? 'main' : read(`${folder}/comm`).trim();
      const nanoseconds = Number(read(`${folder}/schedstat`).split(' ')[0] ?? 0);
      byThread.set(name, (byThread.get(name) ?? 0) + nanoseconds / 1e6);
    }
  }
  return byThread;
}

export function cpuMs(pid: number): number {
  return [...cpuMsByThread(pid).values()].reduce((sum, one) => sum + one, 0);
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
