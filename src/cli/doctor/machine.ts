// The machine: what this process may use of it, and whether its clock can be believed.

import { readFileSync } from 'node:fs';
import { release, userInfo } from 'node:os';
import { join } from 'node:path';
import { placeProblem } from '../service/safe-place.ts';
import { good, risky, wrong, type Finding } from './finding.ts';

export interface MachineProbes {
  /** Where `proc` and `sys` are. */
  readonly root: string;
  readonly now: number;
  /** Undefined: cannot be asked. */
  readonly clockSynchronised: () => Promise<boolean | undefined>;
  readonly userId: number;
  /** Undefined when this is no executable. */
  readonly executable: string | undefined;
}

/** A stream has a socket to its client and one to its upstream. */
const FILES_PER_STREAM = 2;
const FILES_BESIDES = 200;
const MIB = 1024 * 1024;
/** Idle, and what a stream adds at most while its client keeps up. */
const MEMORY_IDLE = 80 * MIB;
const MEMORY_PER_STREAM = 0.1 * MIB;
/** Nothing of ours is older than this. */
const NOT_BEFORE = Date.UTC(2026, 0, 1);

export async function machineFindings(probes: MachineProbes, streams: number): Promise<readonly Finding[]> {
  return [
    ...fileFindings(probes, streams),
    ...memoryFindings(probes, streams),
    ...(await clockFindings(probes)),
    ...userFindings(probes),
    ...kernelFindings(probes),
  ];
}

function fileFindings({ root }: MachineProbes, streams: number): readonly Finding[] {
  const line = /^Max open files\s+(\S+)\s+(\S+)/m.exec(read(root, 'proc/self/limits'));
  if (line?.[2] === undefined) return [];
  // Bun raises the limit to the hard one when it starts.
  const limit = line[2] === 'unlimited' ? Number.POSITIVE_INFINITY : Number(line[2]);
  const needed = streams * FILES_PER_STREAM + FILES_BESIDES;
  if (limit >= needed) return [good('open files', `${line[2]} may be open, enough for ${streams} streams`)];
  return [
    wrong(
      'open files',
      `only ${limit} may be open; ${streams} streams need ${needed}`,
      'further connections fail',
      `LimitNOFILE=65536 in the unit, or 'ulimit -Hn' in the shell`,
    ),
  ];
}

function memoryFindings({ root }: MachineProbes, streams: number): readonly Finding[] {
  const limit = memoryLimit(root);
  const free = Number(/^MemAvailable:\s+(\d+) kB/m.exec(read(root, 'proc/meminfo'))?.[1] ?? Number.NaN) * 1024;
  const needed = MEMORY_IDLE + streams * MEMORY_PER_STREAM;
  const findings: Finding[] = [];
  const sized = (bytes: number) => `${Math.round(bytes / MIB)} MiB`;
  if (limit !== undefined && limit < needed) {
    const what = `the control group allows ${sized(limit)}; ${streams} streams take about ${sized(needed)}`;
    findings.push(wrong('memory', what, 'the kernel kills the process', 'raise the limit of the container or unit'));
  }
  if (free < needed) {
    const what = `${sized(free)} are left; ${streams} streams take about ${sized(needed)}`;
    findings.push(risky('memory', what, 'the kernel may kill the process', 'free some, or serve fewer streams'));
  }
  if (read(root, 'proc/sys/vm/overcommit_memory').trim() === '2') {
    const why = 'the engine reserves address space that it never uses, and a start may fail';
    findings.push(risky('memory', 'vm.overcommit_memory is 2', why, 'set it to 0 or 1'));
  }
  return findings.length > 0 ? findings : [good('memory', `enough for ${streams} streams`)];
}

/** In bytes; of either kind of control groups. */
function memoryLimit(root: string): number | undefined {
  const groups = read(root, 'proc/self/cgroup');
  const unified = /^0::(.*)$/m.exec(groups)?.[1];
  const single = /^\d+:(?:[^:]*,)?memory(?:,[^:]*)?:(.*)$/m.exec(groups)?.[1];
  const texts = [
    ...(unified === undefined ? [] : [read(root, join('sys/fs/cgroup', unified, 'memory.max'))]),
    read(root, 'sys/fs/cgroup/memory.max'),
    ...(single === undefined ? [] : [read(root, join('sys/fs/cgroup/memory', single, 'memory.limit_in_bytes'))]),
    read(root, 'sys/fs/cgroup/memory/memory.limit_in_bytes'),
  ];
  const limits = texts.map((text) => text.trim()).filter((text) => /^\d+$/.test(text)).map(Number);
  const least = Math.min(...limits);
  return Number.isSafeInteger(least) ? least : undefined;
}

async function clockFindings({ now, clockSynchronised }: MachineProbes): Promise<readonly Finding[]> {
  const why = 'records, budgets by day and month, prices in force and certificates go by it';
  if (now < NOT_BEFORE) {
    const what = `it says ${new Date(now).toISOString().slice(0, 10)}`;
    return [wrong('clock', what, why, "set it, and let 'timedatectl set-ntp true' keep it")];
  }
  const synchronised = await clockSynchronised();
  if (synchronised === false) {
    const what = 'nothing keeps it right, as far as the kernel knows';
    return [risky('clock', what, why, "'timedatectl set-ntp true', or install chrony")];
  }
  return synchronised === true ? [good('clock', 'it is kept right')] : [];
}

function userFindings({ userId, executable }: MachineProbes): readonly Finding[] {
  const findings: Finding[] = [];
  if (userId === 0) {
    const why = 'a fault in a plugin or a dependency would have the machine';
    findings.push(risky('user', 'this is root', why, "run it as a user of its own: 'tollgate service install'"));
  }
  const problem = executable === undefined ? undefined : placeProblem(executable, false);
  if (problem !== undefined)
    findings.push(risky('executable', problem, 'somebody else could decide what runs', 'move it'));
  return findings;
}

function kernelFindings({ root }: MachineProbes): readonly Finding[] {
  const version = read(root, 'proc/sys/kernel/osrelease').trim() || release();
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major > 4 || (major === 4 && minor >= 18)) return [good('kernel', version)];
  const why = 'an upgrade cannot hand connections over, and the engine is not tested there';
  return [risky('kernel', `${version} is old`, why, 'upgrade to 5.4 or newer')];
}

function read(root: string, path: string): string {
  try {
    return readFileSync(join(root, path), 'utf8');
  } catch {
    return '';
  }
}

export const systemMachine = (executable: string | undefined): MachineProbes => ({
  root: '/',
  now: Date.now(),
  userId: userInfo().uid,
  executable,
  clockSynchronised,
});

/** Bytes of `struct timex`, where its status stands, and the bit that says unsynchronised. */
const TIMEX_BYTES = 208;
const STATUS_AT = 40;
const STA_UNSYNC = 0x40;

async function clockSynchronised(): Promise<boolean | undefined> {
  const { systemLibrary } = await import('../handover/system-library.ts');
  const library = await systemLibrary();
  if (library === undefined) return undefined;
  const timex = Buffer.alloc(TIMEX_BYTES);
  if (library.symbols.adjtimex(library.ptr(timex)) < 0) return undefined;
  return (timex.readInt32LE(STATUS_AT) & STA_UNSYNC) === 0;
}
