// The disk of the data folder: what kind it is, what is left of it, and how fast it is when it must not forget.

import {
  closeSync, constants, existsSync, openSync, rmSync, statfsSync, statSync, writeSync, accessSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { dataFolderFindings } from '../data-folder-findings.ts';
import { good, risky, wrong, type Finding } from './finding.ts';

export interface FileSystemFacts {
  /** The kernel's magic number of the kind. */
  readonly type: number;
  readonly bsize: number;
  readonly blocks: number;
  readonly bavail: number;
  readonly files: number;
  readonly ffree: number;
}

export interface DiskProbes {
  readonly fileSystemOf: (path: string) => FileSystemFacts;
  /** Milliseconds of one write that is on the disk when it returns; the median of some. */
  readonly syncMs: (folder: string) => number;
  readonly writable: (path: string) => boolean;
}

const GIB = 1024 ** 3;
const FREE_WRONG_BYTES = 0.1 * GIB;
const FREE_RISKY_BYTES = GIB;
const FREE_INODES_MIN = 1_000;
const SYNC_RISKY_MS = 20;

/** Locks, syncs or both mean little there. */
const networkKinds: ReadonlyMap<number, string> = new Map([
  [0x6969, 'NFS'], [0x517b, 'SMB'], [0xfe534d42, 'SMB'], [0xff534d42, 'CIFS'], [0x01021997, '9p'], [0x00c36400, 'Ceph'],
  [0x65735546, 'FUSE'],
]);
const TMPFS = 0x01021994;
const RAMFS = 0x858458f6;
const OVERLAY = 0x794c7630;

export function diskFindings(folder: string, probes: DiskProbes = systemDisk): readonly Finding[] {
  const about = `--data ${folder}`;
  const there = existsSync(folder);
  const at = there ? folder : nearestThere(folder);
  if (there && !statSync(folder).isDirectory())
    return [wrong(about, 'this is a file', 'a folder is needed', 'name another one')];
  if (!probes.writable(at)) {
    return [
      wrong(
        about,
        there ? 'this user may not write here' : `it is not there, and this user may not make it in ${at}`,
        'nothing could be kept',
        there ? `chown it to the user that serves, or run as that user` : 'make it, and chown it to the user that serves',
      ),
    ];
  }
  const findings: Finding[] = [...kindFindings(about, at, probes), ...roomFindings(about, at, probes)];
  if (!there) return [...findings, good(about, 'it is not there yet; the first start makes it')];
  for (const { path, concerns, message } of dataFolderFindings(folder)) {
    const why = concerns === 'secret' ? 'whoever gets there has the gateway' : 'it says what customers do and pay';
    findings.push((concerns === 'secret' ? wrong : risky)(path, message, why, 'as it says'));
  }
  return [...findings, syncFinding(about, folder, probes)];
}

function kindFindings(about: string, at: string, { fileSystemOf }: DiskProbes): readonly Finding[] {
  const { type } = fileSystemOf(at);
  const network = networkKinds.get(type >>> 0);
  if (network !== undefined) {
    const why = 'its locks and syncs may not hold: two processes could serve one folder, and an acknowledged charge be lost';
    return [wrong(about, `this is a network file system (${network})`, why, 'use a disk of this machine')];
  }
  if (type === TMPFS || type >>> 0 === RAMFS)
    return [wrong(about, 'this is memory, not a disk', 'everything is gone at the next boot', 'use a disk')];
  if (type === OVERLAY) {
    return [
      wrong(about, 'this is the container’s own layer', 'it goes with the container', 'mount a volume here'),
    ];
  }
  return [];
}

function roomFindings(about: string, at: string, { fileSystemOf }: DiskProbes): readonly Finding[] {
  const { bsize, blocks, bavail, files, ffree } = fileSystemOf(at);
  const free = bavail * bsize;
  const share = blocks === 0 ? 1 : bavail / blocks;
  const why = 'when the disk is full, paid calls are refused';
  const remedy = 'make room, or move the folder to a larger disk';
  const findings: Finding[] = [];
  if (free < FREE_WRONG_BYTES) findings.push(wrong(about, `${sizeText(free)} are free`, why, remedy));
  else if (free < FREE_RISKY_BYTES) findings.push(risky(about, `only ${sizeText(free)} are free`, why, remedy));
  else findings.push(good(about, `${sizeText(free)} are free (${Math.round(share * 100)} %)`));
  // File systems that make inodes as they go say that they have none.
  if (files > 0 && ffree < FREE_INODES_MIN)
    findings.push(wrong(about, `only ${ffree} files can still be made`, why, 'remove small files on this disk'));
  return findings;
}

function syncFinding(about: string, folder: string, { syncMs }: DiskProbes): Finding {
  const ms = syncMs(folder);
  const text = `a write is on the disk in ${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
  const perSecond = Math.floor(1_000 / Math.max(ms, 0.1));
  if (ms <= SYNC_RISKY_MS)
    return good(about, `${text}: each call waits that long at its end, about ${perSecond} groups of calls a second`);
  const why = `each call waits that long before its end; calls share writes, about ${perSecond} groups a second`;
  return risky(about, text, why, 'use a disk that is not shared or rationed; an SSD takes 0.1 to 5 ms');
}

function nearestThere(path: string): string {
  let at = path;
  while (!existsSync(at) && at !== dirname(at)) at = dirname(at);
  return at;
}

function writable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK | constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

const sizeText = (bytes: number): string =>
  bytes >= GIB ? `${(bytes / GIB).toFixed(1)} GiB` : `${Math.round(bytes / 1024 ** 2)} MiB`;

const SYNCS = 15;
const SYNC_BYTES = 4096;

export const systemDisk: DiskProbes = {
  writable,
  fileSystemOf: (path) => statfsSync(path),
  syncMs(folder) {
    const path = join(folder, `.doctor-${process.pid}`);
    const file = openSync(path, constants.O_CREAT | constants.O_WRONLY | constants.O_DSYNC, 0o600);
    try {
      const block = Buffer.alloc(SYNC_BYTES);
      // The first write makes the block; rewriting it is what the journal does.
      writeSync(file, block, 0, SYNC_BYTES, 0);
      const times = Array.from({ length: SYNCS }, () => {
        const startedMs = performance.now();
        writeSync(file, block, 0, SYNC_BYTES, 0);
        return performance.now() - startedMs;
      }).toSorted((left, right) => left - right);
      return times[Math.floor(SYNCS / 2)] ?? 0;
    } finally {
      closeSync(file);
      rmSync(path, { force: true });
    }
  },
};
